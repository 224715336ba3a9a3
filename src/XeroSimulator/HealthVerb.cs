namespace XeroSimulator;

/// <summary><c>XeroSimulator health</c>: whether the simulator that the same environment starts answers, for health checks where there is no other HTTP client.</summary>
/// <remarks>Exit codes: 0 it does, 1 it does not.</remarks>
static class HealthVerb
{
    public static Task<int> RunAsync() =>
        AskAsync(Environment.GetEnvironmentVariable("ASPNETCORE_URLS") ?? Environment.GetEnvironmentVariable("XERO_SIMULATOR_URL") ?? SimulatorApp.DefaultUrl, Console.Error);

    internal static async Task<int> AskAsync(string listensOn, TextWriter error)
    {
        var listening = BindingAddress.Parse(listensOn.Split(';')[0]);
        var host = listening.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "127.0.0.1" : listening.Host;
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        try
        {
            using var answer = await client.GetAsync(new UriBuilder(listening.Scheme, host, listening.Port, "/health").Uri);
            return answer.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception problem) when (problem is HttpRequestException or TaskCanceledException)
        {
            await error.WriteLineAsync($"The simulator does not answer: {problem.Message}");
            return 1;
        }
    }
}
