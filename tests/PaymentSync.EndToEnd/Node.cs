namespace PaymentSync.EndToEnd;

/// <summary>One process of the service.</summary>
sealed class Node(RunningProgram program, Uri address) : IAsyncDisposable
{
    public RunningProgram Program => program;
    public Uri Address => address;

    public HttpClient Api { get; } = new(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(5) })
    {
        BaseAddress = address,
        Timeout = TimeSpan.FromSeconds(60),
        DefaultRequestHeaders = { Authorization = new("Bearer", Deployment.AdminKey) },
    };

    public ValueTask DisposeAsync()
    {
        Api.Dispose();
        return program.DisposeAsync();
    }
}
