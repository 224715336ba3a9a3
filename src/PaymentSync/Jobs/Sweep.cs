using Npgsql;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Jobs;

/// <summary>Finds due rows whatever wakes were lost, and says no to those that no connection can serve.</summary>
sealed partial class Sweep(NpgsqlDataSource database, ILogger<Sweep> log)
{
    /// <returns>The organisations that have due rows and a connection.</returns>
    public async Task<List<Guid>> RunAsync(CancellationToken cancellationToken)
    {
        await RefuseUnconnectedAsync(cancellationToken);
        await using var command = database.CreateCommand("""
            SELECT c.organization_id FROM paymentsync.connections c
             WHERE c.status = 'ACTIVE' AND EXISTS (
               SELECT 1 FROM xero_syncs s WHERE s.organization_id = c.organization_id AND s.status IN ('PENDING', 'FAILED') AND s.next_retry_at <= (SELECT paymentsync.now()))
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var due = new List<Guid>();
        while (await reader.ReadAsync(cancellationToken))
            due.Add(reader.GetGuid(0));
        return due;
    }

    /// <summary>Due rows without an active connection become FAILED at once, cost no retry, and wait for the connection.</summary>
    /// <remarks>Rows that somebody holds are left for the next sweep: two nodes that wait for each other's rows would wait in a circle.</remarks>
    async Task RefuseUnconnectedAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH due AS MATERIALIZED (
              SELECT s.id FROM xero_syncs s
               WHERE s.status IN ('PENDING', 'FAILED') AND s.next_retry_at <= (SELECT paymentsync.now())
                 AND NOT EXISTS (SELECT 1 FROM paymentsync.connections c WHERE c.organization_id = s.organization_id AND c.status = 'ACTIVE')
               FOR UPDATE OF s SKIP LOCKED)
            UPDATE xero_syncs s
               SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = $1, error_message = $2, next_retry_at = NULL, due_because = NULL
              FROM due d WHERE s.id = d.id
            """);
        command.Parameters.AddWithValue(FailureCodes.NoConnection);
        command.Parameters.AddWithValue(Failure.NoConnection.Message);
        var refused = await command.ExecuteNonQueryAsync(cancellationToken);
        if (refused > 0)
            LogUnconnected(refused);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Syncs} due syncs belong to organisations without a Xero connection; they wait until it is connected")]
    partial void LogUnconnected(int syncs);
}
