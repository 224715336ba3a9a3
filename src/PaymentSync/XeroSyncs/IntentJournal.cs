using System.Security.Cryptography;
using Npgsql;

namespace PaymentSync.XeroSyncs;

/// <summary>A call that would change Xero, before it is made.</summary>
/// <param name="Body">The exact bytes that will be sent.</param>
sealed record Intent(Guid Id, Guid Organisation, string TenantId, string Resource, string IdempotencyKey, byte[] Body, IReadOnlyList<ClaimedSync> Members);

/// <summary>The journal of intents: committed before each call that changes Xero.</summary>
sealed class IntentJournal(NpgsqlDataSource database)
{
    /// <summary>
    /// One statement, all or nothing: locks the members in id order, checks every fence, writes the request, marks the rows with it and
    /// extends their leases. A row that other tenants only refused belongs to this one from now on. A link that was cancelled since its invoice was claimed is as good as a lost fence: the next claim holds it. Repeating it for the same id and bytes (an immediate re-send) renews sent_at and the leases.
    /// </summary>
    /// <returns>False when any member is no longer ours to send: nothing was written, and nothing may be sent.</returns>
    public async Task<bool> CommitAsync(Intent intent, string owner, TimeSpan lease, TimeSpan callTimeout, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH member AS (SELECT * FROM unnest($1, $2) AS m (id, attempt)),
            held AS MATERIALIZED (
              SELECT s.id FROM xero_syncs s JOIN member m ON m.id = s.id JOIN payment_links l ON l.id = s.payment_link_id
               WHERE s.attempt = m.attempt AND s.status = 'RETRYING' AND s.lease_owner = $3 AND coalesce(s.open_request_id, $4) = $4
                 AND NOT (s.sync_type = 'INVOICE' AND l.status = 'CANCELED' AND NOT ('link.cancelled' = ANY (s.released)))
               ORDER BY s.id
               FOR UPDATE OF s),
            whole AS (SELECT count(*) = cardinality($1) AS ours FROM held),
            journalled AS (
              INSERT INTO paymentsync.requests AS q (id, organization_id, tenant_id, resource, idempotency_key, members, body, body_sha256, sent_at, absent_counts_from)
              SELECT $4, $5, $6, $7, $8, $1, $9, $10, paymentsync.now(), paymentsync.now() + $11 FROM whole WHERE whole.ours
              ON CONFLICT (id) DO UPDATE SET sent_at = excluded.sent_at, absent_counts_from = excluded.absent_counts_from, completed_at = NULL
                 WHERE q.body_sha256 = excluded.body_sha256
              RETURNING q.id),
            marked AS (
              UPDATE xero_syncs s SET open_request_id = j.id, tenant_id = $6, absent_since = NULL, lease_expires_at = (SELECT paymentsync.now()) + $12
                FROM held h, journalled j WHERE s.id = h.id
              RETURNING s.id)
            SELECT count(*)::int FROM marked
            """);
        command.Parameters.AddWithValue(intent.Members.Select(member => member.Id).ToArray());
        command.Parameters.AddWithValue(intent.Members.Select(member => member.Attempt).ToArray());
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(intent.Id);
        command.Parameters.AddWithValue(intent.Organisation);
        command.Parameters.AddWithValue(intent.TenantId);
        command.Parameters.AddWithValue(intent.Resource);
        command.Parameters.AddWithValue(intent.IdempotencyKey);
        command.Parameters.AddWithValue(Compression.Compress(intent.Body));
        command.Parameters.AddWithValue(SHA256.HashData(intent.Body));
        command.Parameters.AddWithValue(callTimeout + TimeSpan.FromSeconds(60));
        command.Parameters.AddWithValue(lease);
        return (int)(await command.ExecuteScalarAsync(cancellationToken))! == intent.Members.Count;
    }

    /// <summary>
    /// Xero refused the request as a whole, or it never left: its outcome is known, nothing came of it. The members stay claimed and
    /// may be sent anew in other requests.
    /// </summary>
    public async Task WithdrawAsync(Intent intent, string owner, RequestOutcome outcome, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH answered AS (
              UPDATE paymentsync.requests SET completed_at = paymentsync.now(), outcome = $3, http_status = $4, correlation_id = $5, answer = $6 WHERE id = $1)
            UPDATE xero_syncs SET open_request_id = NULL WHERE open_request_id = $1 AND status = 'RETRYING' AND lease_owner = $2
            """);
        command.Parameters.AddWithValue(intent.Id);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(outcome.Outcome);
        command.Parameters.AddWithValue((object?)outcome.HttpStatus ?? DBNull.Value);
        command.Parameters.AddWithValue((object?)outcome.CorrelationId ?? DBNull.Value);
        command.Parameters.AddWithValue((object?)outcome.Answer ?? DBNull.Value);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
