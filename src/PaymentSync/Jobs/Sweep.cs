using Npgsql;
using PaymentSync.Confirmation;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Jobs;

/// <summary>Finds due rows whatever wakes were lost, says no to those that no connection can serve, and goes on with documents that wait to be built.</summary>
sealed partial class Sweep(NpgsqlDataSource database, WaitingDocuments waiting, ILogger<Sweep> log)
{
    /// <returns>The organisations that have due rows and a connection, and those of which documents were built just now.</returns>
    public async Task<List<Guid>> RunAsync(CancellationToken cancellationToken)
    {
        await RefuseUnconnectedAsync(cancellationToken);
        var (due, unbuilt) = await FindAsync(cancellationToken);
        foreach (var organisation in unbuilt)
        {
            if (await waiting.BuildSliceAsync(organisation, cancellationToken) && !due.Contains(organisation))
                due.Add(organisation);
        }
        return due;
    }

    async Task<(List<Guid> Due, List<Guid> Unbuilt)> FindAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT c.organization_id, true FROM paymentsync.connections c
             WHERE c.status = 'ACTIVE' AND EXISTS (
               SELECT 1 FROM xero_syncs s WHERE s.organization_id = c.organization_id AND s.status IN ('PENDING', 'FAILED') AND s.next_retry_at <= (SELECT paymentsync.now()))
            UNION ALL SELECT f.organization_id, false FROM paymentsync.freezing f
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var (due, unbuilt) = (new List<Guid>(), new List<Guid>());
        while (await reader.ReadAsync(cancellationToken))
            (reader.GetBoolean(1) ? due : unbuilt).Add(reader.GetGuid(0));
        return (due, unbuilt);
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
