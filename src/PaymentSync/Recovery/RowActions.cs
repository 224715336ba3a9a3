using Npgsql;
using NpgsqlTypes;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Recovery;

/// <summary>
/// What recovery does to rows. Each statement locks what still is as it was judged (attempt and updated_at) and leaves the rest alone, so
/// that a row which moved on by itself, or which another node recovers, is not touched.
/// </summary>
static class RowActions
{
    static readonly TimeSpan Wave = TimeSpan.FromSeconds(10);

    /// <summary>The rows that still are as judged, locked in id order as every statement about several rows does; a try whose worker is gone gets its attempt.</summary>
    const string Judged = """
        WITH judged AS MATERIALIZED (
          SELECT s.id, s.status AS before, s.attempt, s.lease_owner, s.updated_at, s.open_request_id, s.organization_id, s.created_at, paymentsync.stays_held(s.status, s.failure_code, s.released) AS held
            FROM xero_syncs s JOIN unnest($1, $2, $3) AS m (id, attempt, seen) ON s.id = m.id
           WHERE s.attempt = m.attempt AND s.updated_at = m.seen AND s.status <> 'SUCCESS' AND (s.status <> 'RETRYING' OR s.lease_expires_at < (SELECT paymentsync.now()))
           ORDER BY s.id FOR UPDATE OF s SKIP LOCKED),
        lost AS (
          INSERT INTO paymentsync.sync_attempts (sync_id, attempt, trigger, worker, stage, started_at, ended_at, outcome, message, request_id)
          SELECT j.id, j.attempt, 'RESUME', j.lease_owner, 'recovery', j.updated_at, paymentsync.now(), 'LOST', 'The worker was gone when its lease ran out.', j.open_request_id
            FROM judged j WHERE j.before = 'RETRYING'
          ON CONFLICT (sync_id, attempt) DO NOTHING)
        """;

    /// <summary>
    /// Makes rows due, wave after wave for each organisation; the rows of one open request stay together, so that one look-up serves them all.
    /// What is held stays so: only the claim of a worker that is gone is taken from it.
    /// </summary>
    /// <param name="before">How many this run made due already: their waves come first.</param>
    public static Task<HashSet<Guid>> ResumeAsync(NpgsqlTransaction transaction, IReadOnlyCollection<Finding> found, int maxConcurrent, int before, CancellationToken cancellationToken) =>
        ChangeAsync(transaction, found, $"""
            {Judged}, placed AS (
              SELECT j.id, j.held, coalesce(j.open_request_id, j.id) AS together, ($4 + row_number() OVER (PARTITION BY j.organization_id ORDER BY j.created_at, j.id) - 1) / $5 AS wave FROM judged j),
            paced AS (SELECT p.id, p.held, min(p.wave) OVER (PARTITION BY p.together) AS wave FROM placed p)
            UPDATE xero_syncs s
               SET status = CASE WHEN p.held THEN 'FAILED' WHEN s.status = 'RETRYING' THEN 'PENDING' ELSE s.status END, lease_owner = NULL, lease_expires_at = NULL,
                   next_retry_at = CASE WHEN NOT p.held THEN (SELECT paymentsync.now()) + p.wave * $6 END, due_because = CASE WHEN NOT p.held THEN 'RESUME' END,
                   failure_code = CASE WHEN s.failure_code = '{FailureCodes.WaitingForInvoice}' THEN NULL ELSE s.failure_code END
              FROM paced p WHERE s.id = p.id
            RETURNING s.id
            """, cancellationToken, before, maxConcurrent, Wave);

    /// <summary>Gives up rows that were never sent.</summary>
    public static Task<HashSet<Guid>> MarkFailedAsync(NpgsqlTransaction transaction, IReadOnlyCollection<Finding> found, string why, CancellationToken cancellationToken) =>
        ChangeAsync(transaction, found, $"""
            {Judged}
            UPDATE xero_syncs s
               SET status = 'FAILED', lease_owner = NULL, lease_expires_at = NULL, next_retry_at = NULL, due_because = NULL, failure_kind = 'PERMANENT', failure_code = 'recovery.gave_up', error_message = $4
              FROM judged j
             WHERE s.id = j.id AND s.open_request_id IS NULL AND s.tenant_id IS NULL AND CASE s.sync_type WHEN 'INVOICE' THEN s.xero_invoice_id ELSE s.xero_payment_id END IS NULL
            RETURNING s.id
            """, cancellationToken, why);

