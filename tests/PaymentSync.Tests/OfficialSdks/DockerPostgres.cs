using System.Net.Sockets;
using System.Runtime.CompilerServices;
using PaymentSync.Tests.Testing;
using Testcontainers.PostgreSql;

namespace PaymentSync.Tests.OfficialSdks;

/// <summary>A throw-away PostgreSQL in a container, where a Docker engine answers.</summary>
/// <remarks>
/// A client and a socket are there on many machines without an engine behind them, and an engine without a registry; both must cost
/// seconds, not minutes. PAYMENTSYNC_TEST_POSTGRES_IMAGE names another image than postgres:17.
/// </remarks>
static class DockerPostgres
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>The socket or address that Docker's own client would use.</summary>
    static Uri Engine => new(Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } host ? host : "unix:///var/run/docker.sock");

    [ModuleInitializer]
    internal static void OfferContainer() => PostgresServer.StartContainer = TryStartAsync;

    static async Task<(string ConnectionString, Func<ValueTask> Stop)?> TryStartAsync()
    {
        if (!await AnswersAsync(Engine))
            return Without($"No Docker engine answers at {Engine}.");
        var image = Environment.GetEnvironmentVariable("PAYMENTSYNC_TEST_POSTGRES_IMAGE") is { Length: > 0 } named ? named : "postgres:17";
        PostgreSqlContainer? container = null;
        try
        {
            container = new PostgreSqlBuilder(image)
                .WithCommand("-c", "max_connections=400", "-c", "wal_level=minimal", "-c", "max_wal_senders=0")
                .Build();
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
            await container.StartAsync(patience.Token);
            return (container.GetConnectionString(), container.DisposeAsync);
        }
        // Of many types, from the engine's and the registry's refusals to a container that ended at once.
        catch (Exception problem)
        {
            if (container is not null)
                await container.DisposeAsync();
            return Without($"The Docker engine at {Engine} could not start {image}: {problem.Message}");
        }
    }

    static (string, Func<ValueTask>)? Without(string why)
    {
        Console.Error.WriteLine($"{why} The tests use PostgreSQL's programs on this machine.");
        return null;
    }

    internal static async Task<bool> AnswersAsync(Uri engine)
    {
        using var handler = new SocketsHttpHandler();
        if (engine.Scheme == "unix")
        {
            handler.ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(engine.AbsolutePath), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            };
        }
        using var http = new HttpClient(handler) { Timeout = Patience };
        try
        {
            using var answer = await http.GetAsync(new Uri(engine.Scheme == "unix" ? "http://docker/_ping" : $"http://{engine.Authority}/_ping"));
            return answer.IsSuccessStatusCode;
        }
        catch (Exception problem) when (problem is HttpRequestException or OperationCanceledException or SocketException)
        {
            return false;
        }
    }
}
