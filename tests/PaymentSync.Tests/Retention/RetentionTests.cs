using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using PaymentSync.Retention;
using PaymentSync.Tests.StripeWebhooks;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Retention;

public sealed class RetentionTests(PostgresServer server)
{
    [Fact]
    public async Task A_payment_s_event_goes_after_thirty_days_and_its_journal_after_ninety_but_its_rows_stay()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();

        await world.AdvanceAsync(TimeSpan.FromDays(29));
        (await PurgedAsync(world)).ShouldNotContain("completed events");
        await world.AdvanceAsync(TimeSpan.FromDays(2));
        (await PurgedAsync(world)).ShouldContain("1 completed events");
        (await world.EventsAsync()).ShouldBeEmpty();
        (await CountAsync(world, "requests")).ShouldBe(2);

        await world.AdvanceAsync(TimeSpan.FromDays(60));
        var said = await PurgedAsync(world);
        said.ShouldContain("2 requests");
        said.ShouldContain("2 attempts");
        (await world.RowsAsync(link)).Count(row => row.Status == "SUCCESS").ShouldBe(2);
        (await PurgedAsync(world)).ShouldBe("Nothing was old enough to be deleted.");
    }

    [Fact]
    public async Task A_second_payment_is_still_seen_and_a_repetition_still_changes_nothing_long_after_the_event_is_gone()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link, "pi_first");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromDays(200));
        await PurgedAsync(world);
        (await world.EventsAsync()).ShouldBeEmpty();
        var rows = await world.RowsAsync();

        (await world.HearAsync(StripeEvents.Session(link, "pi_first", 12000, "gbp"))).ShouldBe("COMPLETED");
        (await world.HearAsync(StripeEvents.Session(link, "pi_second", 12000, "gbp"))).ShouldBe("NEEDS_ACTION payment.second_payment");

        await world.DrainAsync();
        (await world.RowsAsync()).ShouldBe(rows);
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task What_waits_for_a_person_is_never_deleted_and_what_a_person_resolved_is_kept_as_long_as_the_completed()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link, "pi_first");
        await world.DrainAsync();
        await world.HearAsync(StripeEvents.Session(link, "pi_second", 12000, "gbp"));
        await world.HearAsync(StripeEvents.Session(Guid.NewGuid(), "pi_of_no_link", 12000, "gbp"));
        await world.HearAsync("not JSON");

        await world.AdvanceAsync(TimeSpan.FromDays(1000));
        await PurgedAsync(world);
        var waiting = await world.EventsAsync();
        waiting.Select(told => told.Status).Order(StringComparer.Ordinal).ShouldBe(["NEEDS_ACTION", "QUARANTINED", "UNMATCHED"]);

        foreach (var told in waiting)
            await world.SendAsync(HttpMethod.Post, $"/api/events/{told.Id}/resolve", new JsonObject { ["action"] = "ignore", ["reason"] = "looked at" });
        await world.AdvanceAsync(TimeSpan.FromDays(29));
        await PurgedAsync(world);
        (await world.EventsAsync()).Count.ShouldBe(3);
        await world.AdvanceAsync(TimeSpan.FromDays(2));
        (await PurgedAsync(world)).ShouldContain("3 completed events");
    }

    [Fact]
    public async Task Money_that_named_no_link_is_not_deleted_unseen_even_where_nothing_marked_it()
    {
        await using var world = await World.StartAsync(server);
        await world.Database.ExecuteAsync("""
            INSERT INTO paymentsync.events (provider, account, source_event_id, event_type, fact, provider_payment_id, amount, currency, status, reason)
            VALUES ('STRIPE', 'self', 'evt_1', 'payment_intent.succeeded', 'paid', 'pi_lost', 12, 'GBP', 'IGNORED', 'link.not_named')
            """);
        await world.AdvanceAsync(TimeSpan.FromDays(8));
        await PurgedAsync(world);
        (await world.EventsAsync()).ShouldHaveSingleItem().Status.ShouldBe("UNMATCHED");
    }

    [Fact]
    public async Task What_an_unfinished_sync_or_an_open_recovery_item_needs_is_kept_however_old()
    {
        await using var world = await World.StartAsync(server);
        var (stuck, questioned, done) = (await world.LinkAsync(), await world.LinkAsync(), await world.LinkAsync());
        await world.PayAsync(stuck, "pi_stuck");
        await world.FaultAsync("commit-then-500", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.PayAsync(questioned, "pi_questioned");
        await world.PayAsync(done, "pi_done");
        await world.DrainAsync();
        var item = (await world.PairAsync(questioned)).Payment.Id;
        await world.Database.ExecuteAsync(
            "INSERT INTO paymentsync.recovery_items (kind, subject, sync_id, decision, status, message) VALUES ('test', 'sync:' || $1::text, $1, 'MANUAL_REVIEW', 'OPEN', 'somebody looks at it')", item);
        var stuckId = (await world.PairAsync(stuck)).Invoice.Id;
        await world.SendAsync(HttpMethod.Delete, $"/api/organizations/{world.Organisation}/xero-connection");

        await world.AdvanceAsync(TimeSpan.FromDays(1000));
        await PurgedAsync(world);

        (await world.EventsAsync()).ShouldHaveSingleItem().Payment.ShouldBe("pi_stuck");
        (await world.Database.QueryAsync("SELECT DISTINCT sync_id FROM paymentsync.sync_attempts", reader => reader.GetGuid(0))).ShouldBe([stuckId, item], ignoreOrder: true);
        // Its batch is kept whole: the answer tells about all of its members.
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.requests WHERE NOT ($1 = ANY (members) OR $2 = ANY (members))", stuckId, item)).ShouldBe(0);
        (await CountAsync(world, "requests")).ShouldBe(2);
        (await CountAsync(world, "recovery_items")).ShouldBe(1);

        await world.Database.ExecuteAsync("UPDATE paymentsync.recovery_items SET status = 'RESOLVED', resolved_at = paymentsync.now(), resolution = 'x', resolved_by = 'x', reason = 'x'");
        await world.ConnectAsync();
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        await world.AdvanceAsync(TimeSpan.FromDays(100));
        await PurgedAsync(world);
        (await CountAsync(world, "requests") + await CountAsync(world, "sync_attempts") + await CountAsync(world, "recovery_items") + await CountAsync(world, "events")).ShouldBe(0);
    }

    [Fact]
    public async Task Rows_that_are_kept_do_not_hide_those_behind_them_and_every_page_is_small()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Retention:BatchSize"] = "3" });
        for (var day = 0; day < 2; day++)
        {
            await Traffic.OfADayAsync(world, 10);
            await world.AdvanceAsync(TimeSpan.FromDays(1));
        }
        // Those of the first day are kept, and fill the first pages.
        await world.Database.ExecuteAsync("""
            INSERT INTO paymentsync.recovery_items (kind, subject, payment_link_id, decision, status, message)
            SELECT 'test', 'link:' || payment_link_id, payment_link_id, 'MANUAL_REVIEW', 'OPEN', 'wait' FROM paymentsync.events WHERE status = 'COMPLETED' ORDER BY updated_at LIMIT 10
            """);
        await world.AdvanceAsync(TimeSpan.FromDays(40));
        (await PurgedAsync(world)).ShouldContain("10 completed events");
        (await CountAsync(world, "events")).ShouldBe(10);
        world.SkipAudit();
    }

    [Fact]
    public async Task Two_runs_at_once_delete_everything_once()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Retention:BatchSize"] = "7" });
        await Traffic.OfADayAsync(world, 200);
        await world.AdvanceAsync(TimeSpan.FromDays(500));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => PurgedAsync(world)));
        await PurgedAsync(world);
        (await Traffic.CountsAsync(world)).Where(table => Purged.Contains(table.Key)).ShouldAllBe(table => table.Value == 0);
        // Added up once.
        (await world.Database.ScalarAsync<long>("SELECT sum(syncs)::bigint FROM paymentsync.sync_totals")).ShouldBe(200);
        world.SkipAudit();
    }

    [Fact]
    public async Task No_purge_reads_more_than_its_page_of_a_large_table_or_locks_one()
    {
        await using var world = await World.StartAsync(server);
        for (var day = 0; day < 8; day++)
        {
            await Traffic.OfADayAsync(world, 1000);
            await world.AdvanceAsync(TimeSpan.FromDays(60));
        }
        await world.Database.ExecuteAsync("""
            INSERT INTO paymentsync.requests (id, organization_id, tenant_id, resource, idempotency_key, members, body, body_sha256, sent_at, absent_counts_from)
            SELECT gen_random_uuid(), $1, 'tenant', 'PUT /Invoices', 'key' || n, '{}', 'body', 'hash', paymentsync.now() - n * interval '1 minute', paymentsync.now() FROM generate_series(1, 30000) n
            """, world.Organisation);
        // As many open items as a bad week leaves, among many that are done.
        await world.Database.ExecuteAsync("""
            INSERT INTO paymentsync.recovery_items (kind, subject, sync_id, payment_link_id, decision, status, message, created_at)
            SELECT 'test', 'sync:' || n, gen_random_uuid(), gen_random_uuid(), 'RESUME', 'DONE', 'done', paymentsync.now() - n * interval '1 minute' FROM generate_series(1, 30000) n
            """);
        await world.Database.ExecuteAsync("""
            INSERT INTO paymentsync.recovery_items (kind, subject, sync_id, payment_link_id, decision, status, message)
            SELECT 'test', 'sync:' || id, id, payment_link_id, 'MANUAL_REVIEW', 'OPEN', 'wait' FROM xero_syncs LIMIT 200
            """);
        await world.Database.ExecuteAsync("ANALYZE");
        string[] large = ["events", "requests", "sync_attempts", "xero_syncs", "recovery_items"];
        foreach (var purge in Purge.All)
        {
            var sql = purge.Sql.Replace("$1", "interval '30 days'", StringComparison.Ordinal).Replace("$2", "100", StringComparison.Ordinal)
                .Replace("$3", "'-infinity'::timestamptz", StringComparison.Ordinal).Replace("$4", $"'{purge.First}'", StringComparison.Ordinal);
            var plan = string.Join('\n', await world.Database.QueryAsync("EXPLAIN " + sql, reader => reader.GetString(0)));
            foreach (var table in large)
                plan.ShouldNotContain($"Seq Scan on {table}", Case.Sensitive, $"{purge.What}:\n{plan}");
        }
        world.SkipAudit();
    }

    [Theory]
    [InlineData("Retention:SupersededEvents", "00:00:00", "Retention:SupersededEvents must be between 1 and 3653 days")]
    [InlineData("Retention:CompletedEvents", "3.00:00:00", "Retention:CompletedEvents must be between 4 and 3653 days")]
    [InlineData("Retention:Journal", "6.00:00:00", "Retention:Journal must be between 7 and 3653 days")]
    [InlineData("Retention:BatchSize", "0", "Retention:BatchSize must be between 1 and 5000")]
    public async Task A_setting_that_would_delete_too_early_stops_the_start(string option, string value, string sentence)
    {
        var refused = await Should.ThrowAsync<OptionsValidationException>(() => World.StartAsync(server, settings: new(StringComparer.Ordinal) { [option] = value }));
        refused.Message.ShouldContain(sentence);
    }

    [Fact]
    public async Task The_job_is_an_operators_and_leaves_its_run_in_the_audit_log()
    {
        await using var world = await World.StartAsync(server);
        using var viewer = World.Client(world.Service, World.ViewerKey);
        (await viewer.PostAsync(new Uri("/api/jobs/retention/run", UriKind.Relative), content: null)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        await PurgedAsync(world);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.audit_log WHERE action = 'job.run' AND target = 'retention'")).ShouldBe(1);
    }

    static readonly string[] Purged = ["events", "requests", "sync_attempts", "recovery_items", "recovery_reports", "host_writes", "call_hours", "call_slots"];

    static Task<string> PurgedAsync(World world) => Traffic.PurgeAsync(world);

    static Task<long> CountAsync(World world, string table) => world.Database.ScalarAsync<long>($"SELECT count(*) FROM paymentsync.{table}");
}
