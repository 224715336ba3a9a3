using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using Shouldly;

namespace PaymentSync.EndToEnd.Killing;

/// <summary>
/// Stands between one process of the service and all that it can change, PostgreSQL and Xero, and passes on every message. At the
/// point it was armed with it kills the process (SIGKILL), with the message on that side of its effect and nothing of the process's
/// other threads let through after it.
/// </summary>
/// <remarks>
/// Outside the process and not inside it: the service under test is the one that is deployed, without hooks; the wire shows BEGIN and
/// COMMIT, which no tracing of the driver reports; and "done, but the answer was lost" can be had exactly.
/// </remarks>
sealed class KillGate : IAsyncDisposable
{
    readonly TcpListener _database = new(IPAddress.Loopback, 0);
    readonly TcpListener _xero = new(IPAddress.Loopback, 0);
    readonly NpgsqlConnectionStringBuilder _server;
    readonly Uri _simulator;
    readonly CancellationTokenSource _end = new();
    readonly ConcurrentDictionary<string, int> _seen = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<KillPoint, bool> _points = new();
    readonly ConcurrentDictionary<string, bool> _keys = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<Task, bool> _serving = new();
    readonly Lock _lock = new();
    readonly List<Task> _listening = [];
    CancellationTokenSource _process = new();
    KillPoint? _armed;
    int _hitsLeft;
    RunningProgram? _victim;
    bool _dying;

    public KillGate(string connectionString, Uri simulator)
    {
        _server = new NpgsqlConnectionStringBuilder(connectionString);
        _simulator = simulator;
        _database.Start();
        _xero.Start();
        ConnectionString = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Host = "127.0.0.1",
            Port = ((IPEndPoint)_database.LocalEndpoint).Port,
            SslMode = SslMode.Disable,
        }.ConnectionString;
        Xero = new Uri($"http://127.0.0.1:{((IPEndPoint)_xero.LocalEndpoint).Port}/");
        _listening.Add(ListenAsync(_database, (client, process) => new PostgresWire(this, client, ConnectAsync).ServeAsync(process)));
        _listening.Add(ListenAsync(_xero, (client, process) => new HttpWire(this, client, _simulator).ServeAsync(process)));
    }

    /// <summary>What the process uses instead of the database's own.</summary>
    public string ConnectionString { get; }
    public Uri Xero { get; }
    /// <summary>Every point that was ever passed, in no order.</summary>
    public IReadOnlyCollection<KillPoint> Points => [.. _points.Keys];
    /// <summary>How often each message was met, over all processes.</summary>
    public IReadOnlyDictionary<string, int> Seen => _seen;

    /// <summary>The idempotency keys of all calls that left a process.</summary>
    public IReadOnlyCollection<string> Keys => [.. _keys.Keys];

    /// <summary>From now on serves this process, and kills it at the point's n-th hit; null lets everything through.</summary>
    public void Arm(KillPoint? point, int hit)
    {
        lock (_lock)
        {
            (_armed, _hitsLeft, _dying, _victim) = (point, hit, false, null);
        }
    }

    /// <summary>The process that is served; known only after it was started, and it connects a good while later.</summary>
    public void Watch(RunningProgram victim)
    {
        lock (_lock)
            _victim = victim;
    }

    /// <summary>Its process is gone: closes what it left open, as the kernel would.</summary>
    public async Task HangUpAsync()
    {
        var before = Interlocked.Exchange(ref _process, new CancellationTokenSource());
        await before.CancelAsync();
        await Task.WhenAll(_serving.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        before.Dispose();
    }

    /// <summary>A message that changes something or may not: on which side of it the process dies now, if it does.</summary>
    /// <param name="moments">The points that this message has.</param>
    internal Moment? Meet(PointKind kind, string what, params ReadOnlySpan<Moment> moments)
    {
        _seen.AddOrUpdate(what, 1, (_, times) => times + 1);
        foreach (var moment in moments)
            _points.TryAdd(new KillPoint(what, moment, kind), true);
        lock (_lock)
            return _armed is { } point && point.What == what && !_dying && --_hitsLeft == 0 ? point.Moment : null;
    }

    internal void Intended(string key) => _keys.TryAdd(key, true);

    /// <summary>Kills the process; never returns, as nothing more comes from it.</summary>
    internal async Task DieAsync(CancellationToken process)
    {
        RunningProgram victim;
        lock (_lock)
        {
            _dying = true;
            victim = _victim.ShouldNotBeNull();
        }
        victim.Kill();
        await Task.Delay(Timeout.InfiniteTimeSpan, process);
    }

    /// <summary>Between the kill and the end of the process nothing of its other threads gets through.</summary>
    internal async Task UnlessDyingAsync(CancellationToken process)
    {
        bool dying;
        lock (_lock)
            dying = _dying;
        if (dying)
            await Task.Delay(Timeout.InfiniteTimeSpan, process);
    }

    async Task<Stream> ConnectAsync(CancellationToken process)
    {
        var local = _server.Host!.StartsWith('/');
        var socket = new Socket(local ? AddressFamily.Unix : AddressFamily.InterNetwork, SocketType.Stream, local ? ProtocolType.Unspecified : ProtocolType.Tcp);
        EndPoint address = local ? new UnixDomainSocketEndPoint($"{_server.Host}/.s.PGSQL.{_server.Port}") : new DnsEndPoint(_server.Host, _server.Port);
        await socket.ConnectAsync(address, process);
        return new NetworkStream(socket, ownsSocket: true);
    }

    async Task ListenAsync(TcpListener listener, Func<Stream, CancellationToken, Task> serve)
    {
        while (!_end.IsCancellationRequested)
        {
            var client = await listener.AcceptTcpClientAsync(_end.Token);
            client.NoDelay = true;
            var serving = ServeAsync(client, serve, Volatile.Read(ref _process).Token);
            _serving.TryAdd(serving, true);
            _ = serving.ContinueWith(done => _serving.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    static async Task ServeAsync(TcpClient client, Func<Stream, CancellationToken, Task> serve, CancellationToken process)
    {
        using var _ = client;
        try
        {
            await serve(client.GetStream(), process);
        }
        catch (Exception problem) when (problem is IOException or SocketException or OperationCanceledException)
        {
            // One end closed, or the process is gone: so is the connection.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await HangUpAsync();
        _database.Dispose();
        _xero.Dispose();
        await Task.WhenAll(_listening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _process.Dispose();
        _end.Dispose();
    }
}
