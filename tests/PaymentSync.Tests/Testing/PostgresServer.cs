using Npgsql;
using PaymentSync.Tests.Testing;
using Xunit;

[assembly: AssemblyFixture(typeof(PostgresServer))]

namespace PaymentSync.Tests.Testing;

/// <summary>
/// The PostgreSQL that all tests share: the one named by PAYMENTSYNC_TEST_DATABASE, else a container where a Docker engine
/// answers (only in the build with the official SDKs), else a private cluster made of this machine's programs. A test takes it as a constructor argument and asks for a database of its own.
/// </summary>
/// <remarks>Nothing starts before the first database is asked for, so that a run of pure tests waits for nothing.</remarks>
public sealed class PostgresServer : IAsyncLifetime
{
    readonly SemaphoreSlim _oneAtATime = new(1);
    readonly string _run = Guid.NewGuid().ToString("N")[..12];
    readonly Lazy<Task<NpgsqlDataSource>> _admin;
    readonly Lazy<Task<PostgresTemplate>> _migrated;
    /// <summary>Ends the server that was started for this run; null while none was.</summary>
    Func<ValueTask>? _stop;
    string _strategy = "";
    int _databases;

    public PostgresServer()
    {
        _admin = new(StartAsync);
        _migrated = new(() => CreateTemplateAsync(PrepareTemplate));
    }

    /// <summary>Brings the template from empty to the schema that tests expect; gets its connection string, once in a run.</summary>
    internal static Func<string, Task> PrepareTemplate { get; set; } = static _ => Task.CompletedTask;

    /// <summary>A server in a container, and what ends it; null where none can be had. Set in the build with the official SDKs.</summary>
    internal static Func<Task<(string ConnectionString, Func<ValueTask> Stop)?>>? StartContainer { get; set; }

    /// <summary>A fresh database with the current schema: a copy of the migrated template, in some 30 ms.</summary>
    public async Task<PostgresDatabase> CreateDatabaseAsync() => await (await _migrated.Value).CreateDatabaseAsync();

    /// <summary>A fresh database without any schema, for tests of the migrations themselves.</summary>
    public Task<PostgresDatabase> CreateEmptyDatabaseAsync() => CreateDatabaseAsync(template: "template0");

    /// <summary>A template of one's own, for tests that start from another schema than the current one.</summary>
    public async Task<PostgresTemplate> CreateTemplateAsync(Func<string, Task> prepare)
    {
        ArgumentNullException.ThrowIfNull(prepare);
        var database = await CreateEmptyDatabaseAsync();
        try
        {
            await prepare(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Pooling = false }.ConnectionString);
            await database.SealAsync();
            return new PostgresTemplate(this, database);
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    internal async Task<PostgresDatabase> CreateDatabaseAsync(string template)
    {
        var admin = await _admin.Value;
        var name = $"paymentsync_test_{_run}_{Interlocked.Increment(ref _databases)}";

        // Two copies at once gain nothing on one disk, and a copy fails when its template is in use.
        await _oneAtATime.WaitAsync();
        try
        {
            await using var create = admin.CreateCommand($"CREATE DATABASE {name} TEMPLATE {template}{_strategy}");
            await create.ExecuteNonQueryAsync();
        }
        finally
        {
            _oneAtATime.Release();
        }

        return new PostgresDatabase(admin, name);
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_migrated is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
            await (await _migrated.Value).DisposeAsync();
        if (_admin is { IsValueCreated: true, Value.IsCompletedSuccessfully: true })
            await (await _admin.Value).DisposeAsync();
        if (_stop is not null)
            await _stop();
        _oneAtATime.Dispose();
    }

    async Task<NpgsqlDataSource> StartAsync()
    {
        var given = Environment.GetEnvironmentVariable("PAYMENTSYNC_TEST_DATABASE");
        if (string.IsNullOrWhiteSpace(given) && StartContainer is not null && await StartContainer() is { } container)
            (given, _stop) = container;
        if (string.IsNullOrWhiteSpace(given))
        {
            var cluster = await PostgresCluster.StartAsync();
            (given, _stop) = (cluster.ConnectionString, cluster.DisposeAsync);
        }

        var admin = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(given)
        {
            // Else the data source would not tell the password that every test's database needs, too.
            PersistSecurityInfo = true,
            GssEncryptionMode = GssEncryptionMode.Disable,
            MaxPoolSize = 4,
            // A copy waits for the disk, and on a busy machine for its turn there.
            CommandTimeout = 120,
        }.ConnectionString);

        await using var connection = await admin.OpenConnectionAsync();
        if (connection.PostgreSqlVersion.Major < 14)
            throw new InvalidOperationException($"These tests need PostgreSQL 14 or newer; {connection.Host} has {connection.PostgreSqlVersion}.");

        // Without fsync, copying files takes 25 ms where the default, through the log, takes 85 ms. A server that others
        // use would pay for it with two checkpoints; before 15 there is nothing to choose, files are always copied.
        if (_stop is not null && connection.PostgreSqlVersion.Major >= 15)
            _strategy = " STRATEGY FILE_COPY";
        return admin;
    }
}
