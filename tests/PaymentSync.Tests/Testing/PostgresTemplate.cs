namespace PaymentSync.Tests.Testing;

/// <summary>A prepared database that nobody can connect to any more, so that it can be copied at any moment.</summary>
public sealed class PostgresTemplate : IAsyncDisposable
{
    readonly PostgresServer _server;
    readonly PostgresDatabase _prepared;

    internal PostgresTemplate(PostgresServer server, PostgresDatabase prepared)
    {
        _server = server;
        _prepared = prepared;
    }

    public Task<PostgresDatabase> CreateDatabaseAsync() => _server.CreateDatabaseAsync(_prepared.Name);

    public ValueTask DisposeAsync() => _prepared.DisposeAsync();
}
