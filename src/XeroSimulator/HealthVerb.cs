namespace XeroSimulator;

/// <summary><c>XeroSimulator health</c>: whether the simulator that the same environment starts answers, for health checks where there is no other HTTP client.</summary>
/// <remarks>Exit codes: 0 it does, 1 it does not.</remarks>
static class HealthVerb
{
    public static async Task<int> RunAsync()
    {
        var urls = Environment.GetEnvironmentVariable("ASPNETCORE_URLS") ?? Environment.GetEnvironmentVariable("XERO_SIMULATOR_URL") ?? SimulatorApp.DefaultUrl;
        var listening = BindingAddress.Parse(urls.Split(';')[0]);
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        try
        {
            using var answer = await client.GetAsync(new UriBuilder(Uri.UriSchemeHttp, listening.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "127.0.0.1" : listening.Host, listening.Port, "/health").Uri);
            return answer.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception problem) when (problem is HttpRequestException or TaskCanceledException)
        {
            await Console.Error.WriteLineAsync($"The simulator does not answer: {problem.Message}");
            return 1;
        }
    }
}
