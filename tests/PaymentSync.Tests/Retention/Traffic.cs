using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.Retention;

/// <summary>Finished traffic, made by statements instead of by paying: the service would write the same rows, only one by one.</summary>
static class Traffic
{
    /// <summary>
    /// So many payments of the last 24 hours, booked: link, two SUCCESS rows, two attempts, and for each a COMPLETED and an unlinked (IGNORED) event; a request for
    /// every fifty documents, and an hour's counters.
    /// </summary>
    public static Task OfADayAsync(World world, int payments) => world.AsWriterAsync("""
        WITH paid AS MATERIALIZED (
          SELECT gen_random_uuid() AS link, gen_random_uuid() AS invoice, gen_random_uuid() AS payment, to_hex((SELECT count(*) FROM payment_links) + n) AS code, 'pi_' || gen_random_uuid() AS intent, n / 50 AS batch,
                 paymentsync.now() - (n * interval '1 day' / $2) AS at
            FROM generate_series(1, $2) n),
        sent AS MATERIALIZED (
          SELECT gen_random_uuid() AS id, p.batch, k.kind, min(p.at) AS at, array_agg(CASE k.kind WHEN 'INVOICE' THEN p.invoice ELSE p.payment END) AS members
            FROM paid p CROSS JOIN (VALUES ('INVOICE'), ('PAYMENT')) AS k (kind) GROUP BY p.batch, k.kind),
        links AS (
          INSERT INTO payment_links (id, organization_id, short_code, amount, currency, invoice_currency, description, status, created_at, updated_at)
          SELECT link, $1, code, 10, 'GBP', 'GBP', 'Order', 'PAID', at, at FROM paid RETURNING 1),
        rows AS (
          INSERT INTO xero_syncs (id, payment_link_id, organization_id, sync_type, status, request_payload, provider, provider_payment_id, amount, currency, document_number, tenant_id,
                                  xero_invoice_id, xero_payment_id, retry_count, attempt, created_at, updated_at)
          SELECT CASE k.kind WHEN 'INVOICE' THEN invoice ELSE payment END, link, $1, k.kind::"XeroSyncType", 'SUCCESS', '{}', 'STRIPE', intent, 10, 'GBP', k.kind || link, 'tenant',
                 CASE k.kind WHEN 'INVOICE' THEN gen_random_uuid()::text END, CASE k.kind WHEN 'PAYMENT' THEN gen_random_uuid()::text END, 0, 1, at, at
            FROM paid CROSS JOIN (VALUES ('INVOICE'), ('PAYMENT')) AS k (kind) RETURNING 1),
        events AS (
          INSERT INTO paymentsync.events (run_key, provider, account, source_event_id, event_type, fact, provider_payment_id, amount, currency, payment_link_id, status, reason, body, received_at, updated_at)
          SELECT 'stripe:self:' || intent || ':paid', 'STRIPE', 'self', 'evt_1' || intent, 'checkout.session.completed', 'paid', intent, 10, 'GBP', link, 'COMPLETED', NULL, NULL::bytea, at, at FROM paid
          UNION ALL SELECT NULL, 'STRIPE', 'self', 'evt_2' || intent, 'payment_intent.succeeded', 'paid', intent, 10, 'GBP', NULL, 'IGNORED', 'link.not_named', '{}'::bytea, at, at FROM paid RETURNING 1),
        requests AS (
          INSERT INTO paymentsync.requests (id, organization_id, tenant_id, resource, idempotency_key, members, body, body_sha256, sent_at, absent_counts_from, completed_at, outcome)
          SELECT id, $1, 'tenant', 'PUT /' || kind, id::text, members, 'body', 'hash', at, at, at, 'ANSWERED' FROM sent RETURNING 1),
        attempts AS (
          INSERT INTO paymentsync.sync_attempts (sync_id, attempt, trigger, worker, stage, started_at, ended_at, outcome)
          SELECT CASE k.kind WHEN 'INVOICE' THEN invoice ELSE payment END, 1, 'FIRST', 'w', 'send', at, at, 'SUCCESS' FROM paid CROSS JOIN (VALUES ('INVOICE'), ('PAYMENT')) AS k (kind) RETURNING 1),
        totals AS (
          INSERT INTO paymentsync.sync_totals (organization_id, hour, sync_type, status, syncs)
          SELECT $1, date_trunc('hour', at), 'INVOICE', 'SUCCESS', count(*) FROM paid GROUP BY 2
          ON CONFLICT (organization_id, hour, sync_type, status) DO UPDATE SET syncs = sync_totals.syncs + excluded.syncs RETURNING 1),
        hours AS (
          INSERT INTO paymentsync.call_hours (tenant_id, hour, calls) SELECT 'tenant', date_trunc('hour', at), count(*) FROM paid GROUP BY 2 ON CONFLICT DO NOTHING RETURNING 1),
        slots AS (
          INSERT INTO paymentsync.call_slots (tenant_id, holder, reserved_at, answered_at, frees_at) SELECT 'tenant' || batch, 'w', at, at, at + interval '1 minute' FROM sent RETURNING 1),
        writes AS (
          INSERT INTO paymentsync.host_writes (day, kind, backend, writes) VALUES ((paymentsync.now() AT TIME ZONE 'UTC')::date, 'insert', pg_backend_pid(), 1) ON CONFLICT DO NOTHING RETURNING 1),
        report AS (
          INSERT INTO paymentsync.recovery_reports (trigger, node, started_at, ended_at, found, done) VALUES ('TIMER', 'w', paymentsync.now(), paymentsync.now(), 1, 1) RETURNING id)
        INSERT INTO paymentsync.recovery_items (report_id, kind, subject, sync_id, decision, status, message, created_at)
        SELECT r.id, 'lease.lost', 'sync:' || p.invoice, p.invoice, 'RESUME', 'DONE', 'done', p.at FROM report r, paid p WHERE p.batch = 0
        """, world.Organisation, payments);

    /// <summary>Rows of each table that something is written to, by name.</summary>
    public static async Task<IReadOnlyDictionary<string, long>> CountsAsync(World world)
    {
        var tables = await world.Database.QueryAsync(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'paymentsync'::regnamespace AND relkind = 'r' ORDER BY 1", reader => reader.GetString(0));
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var table in tables)
            counts[table] = await world.Database.ScalarAsync<long>($"SELECT count(*) FROM paymentsync.{table}");
        return counts;
    }

    public static async Task<string> PurgeAsync(World world) => (await world.SendAsync(HttpMethod.Post, "/api/jobs/retention/run"))["result"]!.GetValue<string>();
}
