namespace PaymentSync.Telemetry;

/// <summary>
/// <c>PaymentSync health</c>: whether the service on this machine is alive (<c>health ready</c>: can do its work), for health checks where there is no
/// other HTTP client. It looks where the same environment makes the service listen.
/// </summary>
/// <remarks>Exit codes: 0 it is, 1 it is not, or does not answer (a sentence says which), 2 wrong usage.</remarks>
static class HealthVerb
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is not ([] or ["live" or "ready"]))
        {
            await Console.Error.WriteLineAsync("Usage: PaymentSync health [live|ready]");
            return 2;
        }
        var configuration = new ConfigurationBuilder().AddEnvironmentVariables("DOTNET_").AddEnvironmentVariables("ASPNETCORE_").AddEnvironmentVariables().Build();
        return await AskAsync(Address(configuration[WebHostDefaults.ServerUrlsKey] ?? configuration["PAYMENTSYNC_URL"]), args is [var asked] ? asked : "live", Console.Error);
    }

    internal static async Task<int> AskAsync(Uri service, string probe, TextWriter error)
    {
        var address = new Uri(service, $"/health/{probe}");
        using var client = new HttpClient { Timeout = Patience };
        try
        {
            using var answer = await client.GetAsync(address);
            if (answer.IsSuccessStatusCode)
                return 0;
            await error.WriteLineAsync($"{address} answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
        }
        catch (Exception problem) when (problem is HttpRequestException or TaskCanceledException)
        {
            await error.WriteLineAsync($"{address} does not answer: {problem.Message}");
        }
        return 1;
    }

    /// <param name="listensOn">Addresses as the server takes them, separated by semicolons: with * or 0.0.0.0 for every network of the machine.</param>
    /// <returns>The first of them that speaks plain http, else the first, as this machine reaches it.</returns>
    internal static Uri Address(string? listensOn)
    {
        var addresses = (string.IsNullOrEmpty(listensOn) ? Service.DefaultUrl : listensOn)
            .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(BindingAddress.Parse).ToList();
        var address = addresses.Find(one => one.Scheme == Uri.UriSchemeHttp) ?? addresses[0];
        var host = address.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "127.0.0.1" : address.Host;
        return new UriBuilder(address.Scheme, host, address.Port).Uri;
    }
}
