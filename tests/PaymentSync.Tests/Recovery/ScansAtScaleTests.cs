using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Npgsql;
using PaymentSync.Recovery;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Recovery;

/// <summary>
/// No scan reads what is done: the plans are checked on PAYMENTSYNC_SCAN_ROWS rows (20,000 unless set; 10,000,000 takes some minutes to load and
/// prints how long the scans take).
/// </summary>
public sealed class ScansAtScaleTests(PostgresServer server)
{
    static readonly int Rows = int.TryParse(Environment.GetEnvironmentVariable("PAYMENTSYNC_SCAN_ROWS"), CultureInfo.InvariantCulture, out var rows) ? rows : 20_000;

    [Fact]
    public async Task No_scan_reads_what_is_done()
    {
        await using var database = await server.CreateDatabaseAsync();
        var clock = Stopwatch.StartNew();
        var unfinished = await LoadAsync(database, unfinishedPercent: 1);
        TestContext.Current.TestOutputHelper?.WriteLine($"{Rows} rows, {unfinished} of them unfinished, loaded in {clock.Elapsed.TotalSeconds:0.0} s");

        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { CommandTimeout = 600 }.ConnectionString);
        await connection.OpenAsync();
        var total = TimeSpan.Zero;
        foreach (var scan in Scans.All)
        {
            var (read, nodes, time) = await ExplainAsync(connection, scan);
            total += time;
            TestContext.Current.TestOutputHelper?.WriteLine($"{scan.Kind,-32} {time.TotalMilliseconds,8:0.0} ms, {read} rows read of the large tables");
            nodes.ShouldBeEmpty(scan.Sql);
            // A row may be reached twice or three times: itself, its twin of the other type, its link.
            read.ShouldBeLessThanOrEqualTo((4 * unfinished) + 100, scan.Sql);
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"all scans over {Rows} rows: {total.TotalMilliseconds:0} ms");
    }

    /// <summary>As after an adoption, when half of the table may wait for booking settings, for months.</summary>
    [Fact]
    public async Task What_waits_for_settings_is_read_by_no_scan_that_looks_at_documents()
    {
        await using var database = await server.CreateDatabaseAsync();
        await LoadAsync(database, unfinishedPercent: 50);
        await using var connection = new NpgsqlConnection(database.ConnectionString);
        await connection.OpenAsync();
        foreach (var sql in (string[])["SET session_replication_role = replica", """
            UPDATE xero_syncs SET document_number = NULL, request_payload = '{}', next_retry_at = NULL,
                   status = (CASE sync_type WHEN 'INVOICE' THEN 'FAILED' ELSE 'PENDING' END)::"XeroSyncStatus", failure_kind = CASE sync_type WHEN 'INVOICE' THEN 'NEEDS_ACTION' END,
                   failure_code = CASE sync_type WHEN 'INVOICE' THEN 'settings.missing' ELSE 'waiting.invoice' END
             WHERE status <> 'SUCCESS'
            """, "VACUUM ANALYZE xero_syncs"])
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
        string[] kinds = [Kinds.DocumentMissing, Kinds.DocumentUnreadable, Kinds.IdWithoutSuccess, Kinds.PaymentWaitsNeedlessly, Kinds.NotDue];
        foreach (var scan in Scans.All.Where(scan => kinds.Contains(scan.Kind)))
        {
            var (read, nodes, _) = await ExplainAsync(connection, scan);
            nodes.ShouldBeEmpty(scan.Sql);
            read.ShouldBe(0, scan.Sql);
        }
    }

    /// <returns>Rows read from the large tables, and the nodes that read one of them from end to end.</returns>
    static async Task<(long Read, List<string> Whole, TimeSpan Time)> ExplainAsync(NpgsqlConnection connection, Scan scan)
    {
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var settings = new NpgsqlCommand(Findings.PlannerSettings, connection, transaction))
            await settings.ExecuteNonQueryAsync();
        await using var command = new NpgsqlCommand($"EXPLAIN (ANALYZE, FORMAT JSON) {scan.Sql}", connection, transaction);
        command.Parameters.AddWithValue(TimeSpan.FromHours(24));
        command.Parameters.AddWithValue(500);
        var plan = JsonNode.Parse((string)(await command.ExecuteScalarAsync())!)![0]!;
        var (read, whole) = (0L, new List<string>());
        void Walk(JsonNode node)
        {
            if (node["Relation Name"]?.GetValue<string>() is "xero_syncs" or "payment_links" or "requests" or "sync_attempts")
            {
                var loops = node["Actual Loops"]!.GetValue<double>();
                read += (long)(loops * (node["Actual Rows"]!.GetValue<double>() + (node["Rows Removed by Filter"]?.GetValue<double>() ?? 0) + (node["Rows Removed by Index Recheck"]?.GetValue<double>() ?? 0)));
                if (node["Node Type"]!.GetValue<string>() is "Seq Scan" or "Parallel Seq Scan")
                    whole.Add(node.ToJsonString());
            }
            foreach (var child in node["Plans"]?.AsArray() ?? [])
                Walk(child!);
        }
        Walk(plan["Plan"]!);
        return (read, whole, TimeSpan.FromMilliseconds(plan["Execution Time"]!.GetValue<double>() + plan["Planning Time"]!.GetValue<double>()));
    }

    /// <summary>Column by column in one statement each, guards off: most links booked, some waiting, some failed in the ways that leave a row resting.</summary>
    static async Task<long> LoadAsync(PostgresDatabase database, int unfinishedPercent)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { CommandTimeout = 3600 }.ConnectionString);
        await connection.OpenAsync();
        async Task Do(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
        await Do("SET session_replication_role = replica");
        await Do("SET maintenance_work_mem = '512MB'");
        await Do("INSERT INTO organizations (id, clerk_org_id, name) SELECT ('00000000-0000-4000-8000-' || lpad(o::text, 12, '0'))::uuid, 'org_' || o, 'Organisation ' || o FROM generate_series(1, 20) o");
        await Do("INSERT INTO paymentsync.connections (organization_id, tenant_id, kind, status, protected_secret) SELECT id, 'tenant-' || clerk_org_id, 'CUSTOM', 'ACTIVE', '\\x00' FROM organizations");
        await Do($"""
            INSERT INTO payment_links (id, organization_id, short_code, status, amount, currency, invoice_currency, description, created_at, updated_at)
            SELECT ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-8000-' || lpad((n % 20 + 1)::text, 12, '0'))::uuid, to_hex(n), (CASE WHEN n % 1000 = 7 THEN 'CANCELED' ELSE 'PAID' END)::"PaymentLinkStatus",
                   12, 'GBP', 'GBP', 'Order', paymentsync.now() - n * interval '1 second', paymentsync.now() - n * interval '30 seconds' FROM generate_series(1, {Rows / 2}) n
            """);
        await Do($$"""
            INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, organization_id, provider, provider_payment_id, amount, currency, document_number, request_payload, response_payload, tenant_id,
                                    xero_invoice_id, xero_payment_id, failure_kind, failure_code, error_message, next_retry_at, attempt, created_at, updated_at)
            SELECT (CASE t WHEN 'INVOICE' THEN '2' ELSE '3' END || '0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, l.id, t::"XeroSyncType",
                   (CASE WHEN done THEN 'SUCCESS' WHEN t = 'PAYMENT' OR n % 300 < 100 THEN 'PENDING' ELSE 'FAILED' END)::"XeroSyncStatus", l.organization_id, 'STRIPE', 'pi_' || n, 12, 'GBP',
                   CASE t WHEN 'INVOICE' THEN 'PL-' || to_hex(n) ELSE 'pi_' || n END,
                   CASE t WHEN 'INVOICE' THEN '{"reference":"","contact":"Ann","date":"2026-01-01","currency":"GBP","lineAmountTypes":"NoTax","lines":[{"description":"Order","quantity":"1","unitAmount":"12.00","accountCode":"200","taxType":"NONE"}]}'::jsonb
                     ELSE '{"reference":"pi","date":"2026-01-01","accountCode":"090","amount":"12.00"}' END, NULL, CASE WHEN done THEN 'tenant' END,
                   CASE WHEN done AND t = 'INVOICE' THEN 'i' || n END, CASE WHEN done AND t = 'PAYMENT' THEN 'p' || n END,
                   CASE WHEN NOT done AND t = 'INVOICE' AND n % 300 >= 100 THEN CASE WHEN n % 300 < 200 THEN 'NEEDS_ACTION' ELSE 'TRANSIENT' END END,
                   CASE WHEN done THEN NULL WHEN t = 'PAYMENT' THEN 'waiting.invoice' WHEN n % 300 >= 200 THEN 'xero.unreachable' WHEN n % 300 >= 100 THEN 'payment.amount_mismatch' END,
                   CASE WHEN NOT done AND t = 'INVOICE' AND n % 300 >= 100 THEN 'No.' END,
                   CASE WHEN NOT done AND t = 'INVOICE' AND (n % 300 < 100 OR n % 300 >= 200) THEN paymentsync.now() + interval '1 hour' END, 1, l.created_at, l.created_at
              FROM (SELECT n, l.id, l.organization_id, l.created_at, n % 100 >= {{unfinishedPercent}} AS done FROM generate_series(1, {{Rows / 2}}) n
                      JOIN payment_links l ON l.id = ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid) AS l (n, id, organization_id, created_at, done) CROSS JOIN (VALUES ('INVOICE'), ('PAYMENT')) AS types (t)
            """);
        await Do($"""
            INSERT INTO paymentsync.requests (id, organization_id, tenant_id, resource, idempotency_key, members, body, body_sha256, sent_at, absent_counts_from, completed_at, outcome)
            SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000001', 'tenant', 'PUT /Invoices', 'key ' || n, '{"{}"}', '', '', paymentsync.now(), paymentsync.now(), paymentsync.now(), 'ANSWERED' FROM generate_series(1, {Rows / 50}) n
            """);
        await Do("SET session_replication_role = origin");
        // VACUUM, as autovacuum would in the course of time; statistics as they are after it.
        await Do("VACUUM ANALYZE");
        await using var count = new NpgsqlCommand("SELECT count(*) FROM xero_syncs WHERE status <> 'SUCCESS'", connection);
        return (long)(await count.ExecuteScalarAsync())!;
    }
}
