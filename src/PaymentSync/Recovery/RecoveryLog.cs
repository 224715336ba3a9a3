using Npgsql;
using NpgsqlTypes;

namespace PaymentSync.Recovery;

/// <summary>Keeps what a run did: its report, an item and a line of the audit log for each finding that was settled or left to a person.</summary>
sealed class RecoveryLog(NpgsqlDataSource database)
{
    /// <summary>The report's row, made with the run's first item.</summary>
    public static async Task BeginAsync(NpgsqlTransaction transaction, Guid report, string trigger, DateTime startedAt, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("INSERT INTO paymentsync.recovery_reports (id, trigger, node, started_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING", transaction.Connection, transaction);
        command.Parameters.AddWithValue(report);
        command.Parameters.AddWithValue(trigger);
        command.Parameters.AddWithValue(RecoveryLease.Node);
        command.Parameters.AddWithValue(startedAt);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>In the transaction that settles them: neither is there without the other.</summary>
    public static async Task WriteAsync(NpgsqlTransaction transaction, Guid report, IReadOnlyCollection<(Finding Found, RecoveryDecision Decision)> settled, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            WITH settled AS (SELECT * FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) AS i (kind, subject, sync_id, payment_link_id, event_id, organization_id, decision, message, details)),
            written AS (
              INSERT INTO paymentsync.recovery_items (report_id, kind, subject, sync_id, payment_link_id, event_id, organization_id, decision, status, message, details)
              SELECT $1, i.kind, i.subject, i.sync_id, i.payment_link_id, i.event_id, i.organization_id, i.decision, CASE i.decision WHEN 'MANUAL_REVIEW' THEN 'OPEN' ELSE 'DONE' END, i.message, i.details::jsonb FROM settled i
              ON CONFLICT (kind, subject) WHERE status = 'OPEN' DO NOTHING
              RETURNING kind, subject, decision, message)
            INSERT INTO paymentsync.audit_log (actor, role, action, target, reason, details)
            SELECT 'recovery', 'system', 'recovery.' || lower(w.decision), w.subject, w.message, jsonb_build_object('kind', w.kind, 'report', $1) FROM written w
            """, transaction.Connection, transaction);
        void Column<T>(Func<Finding, RecoveryDecision, T> pick, NpgsqlDbType type) =>
            command.Parameters.Add(new NpgsqlParameter { Value = settled.Select(one => pick(one.Found, one.Decision)).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type });
        command.Parameters.AddWithValue(report);
        Column((found, _) => found.Kind, NpgsqlDbType.Text);
        Column((found, _) => found.Subject, NpgsqlDbType.Text);
        Column((found, _) => found.SyncId, NpgsqlDbType.Uuid);
        Column((found, _) => found.PaymentLinkId, NpgsqlDbType.Uuid);
        Column((found, _) => found.EventId, NpgsqlDbType.Uuid);
        Column((found, _) => found.OrganisationId, NpgsqlDbType.Uuid);
        Column((_, decision) => decision.Action.ToString(), NpgsqlDbType.Text);
        Column((_, decision) => decision.Why, NpgsqlDbType.Text);
        Column((found, _) => System.Text.Json.JsonSerializer.Serialize(new { found.SyncType, found.Status, found.FailureCode, found.Attempt, found.OpenRequestId, found.OwnXeroId, found.Tries }, System.Text.Json.JsonSerializerOptions.Web), NpgsqlDbType.Text);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task<RecoveryReport> EndAsync(RecoveryReport report, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            UPDATE paymentsync.recovery_reports SET ended_at = greatest(paymentsync.now(), started_at), found = $2, done = $3, left_to_a_person = $4, summary = $5::jsonb WHERE id = $1 RETURNING ended_at
            """);
        command.Parameters.AddWithValue(report.Id!.Value);
        command.Parameters.AddWithValue(report.Found);
        command.Parameters.AddWithValue(report.Done);
        command.Parameters.AddWithValue(report.LeftToAPerson);
        command.Parameters.AddWithValue(report.ToSummary());
        return report with { EndedAt = (DateTime)(await command.ExecuteScalarAsync(cancellationToken))! };
    }

    /// <summary>Items that were left to a person, and whose matter has settled itself since, are closed.</summary>
    public async Task<int> CloseSettledAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            WITH closed AS (
              UPDATE paymentsync.recovery_items i
                 SET status = 'RESOLVED', resolved_at = paymentsync.now(), resolution = 'settledByItself', resolved_by = 'recovery', reason = 'What it was about has settled since.'
               WHERE i.status = 'OPEN' AND i.decision = 'MANUAL_REVIEW'
                 AND CASE WHEN i.kind IN ('{Kinds.LeaseExpired}', '{Kinds.RequestMissing}', '{Kinds.JournalAhead}', '{Kinds.SuccessWithoutId}', '{Kinds.IdWithoutSuccess}', '{Kinds.InvoiceBehindPayment}',
                                          '{Kinds.PaymentWaitsNeedlessly}', '{Kinds.ConnectionIsBack}', '{Kinds.NotDue}', '{Kinds.DocumentMissing}', '{Kinds.DocumentUnreadable}',
                                          '{Kinds.AdoptedWithoutId}', '{Kinds.AdoptedUnknown}')
                   THEN EXISTS (SELECT 1 FROM xero_syncs s WHERE s.id = i.sync_id AND (s.failure_code = '{XeroSyncs.FailureCodes.MarkedFailed}'
                          OR (s.status = 'SUCCESS' AND CASE s.sync_type WHEN 'INVOICE' THEN s.xero_invoice_id ELSE s.xero_payment_id END IS NOT NULL)))
                   WHEN i.kind = '{Kinds.LinkKnown}' THEN NOT EXISTS (SELECT 1 FROM paymentsync.events e WHERE e.id = i.event_id AND e.status = 'UNMATCHED')
                   ELSE false END
              RETURNING i.id, i.subject, i.kind)
            , audited AS (
              INSERT INTO paymentsync.audit_log (actor, role, action, target, reason, details)
              SELECT 'recovery', 'system', 'recovery.item.settledByItself', c.subject, 'What it was about has settled since.', jsonb_build_object('kind', c.kind, 'item', c.id) FROM closed c)
            SELECT count(*)::int FROM closed
            """);
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
