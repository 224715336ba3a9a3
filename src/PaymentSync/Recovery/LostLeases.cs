using Npgsql;

namespace PaymentSync.Recovery;

/// <summary>Rows whose worker is gone: given back, due at once, with an attempt that says the try was lost. An open request stays, so they are verified first.</summary>
sealed partial class LostLeases(NpgsqlDataSource database, ILogger<LostLeases> log)
{
    const int AtOnce = 1000;

    /// <returns>The organisations whose rows became due.</returns>
    public async Task<HashSet<Guid>> GiveBackAsync(CancellationToken cancellationToken)
    {
        var organisations = new HashSet<Guid>();
        for (var given = AtOnce; given == AtOnce;)
        {
            given = 0;
            await using var command = database.CreateCommand("""
                WITH lost AS MATERIALIZED (
                  SELECT s.id, s.attempt, s.lease_owner, s.updated_at, s.open_request_id FROM xero_syncs s
                   WHERE s.status = 'RETRYING' AND s.lease_expires_at < (SELECT paymentsync.now()) LIMIT $1 FOR UPDATE SKIP LOCKED),
                given AS (
                  UPDATE xero_syncs s SET status = 'PENDING', lease_owner = NULL, lease_expires_at = NULL, next_retry_at = paymentsync.now(), due_because = 'RESUME'
                    FROM lost l WHERE s.id = l.id
                  RETURNING s.id, s.organization_id),
                noted AS (
                  INSERT INTO paymentsync.sync_attempts (sync_id, attempt, trigger, worker, stage, started_at, ended_at, outcome, message, request_id)
                  SELECT l.id, l.attempt, 'RESUME', l.lease_owner, 'recovery', l.updated_at, paymentsync.now(), 'LOST', 'The worker was gone when its lease ran out.', l.open_request_id FROM lost l
                  ON CONFLICT (sync_id, attempt) DO NOTHING)
                SELECT organization_id, count(*)::int FROM given GROUP BY organization_id
                """);
            command.Parameters.AddWithValue(AtOnce);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                organisations.Add(reader.GetGuid(0));
                given += reader.GetInt32(1);
            }
            if (given > 0)
                LogGivenBack(given);
        }
        return organisations;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Syncs} syncs were held by workers that are gone; they are due again, and verified first where a request is open")]
    partial void LogGivenBack(int syncs);
}
