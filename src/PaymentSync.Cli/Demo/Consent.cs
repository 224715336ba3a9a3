using System.Net.Http.Headers;

namespace PaymentSync.Cli.Demo;

/// <summary>
/// Connects an organisation the way a person's browser does: from <c>/xero/connect</c> to Xero's consent page and back to
/// <c>/xero/callback</c>, redirect by redirect. The simulator agrees at once where Xero would show a page.
/// </summary>
static class Consent
{
    const int MostRedirects = 5;

    /// <exception cref="ApiException">A step was refused or led nowhere.</exception>
    public static async Task GiveAsync(Api service, Guid organisation, CancellationToken cancellationToken)
    {
        using var browser = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = TimeSpan.FromSeconds(30) };
        var next = new Uri(service.Address, $"/xero/connect?organizationId={organisation}");
        for (var step = 0; step < MostRedirects; step++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, next);
            // The key is for the first step only: the pages after it are not this service's own, or need none.
            if (step == 0 && service.Key is { } key)
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var answer = await AskAsync(browser, request, cancellationToken);
            if (answer.Headers.Location is { } location)
            {
                next = new Uri(next, location);
                continue;
            }
            if (answer.IsSuccessStatusCode)
                return;
            throw new ApiException($"Connecting to Xero stopped at {next.GetLeftPart(UriPartial.Path)}, which answered {(int)answer.StatusCode}. Is Xero__ClientId an app of the simulator that may use OAuth?");
        }
        throw new ApiException($"Connecting to Xero did not end after {MostRedirects} redirects; the last led to {next.GetLeftPart(UriPartial.Path)}.");
    }

    static async Task<HttpResponseMessage> AskAsync(HttpClient browser, HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await browser.SendAsync(request, cancellationToken);
        }
        catch (HttpRequestException problem)
        {
            throw new ApiException($"{request.RequestUri!.GetLeftPart(UriPartial.Authority)} does not answer ({problem.Message}). Is it running? ./dev up starts it.");
        }
    }
}
