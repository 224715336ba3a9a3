using System.Net.Sockets;
using DotNet.Testcontainers.Builders;
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

    /// <returns>Null: no engine answers, or it could not start the container; <paramref name="why"/> is told then.</returns>
    public static async Task<PostgreSqlContainer?> TryStartAsync(Action<string> why)
    {
        if (!await AnswersAsync(Engine))
        {
            why($"No Docker engine answers at {Engine}.");
            return null;
        }
        var image = Environment.GetEnvironmentVariable("PAYMENTSYNC_TEST_POSTGRES_IMAGE") is { Length: > 0 } named ? named : "postgres:17";
        PostgreSqlContainer? container = null;
        try
        {
            container = new PostgreSqlBuilder(image)
                .WithCommand("-c", "max_connections=400", "-c", "wal_level=minimal", "-c", "max_wal_senders=0")
                .Build();
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
            await container.StartAsync(patience.Token);
            return container;
        }
        // Of many types, from the engine's and the registry's refusals to a container that ended at once.
        catch (Exception problem)
        {
            if (container is not null)
                await container.DisposeAsync();
            why($"The Docker engine at {Engine} could not start {image}: {problem.Message}");
            return null;
        }
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
