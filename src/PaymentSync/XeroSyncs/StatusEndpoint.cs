using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.OperatorConsole;
using PaymentSync.Recovery;
using PaymentSync.Xero;

namespace PaymentSync.XeroSyncs;

/// <summary><c>GET /api/status</c>: is everything booked, and if not, since when and why.</summary>
static class StatusEndpoint
{
    public static void MapStatus(this WebApplication app) => app.MapGet("/api/status", ShowAsync).WithTags("Status").RequireAuthorization(Roles.Viewer);

    /// <param name="OldestUnsyncedSeconds">Age of the oldest row that is not SUCCESS; null when all are.</param>
    /// <param name="Uncertain">Rows whose outcome in Xero is not known now.</param>
    /// <param name="UncertainOverAnHour">Those of them, and those just being looked up, whose request was sent more than an hour ago: something keeps Xero from being read.</param>
    /// <param name="Failures">Failure codes of unfinished rows, most frequent first.</param>
    internal sealed record Status(IReadOnlyDictionary<string, long> Syncs, double? OldestUnsyncedSeconds, long Uncertain, long UncertainOverAnHour, long EventsWaiting, IReadOnlyList<FailureCount> Failures, IReadOnlyList<TenantCalls> Calls,
        RecoveryHealth.Present Recovery);

    internal sealed record FailureCount(string Code, long Syncs);

    /// <param name="LeftToday">Calls of the day, by our own count or Xero's word, whichever is lower.</param>
    /// <param name="Backlog">Rows of the organisation that wait for their time, their invoice or a call.</param>
    /// <param name="CallsNeeded">Calls that the backlog takes when nothing goes wrong.</param>
    /// <param name="BacklogClearsAt">When those calls can have been made; null without a backlog.</param>
    internal sealed record TenantCalls(string TenantId, int LeftToday, long LastMinute, DateTime? BlockedUntil, string? BlockedBecause, long Backlog, long CallsNeeded, DateTimeOffset? BacklogClearsAt);

    static async Task<Ok<Status>> ShowAsync(NpgsqlDataSource database, IOptions<XeroOptions> xero, RecoveryHealth recovery, TimeProvider time, CancellationToken cancellationToken)
    {
        // SUCCESS is read from the totals: overviews must stay fast at ten million rows. The rest is counted, it is few.
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand("""
            SELECT status::text, count(*) FROM xero_syncs WHERE status <> 'SUCCESS' GROUP BY status
            UNION ALL SELECT 'SUCCESS', coalesce(sum(syncs), 0)::bigint FROM paymentsync.sync_totals WHERE status = 'SUCCESS'
            """));
        batch.BatchCommands.Add(new NpgsqlBatchCommand("""
            SELECT extract(epoch FROM (SELECT paymentsync.now()) - min(created_at))::float8, count(*) FILTER (WHERE open_request_id IS NOT NULL AND status <> 'RETRYING'),
                   (SELECT count(*) FROM paymentsync.events WHERE status IN ('UNMATCHED', 'NEEDS_ACTION', 'QUARANTINED')) FROM xero_syncs WHERE status <> 'SUCCESS'
            """));
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT failure_code, count(*) FROM xero_syncs WHERE status <> 'SUCCESS' AND failure_code IS NOT NULL GROUP BY failure_code ORDER BY 2 DESC, 1 LIMIT 20"));
        batch.BatchCommands.Add(new NpgsqlBatchCommand("""
            SELECT c.tenant_id, paymentsync.calls_left_today(c.tenant_id, $1), (SELECT count(*) FROM paymentsync.call_slots s WHERE s.tenant_id = c.tenant_id AND s.frees_at > (SELECT paymentsync.now())),
                   CASE WHEN b.blocked_until > (SELECT paymentsync.now()) THEN b.blocked_until END, CASE WHEN b.blocked_until > (SELECT paymentsync.now()) THEN b.blocked_because END,
                   w.invoices + w.payments, (w.invoices + $2 - 1) / $2 + (w.payments + $2 - 1) / $2
              FROM paymentsync.connections c LEFT JOIN paymentsync.call_budgets b ON b.tenant_id = c.tenant_id
              CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE s.sync_type = 'INVOICE') AS invoices, count(*) FILTER (WHERE s.sync_type = 'PAYMENT') AS payments FROM xero_syncs s
                 WHERE s.organization_id = c.organization_id AND s.status <> 'SUCCESS' AND (s.status = 'RETRYING' OR s.next_retry_at IS NOT NULL
                    OR (s.failure_code = 'waiting.invoice' AND EXISTS (SELECT 1 FROM xero_syncs i WHERE i.payment_link_id = s.payment_link_id AND i.sync_type = 'INVOICE' AND (i.status = 'RETRYING' OR i.next_retry_at IS NOT NULL))))) w
             WHERE c.status = 'ACTIVE' ORDER BY c.tenant_id LIMIT 1000
            """)
        { Parameters = { new() { Value = xero.Value.CallsPerDay }, new() { Value = (long)xero.Value.BatchSize } } });
        batch.BatchCommands.Add(new NpgsqlBatchCommand(OpenRequests.OverAnHour));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var counts = Enum.GetNames<XeroSyncStatus>().ToDictionary(name => name, _ => 0L, StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
            counts[reader.GetString(0)] = reader.GetInt64(1);
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (oldest, uncertain, events) = (reader.NullableValue<double>(0), reader.GetInt64(1), reader.GetInt64(2));
        await reader.NextResultAsync(cancellationToken);
        var failures = new List<FailureCount>();
        while (await reader.ReadAsync(cancellationToken))
            failures.Add(new FailureCount(reader.GetString(0), reader.GetInt64(1)));
        await reader.NextResultAsync(cancellationToken);
        var calls = new List<TenantCalls>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var (left, backlog, needed) = (reader.GetInt32(1), reader.GetInt64(5), reader.GetInt64(6));
            calls.Add(new TenantCalls(reader.GetString(0), left, reader.GetInt64(2), reader.NullableValue<DateTime>(3), reader.Nullable<string>(4), backlog, needed,
                backlog == 0 ? null : time.GetUtcNow() + CallForecast.TimeFor(needed, left, xero.Value)));
        }
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return TypedResults.Ok(new Status(counts, oldest, uncertain, reader.GetInt64(0), events, failures, calls, await recovery.PresentAsync(cancellationToken)));
    }
}
