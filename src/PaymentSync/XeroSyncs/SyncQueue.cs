using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;
using PaymentSync.Jobs;

namespace PaymentSync.XeroSyncs;

/// <summary>
/// The statements that move rows: claim, give back, complete. One round trip each, set-based, and every write about a claimed row
/// names its fence, so that a worker whose lease was lost writes nothing.
/// </summary>
sealed class SyncQueue(NpgsqlDataSource database)
{
    /// <summary>Claims up to <paramref name="limit"/> due rows of one kind, oldest due first.</summary>
    /// <param name="onlyToLookUp">Only rows that may be in Xero already: all that the budget's reserve is for.</param>
    public async Task<List<ClaimedSync>> ClaimAsync(Guid organisation, XeroSyncType type, int limit, string owner, TimeSpan lease, CancellationToken cancellationToken, bool onlyToLookUp = false)
    {
        await using var command = database.CreateCommand("""
            WITH due AS MATERIALIZED (
              SELECT s.id, s.due_because, s.payment_link_id, s.open_request_id
                FROM xero_syncs s
               WHERE s.organization_id = $1 AND s.sync_type = $2 AND s.status IN ('PENDING', 'FAILED') AND s.next_retry_at <= (SELECT paymentsync.now())
                 AND (NOT $6 OR s.open_request_id IS NOT NULL OR CASE s.sync_type WHEN 'INVOICE' THEN s.xero_invoice_id ELSE s.xero_payment_id END IS NOT NULL)
               ORDER BY s.next_retry_at, s.id
               LIMIT $3
               FOR UPDATE SKIP LOCKED)
            UPDATE xero_syncs s
               SET status = 'RETRYING', attempt = s.attempt + 1, lease_owner = $4, lease_expires_at = (SELECT paymentsync.now()) + $5, next_retry_at = NULL, due_because = NULL
              FROM due d
              JOIN payment_links l ON l.id = d.payment_link_id
              LEFT JOIN paymentsync.payment_link_settings p ON p.payment_link_id = d.payment_link_id
              LEFT JOIN xero_syncs i ON i.payment_link_id = d.payment_link_id AND i.sync_type = 'INVOICE' AND i.status = 'SUCCESS'
              LEFT JOIN paymentsync.requests r ON r.id = d.open_request_id
              -- A lost try has no failure code, and bool_and passes over what is null: it must count as not refused.
              CROSS JOIN LATERAL (
                SELECT bool_or(a.request_id = d.open_request_id AND a.failure_code IS NOT DISTINCT FROM 'xero.number_taken') AS number_taken,
                       bool_and(a.failure_code IS NOT DISTINCT FROM 'xero.number_taken' OR a.outcome NOT IN ('UNCERTAIN', 'LOST')) AS all_refused
                  FROM paymentsync.sync_attempts a WHERE d.open_request_id IS NOT NULL AND a.sync_id = d.id AND a.request_id IS NOT NULL) tried
             WHERE s.id = d.id
            RETURNING s.id, s.payment_link_id, s.attempt, s.amount, s.currency, s.document_number, s.request_payload::text,
                      CASE WHEN coalesce(s.open_request_id::text, i.xero_invoice_id, CASE s.sync_type WHEN 'INVOICE' THEN s.xero_invoice_id ELSE s.xero_payment_id END) IS NOT NULL THEN coalesce(i.tenant_id, s.tenant_id) END,
                      s.open_request_id,
                      r.absent_counts_from, s.absent_since, s.released, CASE WHEN s.sync_type = 'INVOICE' THEN s.xero_invoice_id ELSE i.xero_invoice_id END, s.xero_payment_id,
                      s.retry_count, l.status = 'CANCELED' OR p.cancelled_at IS NOT NULL,
                      CASE WHEN s.open_request_id IS NOT NULL THEN 'VERIFY' WHEN d.due_because IS NOT NULL THEN d.due_because WHEN s.attempt = 1 THEN 'FIRST' ELSE 'RETRY' END,
                      (SELECT paymentsync.now()), s.failure_code,
                      coalesce(tried.number_taken, false), coalesce(tried.number_taken AND tried.all_refused, false), s.sync_type = 'PAYMENT' AND i.shared_id IS NOT NULL
            """);
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(type);
        command.Parameters.AddWithValue(limit);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(lease);
        command.Parameters.AddWithValue(onlyToLookUp);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var claimed = new List<ClaimedSync>();
        while (await reader.ReadAsync(cancellationToken))
        {
            using var document = JsonDocument.Parse(reader.GetString(6));
            claimed.Add(new ClaimedSync
            {
                Id = reader.GetGuid(0),
                PaymentLinkId = reader.GetGuid(1),
                SyncType = type,
                Attempt = reader.GetInt32(2),
                Amount = reader.GetDecimal(3),
                Currency = reader.GetString(4),
                DocumentNumber = reader.GetString(5),
                Document = document.RootElement.Clone(),
                TenantId = reader.Nullable<string>(7),
                OpenRequestId = reader.NullableValue<Guid>(8),
                AbsentCountsFrom = reader.NullableValue<DateTime>(9),
                AbsentSince = reader.NullableValue<DateTime>(10),
                Released = reader.GetFieldValue<string[]>(11),
                XeroInvoiceId = reader.Nullable<string>(12),
                XeroPaymentId = reader.Nullable<string>(13),
                RetryCount = reader.GetInt32(14),
                LinkCancelled = reader.GetBoolean(15),
                Trigger = reader.GetString(16),
                ClaimedAt = reader.GetDateTime(17),
                FailureCode = reader.Nullable<string>(18),
                NumberIsTaken = reader.GetBoolean(19),
                NumberIsAStrangers = reader.GetBoolean(20),
                InvoiceIsShared = reader.GetBoolean(21),
            });
        }
        return claimed;
    }

