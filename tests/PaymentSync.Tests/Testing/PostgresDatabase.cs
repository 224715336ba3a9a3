using Npgsql;

namespace PaymentSync.Tests.Testing;

/// <summary>One test's own database, dropped when the test is done, whoever is still connected.</summary>
public sealed class PostgresDatabase : IAsyncDisposable
{
    readonly NpgsqlDataSource _admin;
    readonly Lazy<NpgsqlDataSource> _source;
    readonly Lazy<NpgsqlDataSource> _writer;

    internal PostgresDatabase(NpgsqlDataSource admin, string name)
    {
        _admin = admin;
        Name = name;
        ConnectionString = new NpgsqlConnectionStringBuilder(admin.ConnectionString)
        {
            Database = name,
            PersistSecurityInfo = false,
            GssEncryptionMode = GssEncryptionMode.Disable,
            IncludeErrorDetail = true,
            // Several nodes on one database, times the tests that run in parallel, stay below the server's 400.
            MaxPoolSize = 20,
            CommandTimeout = 30,
        }.ConnectionString;
        _source = new(() => NpgsqlDataSource.Create(ConnectionString));
        _writer = new(() => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ConnectionString) { Options = "-c paymentsync.writer=on" }.ConnectionString));
    }

    public string Name { get; }

    public string ConnectionString { get; }

    /// <summary>Parameters are positional: $1 is the first.</summary>
    /// <returns>The number of rows that were changed.</returns>
    public async Task<int> ExecuteAsync(string sql, params object?[] parameters)
    {
        await using var command = Command(sql, parameters);
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>The same through a connection that the guards of xero_syncs take for PaymentSync's own.</summary>
    public async Task<int> ExecuteAsWriterAsync(string sql, params object?[] parameters)
    {
        await using var command = Command(_writer.Value, sql, parameters);
        return await command.ExecuteNonQueryAsync();
    }

    /// <returns>The first column of the first row; the type's default when there is no row or the value is null.</returns>
    public async Task<T?> ScalarAsync<T>(string sql, params object?[] parameters)
    {
        await using var command = Command(sql, parameters);
        await using var reader = await command.ExecuteReaderAsync();
        return await reader.ReadAsync() && !await reader.IsDBNullAsync(0) ? await reader.GetFieldValueAsync<T>(0) : default;
    }

    public async Task<IReadOnlyList<T>> QueryAsync<T>(string sql, Func<NpgsqlDataReader, T> read, params object?[] parameters)
    {
        ArgumentNullException.ThrowIfNull(read);
        await using var command = Command(sql, parameters);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await reader.ReadAsync())
            rows.Add(read(reader));
        return rows;
    }

    /// <summary>After the server was restarted: connections of before are dead, and whoever got one would learn it.</summary>
    internal void ForgetConnections()
    {
        _admin.Clear();
        if (_source.IsValueCreated)
            _source.Value.Clear();
        if (_writer.IsValueCreated)
            _writer.Value.Clear();
    }

    /// <summary>From here on nobody connects: a database in use cannot be copied, and who prepared it may have left a pool behind.</summary>
    internal async Task SealAsync()
    {
        await using var seal = _admin.CreateCommand($"ALTER DATABASE {Name} ALLOW_CONNECTIONS false");
        await seal.ExecuteNonQueryAsync();
        await using var disconnect = _admin.CreateCommand("SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = $1");
        disconnect.Parameters.Add(new() { Value = Name });
        await disconnect.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_source.IsValueCreated)
            await _source.Value.DisposeAsync();
        if (_writer.IsValueCreated)
            await _writer.Value.DisposeAsync();

        // The code under test may have pooled connections of its own; the pool would hand out dead ones for ever.
        await using (var ours = new NpgsqlConnection(ConnectionString))
            NpgsqlConnection.ClearPool(ours);

        await using var drop = _admin.CreateCommand($"DROP DATABASE IF EXISTS {Name} WITH (FORCE)");
        await drop.ExecuteNonQueryAsync();
    }

    NpgsqlCommand Command(string sql, object?[] parameters) => Command(_source.Value, sql, parameters);

    static NpgsqlCommand Command(NpgsqlDataSource source, string sql, object?[] parameters)
    {
        var command = source.CreateCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.Add(new() { Value = parameter ?? DBNull.Value });
        return command;
    }
}