    /// <summary>Takes rows out of the queue until a person decides.</summary>
    public static Task<HashSet<Guid>> HoldAsync(NpgsqlTransaction transaction, IReadOnlyCollection<Finding> found, string code, string why, CancellationToken cancellationToken) =>
        ChangeAsync(transaction, found, $"""
            {Judged}
            UPDATE xero_syncs s
               SET status = 'FAILED', lease_owner = NULL, lease_expires_at = NULL, next_retry_at = NULL, due_because = NULL, failure_kind = 'NEEDS_ACTION', failure_code = $4, error_message = $5
              FROM judged j WHERE s.id = j.id
            RETURNING s.id
            """, cancellationToken, code, why);

    /// <summary>Puts an entry into the journal where one is missing. From it on the look-ups count; nothing is known of what was sent.</summary>
    public static async Task MendJournalAsync(NpgsqlTransaction transaction, IReadOnlyCollection<Finding> found, TimeSpan callTimeout, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            INSERT INTO paymentsync.requests (id, organization_id, tenant_id, resource, idempotency_key, members, body, body_sha256, sent_at, absent_counts_from, completed_at, outcome)
            SELECT s.open_request_id, min(s.organization_id::text)::uuid, min(s.tenant_id), CASE min(s.sync_type) WHEN 'INVOICE' THEN 'PUT /Invoices' ELSE 'PUT /Payments' END, 'not journalled ' || s.open_request_id,
                   array_agg(s.id ORDER BY s.id), $2, sha256(''::bytea), paymentsync.now(), paymentsync.now() + $3, paymentsync.now(), 'UNKNOWN'
              FROM xero_syncs s WHERE s.open_request_id = ANY ($1) GROUP BY s.open_request_id
            ON CONFLICT (id) DO NOTHING
            """, transaction.Connection, transaction);
        command.Parameters.AddWithValue(found.Select(row => row.OpenRequestId!.Value).Distinct().ToArray());
        command.Parameters.AddWithValue(Compression.Compress([]));
        command.Parameters.AddWithValue(callTimeout + TimeSpan.FromSeconds(60));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The invoice that a payment is on becomes its INVOICE row's own; the row is verified through it and never sent.</summary>
    public static Task<HashSet<Guid>> TakeOverInvoiceAsync(NpgsqlTransaction transaction, Finding found, CancellationToken cancellationToken) =>
        ChangeAsync(transaction, [found], $"""
            {Judged}
            UPDATE xero_syncs s
               SET status = 'PENDING', lease_owner = NULL, lease_expires_at = NULL, xero_invoice_id = $4, next_retry_at = (SELECT paymentsync.now()), due_because = 'RESUME',
                   tenant_id = coalesce(s.tenant_id, (SELECT p.tenant_id FROM xero_syncs p WHERE p.payment_link_id = s.payment_link_id AND p.sync_type = 'PAYMENT')),
                   failure_kind = NULL, failure_code = NULL, error_message = NULL
              FROM judged j WHERE s.id = j.id AND s.xero_invoice_id IS NULL
            RETURNING s.id
            """, cancellationToken, found.KnownXeroId!);

    /// <summary>Adopts what the journal holds.</summary>
    public static async Task<HashSet<Guid>> AdoptAsync(NpgsqlTransaction transaction, Finding found, JournalAnswer.Document document, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT paymentsync.adopt_document($1, $2, $3, $4, $5, $6, 'recovery', 'recovery', $7, NULL)", transaction.Connection, transaction);
        command.Parameters.AddWithValue(found.SyncId!.Value);
        command.Parameters.AddWithValue(found.Attempt);
        command.Parameters.AddWithValue(found.UpdatedAt);
        command.Parameters.AddWithValue(document.XeroId);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)document.TenantId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter { Value = document.Response, NpgsqlDbType = NpgsqlDbType.Jsonb });
        command.Parameters.AddWithValue(document.RequestId);
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))! ? [found.SyncId.Value] : [];
    }

    static async Task<HashSet<Guid>> ChangeAsync(NpgsqlTransaction transaction, IReadOnlyCollection<Finding> found, string sql, CancellationToken cancellationToken, params object[] more)
    {
        await using var command = new NpgsqlCommand(sql, transaction.Connection, transaction);
        command.Parameters.AddWithValue(found.Select(row => row.SyncId!.Value).ToArray());
        command.Parameters.AddWithValue(found.Select(row => row.Attempt).ToArray());
        command.Parameters.AddWithValue(found.Select(row => row.UpdatedAt).ToArray());
        foreach (var parameter in more)
            command.Parameters.AddWithValue(parameter);
        var changed = new HashSet<Guid>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            changed.Add(reader.GetGuid(0));
        return changed;
    }
}