    /// <summary>Rows that were claimed and not sent: PENDING and due again (or at <paramref name="dueIn"/>), no retry counted.</summary>
    public async Task GiveBackAsync(IReadOnlyCollection<ClaimedSync> syncs, string owner, TimeSpan dueIn, CancellationToken cancellationToken)
    {
        if (syncs.Count == 0)
            return;
        await using var command = database.CreateCommand("""
            UPDATE xero_syncs s
               SET status = 'PENDING', lease_owner = NULL, lease_expires_at = NULL, next_retry_at = (SELECT paymentsync.now()) + $4,
                   due_because = CASE WHEN m.trigger IN ('RESUME', 'REPLAY') THEN m.trigger END
              FROM unnest($1, $2, $5) AS m (id, attempt, trigger)
             WHERE s.id = m.id AND s.attempt = m.attempt AND s.status = 'RETRYING' AND s.lease_owner = $3
            """);
        command.Parameters.AddWithValue(syncs.Select(sync => sync.Id).ToArray());
        command.Parameters.AddWithValue(syncs.Select(sync => sync.Attempt).ToArray());
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(dueIn);
        command.Parameters.AddWithValue(syncs.Select(sync => sync.Trigger).ToArray());
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Writes how tries ended, their attempts, the totals and, when a call was made, what it brought; an INVOICE that became SUCCESS
    /// makes its waiting PAYMENT due. All of it in one statement.
    /// </summary>
    /// <returns>How many rows were still ours; the others' lease was lost and nothing was written about them.</returns>
    public async Task<int> CompleteAsync(Guid organisation, IReadOnlyCollection<SyncResult> results, string owner, RequestOutcome? request, CancellationToken cancellationToken)
    {
        if (results.Count == 0 && request is null)
            return 0;
        await using var command = database.CreateCommand("""
            WITH result AS (
              SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
                AS r (id, attempt, status, outcome, failure_kind, failure_code, message, due_in, counts, settles, absent_seen, xero_invoice_id, xero_payment_id, response, stage, http_status, correlation_id, claimed_at)
            ), done AS (
              UPDATE xero_syncs s
                 SET status = r.status, lease_owner = NULL, lease_expires_at = NULL,
                     failure_kind = r.failure_kind, failure_code = r.failure_code, error_message = r.message,
                     retry_count = CASE WHEN r.counts THEN s.retry_count + 1 ELSE s.retry_count END,
                     next_retry_at = (SELECT paymentsync.now()) + r.due_in,
                     open_request_id = CASE WHEN r.settles THEN NULL ELSE s.open_request_id END,
                     absent_since = CASE WHEN r.settles THEN NULL WHEN r.absent_seen THEN coalesce(s.absent_since, r.claimed_at) ELSE s.absent_since END,
                     xero_invoice_id = CASE WHEN s.sync_type = 'INVOICE' THEN coalesce(s.xero_invoice_id, r.xero_invoice_id) ELSE s.xero_invoice_id END,
                     xero_payment_id = CASE WHEN s.sync_type = 'PAYMENT' THEN coalesce(s.xero_payment_id, r.xero_payment_id) ELSE s.xero_payment_id END,
                     tenant_id = CASE WHEN r.xero_invoice_id IS NOT NULL OR r.xero_payment_id IS NOT NULL THEN coalesce(s.tenant_id, $22) ELSE s.tenant_id END,
                     response_payload = coalesce(r.response::jsonb, s.response_payload)
                FROM result r
               WHERE s.id = r.id AND s.attempt = r.attempt AND s.status = 'RETRYING' AND s.lease_owner = $19
              RETURNING s.id, s.payment_link_id, s.sync_type, s.status
            ), tried AS (
              INSERT INTO paymentsync.sync_attempts (sync_id, attempt, trigger, worker, stage, started_at, ended_at, outcome, failure_kind, failure_code, message, http_status, correlation_id, request_id)
              SELECT d.id, r.attempt, t.trigger, $19, r.stage, r.claimed_at, paymentsync.now(), r.outcome, r.failure_kind, r.failure_code, r.message, r.http_status, r.correlation_id, $21
                FROM done d JOIN result r ON r.id = d.id JOIN unnest($1, $20) AS t (id, trigger) ON t.id = d.id
            ), answered AS (
              UPDATE paymentsync.requests q
                 SET completed_at = paymentsync.now(), outcome = $23, http_status = $24, correlation_id = $25, answer = $26 WHERE q.id = $21
            ), woken AS (
              UPDATE xero_syncs p
                 SET next_retry_at = paymentsync.now(), failure_kind = NULL, failure_code = NULL, error_message = NULL
                FROM done d
               WHERE d.sync_type = 'INVOICE' AND d.status = 'SUCCESS' AND p.payment_link_id = d.payment_link_id AND p.sync_type = 'PAYMENT'
                 AND p.status = 'PENDING' AND p.failure_code = 'waiting.invoice'
            ), totals AS (
              INSERT INTO paymentsync.sync_totals AS t (organization_id, hour, sync_type, status, syncs)
              SELECT $27, date_trunc('hour', paymentsync.now()), d.sync_type, d.status, count(*) FROM done d GROUP BY d.sync_type, d.status
              ON CONFLICT (organization_id, hour, sync_type, status) DO UPDATE SET syncs = t.syncs + excluded.syncs
            )
            SELECT count(*)::int FROM done
            """);
        void Column<T>(Func<SyncResult, T> pick, NpgsqlDbType type) =>
            command.Parameters.Add(new NpgsqlParameter { Value = results.Select(pick).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type });
        Column(result => result.Sync.Id, NpgsqlDbType.Uuid);
        Column(result => result.Sync.Attempt, NpgsqlDbType.Integer);
        command.Parameters.AddWithValue(results.Select(result => result.Status).ToArray());
        Column(result => result.Outcome, NpgsqlDbType.Text);
        Column(result => result.FailureKind?.ToString(), NpgsqlDbType.Text);
        Column(result => result.FailureCode, NpgsqlDbType.Text);
        Column(result => result.Message, NpgsqlDbType.Text);
        Column(result => result.DueIn, NpgsqlDbType.Interval);
        Column(result => result.CountsAsRetry, NpgsqlDbType.Boolean);
        Column(result => result.SettlesOpenRequest, NpgsqlDbType.Boolean);
        Column(result => result.AbsentSeen, NpgsqlDbType.Boolean);
        Column(result => result.XeroInvoiceId, NpgsqlDbType.Text);
        Column(result => result.XeroPaymentId, NpgsqlDbType.Text);
        Column(result => result.Response, NpgsqlDbType.Text);
        Column(result => result.Stage, NpgsqlDbType.Text);
        Column(result => result.HttpStatus, NpgsqlDbType.Integer);
        Column(result => result.CorrelationId, NpgsqlDbType.Text);
        Column(result => result.Sync.ClaimedAt, NpgsqlDbType.TimestampTz);
        command.Parameters.AddWithValue(owner);
        Column(result => result.Sync.Trigger, NpgsqlDbType.Text);
        command.Parameters.Add(Optional(request?.RequestId, NpgsqlDbType.Uuid));
        command.Parameters.Add(Optional(request?.TenantId, NpgsqlDbType.Text));
        command.Parameters.Add(Optional(request?.Outcome, NpgsqlDbType.Text));
        command.Parameters.Add(Optional(request?.HttpStatus, NpgsqlDbType.Integer));
        command.Parameters.Add(Optional(request?.CorrelationId, NpgsqlDbType.Text));
        command.Parameters.Add(Optional(request?.Answer, NpgsqlDbType.Bytea));
        command.Parameters.AddWithValue(organisation);
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    static NpgsqlParameter Optional(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}

/// <summary>
/// What a call brought. With <see cref="RequestId"/> it completes that journalled request; a look-up has none, and only names its tenant.
/// </summary>
/// <param name="Outcome">ANSWERED, REFUSED, UNKNOWN (it may have happened) or NOT_SENT.</param>
/// <param name="Answer">The whole answer, Brotli-compressed.</param>
sealed record RequestOutcome(Guid? RequestId, string TenantId, string Outcome, int? HttpStatus, string? CorrelationId, byte[]? Answer);
