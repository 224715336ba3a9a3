using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Recovery;
using PaymentSync.Tests.Recovery;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Runs of recovery as an operator meets them: paced, one at a time, reported, and a mode in which replays wait.</summary>
public sealed class RecoveryRunsTests(PostgresServer server)
{
    static async Task<World> StuckAsync(PostgresServer server, int links, Dictionary<string, string>? settings = null)
    {
        var world = await World.StartAsync(server, settings: settings);
        for (var number = 0; number < links; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        await world.AsWriterAsync("UPDATE xero_syncs SET next_retry_at = NULL WHERE sync_type = 'INVOICE'");
        return world;
    }

    [Fact]
    public async Task Rows_become_due_in_waves_and_those_of_one_request_together()
    {
        await using var world = await StuckAsync(server, 7, new(StringComparer.Ordinal) { ["Recovery:MaxConcurrent"] = "2", ["Recovery:BatchSize"] = "3" });
        // Two of them are members of one request, whose answer was lost.
        await world.AsWriterAsync("""
            UPDATE xero_syncs SET open_request_id = '00000000-0000-4000-8000-0000000000aa', tenant_id = $1
             WHERE sync_type = 'INVOICE' AND id IN (SELECT id FROM xero_syncs WHERE sync_type = 'INVOICE' ORDER BY created_at LIMIT 2 OFFSET 1)
            """, Broken.Tenant);

        var report = await world.RecoverAsync();

        report.Done.ShouldBe(7);
        var waves = await world.Database.QueryAsync("SELECT count(*)::int FROM xero_syncs WHERE sync_type = 'INVOICE' GROUP BY next_retry_at - date_trunc('minute', created_at) ORDER BY min(next_retry_at)", reader => reader.GetInt32(0));
        waves.Sum().ShouldBe(7);
        waves.ShouldAllBe(wave => wave <= 3, "two at once, and one more that belongs to the same request");
        (await world.Database.ScalarAsync<TimeSpan>("SELECT max(next_retry_at) - min(next_retry_at) FROM xero_syncs WHERE sync_type = 'INVOICE'")).ShouldBeGreaterThan(TimeSpan.FromSeconds(20));
        (await world.Database.ScalarAsync<long>("SELECT count(DISTINCT next_retry_at) FROM xero_syncs WHERE open_request_id IS NOT NULL")).ShouldBe(1);
        world.SkipAudit();
    }

    [Fact]
    public async Task While_much_is_recovered_webhooks_are_taken_and_replays_refused()
    {
        await using var world = await StuckAsync(server, 4, new(StringComparer.Ordinal) { ["Recovery:ModeThreshold"] = "3" });
        var sync = (await world.RowsAsync())[0].Id;
        await world.RecoverAsync();

        (await world.GetAsync("/api/status"))["recovery"]!.ShouldSatisfyAllConditions(mode => mode["mode"]!.GetValue<bool>().ShouldBeTrue(), mode => mode["recovering"]!.GetValue<int>().ShouldBe(4));
        (await world.GetAsync("/health/ready"))["recovery"]!["mode"]!.GetValue<bool>().ShouldBeTrue();
        (await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = sync, ["reason"] = "hurry" }, expect: 409))["code"]!.GetValue<string>().ShouldBe("recovery.mode");
        (await world.PayAsync(await world.LinkAsync(), "pi_new")).ShouldBe("COMPLETED");

        await world.DrainAsync();
        (await world.GetAsync("/api/status"))["recovery"]!["mode"]!.GetValue<bool>().ShouldBeFalse();
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = sync, ["reason"] = "now" }, expect: 200);
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Runs_that_overlap_do_the_work_once()
    {
        await using var world = await StuckAsync(server, 5);
        var other = await world.StartNodeAsync();
        var nodes = new[] { world.Service, other, world.Service, other };

        var reports = await Task.WhenAll(nodes.Select(node => Task.Run(() => node.Services.GetRequiredService<RecoveryRun>().RunAsync("TIMER", dryRun: false, CancellationToken.None))));

        reports.ShouldContain(report => report != null, "one of them is always at it");
        (await world.ItemsAsync()).ShouldBe(Enumerable.Repeat("sync.not_due RESUME DONE", 5));
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.recovery_reports")).ShouldBe(1);
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task While_one_node_recovers_another_waits_and_takes_over_when_it_is_gone()
    {
        await using var world = await StuckAsync(server, 1);
        (await world.Service.Services.GetRequiredService<RecoveryLease>().TakeAsync("gone", CancellationToken.None)).ShouldBeTrue();
        (await world.SendAsync(HttpMethod.Post, "/api/recovery/runs", new JsonObject { ["dryRun"] = false }, expect: 409))["code"]!.GetValue<string>().ShouldBe("recovery.running");
        (await world.SendAsync(HttpMethod.Post, "/api/recovery/runs", new JsonObject { ["dryRun"] = true }, expect: 200))["found"]!.GetValue<int>().ShouldBe(1);

        await world.AdvanceAsync(TimeSpan.FromSeconds(21));
        (await world.SendAsync(HttpMethod.Post, "/api/recovery/runs", expect: 200))["done"]!.GetValue<int>().ShouldBe(1);
        await world.DrainAsync();
    }

    [Fact]
    public async Task A_report_says_what_was_found_decided_done_and_left_as_JSON_and_as_text()
    {
        await using var world = await StuckAsync(server, 2);
        await world.ForceAsync($"UPDATE xero_syncs SET request_payload = {"{}"}::jsonb WHERE sync_type = 'INVOICE' AND provider_payment_id = 'pi_1'");
        await world.SendAsync(HttpMethod.Post, "/api/recovery/runs", new JsonObject { ["dryRun"] = false, ["reason"] = "look" }, expect: 200);

        var listed = (await world.GetAsync("/api/recovery/reports"))["items"]!.AsArray().ShouldHaveSingleItem()!;
        listed.ShouldSatisfyAllConditions(report => report["trigger"]!.GetValue<string>().ShouldBe("OPERATOR"), report => report["found"]!.GetValue<int>().ShouldBe(2),
            report => report["done"]!.GetValue<int>().ShouldBe(1), report => report["leftToAPerson"]!.GetValue<int>().ShouldBe(1), report => report["endedAt"].ShouldNotBeNull());
        var shown = await world.GetAsync($"/api/recovery/reports/{listed["id"]}");
        shown["items"]!.AsArray().Count.ShouldBe(2);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/recovery/reports/{listed["id"]}");
        request.Headers.Accept.ParseAdd("text/plain");
        using var answer = await world.Api.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("text/plain");
        text.ShouldContain("found 2, done 1, left to a person 1");
        text.ShouldContain("sync.not_due: found 1, decided RESUME 1, done 1");
        text.ShouldContain("MANUAL_REVIEW document.unreadable sync:");
        (await world.Database.QueryAsync("SELECT role || ' ' || action FROM paymentsync.audit_log WHERE action LIKE 'recovery%' ORDER BY id", reader => reader.GetString(0)))
            .ShouldBe(["admin recovery.run", "system recovery.manual_review", "system recovery.resume"], ignoreOrder: true);
        await world.SendAsync(HttpMethod.Get, $"/api/recovery/reports/{Guid.Empty}", expect: 404);
        await world.DrainAsync();
    }

    [Fact]
    public async Task Health_is_degraded_while_something_waits_for_a_person_and_says_what_fails_most()
    {
        await using var world = await World.StartAsync(server);
        (await world.GetAsync("/health/ready"))["status"]!.GetValue<string>().ShouldBe("ready");
        await world.PayAsync(await world.LinkAsync(), "pi_booked");
        await world.DrainAsync();
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("status-503", resource: "GET /Invoices");
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromMinutes(10));
        await world.DrainAsync();
        await world.PayAsync(await world.LinkAsync(), "pi_short", minor: 11000);
        await world.RecoverAsync();

        var health = await world.GetAsync("/health/ready");
        health["status"]!.GetValue<string>().ShouldBe("degraded");
        health["recovery"]!["lastRunAt"].ShouldNotBeNull();
        health["syncs"]!["lastHour"]!["failures"]!.AsArray().Select(failure => failure!["failureCode"]!.GetValue<string>()).ShouldContain("xero.connection_lost");
        health["syncs"]!["lastDay"]!["successRate"]!.GetValue<decimal>().ShouldBeInRange(0.01m, 0.99m);
        for (var round = 0; round < 3; round++)
        {
            await world.AdvanceAsync(TimeSpan.FromMinutes(20));
            await world.DrainAsync();
        }
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Theory]
    [InlineData("Recovery:BatchSize", "0")]
    [InlineData("Recovery:MaxConcurrent", "0")]
    [InlineData("Recovery:Timeout", "00:00:10")]
    [InlineData("Recovery:ModeThreshold", "0")]
    public void Settings_that_cannot_work_are_told(string name, string value)
    {
        var options = new RecoveryOptions
        {
            BatchSize = name == "Recovery:BatchSize" ? int.Parse(value, System.Globalization.CultureInfo.InvariantCulture) : 1,
            MaxConcurrent = name == "Recovery:MaxConcurrent" ? int.Parse(value, System.Globalization.CultureInfo.InvariantCulture) : 1,
            Timeout = name == "Recovery:Timeout" ? TimeSpan.Parse(value, System.Globalization.CultureInfo.InvariantCulture) : TimeSpan.FromHours(1),
            ModeThreshold = name == "Recovery:ModeThreshold" ? int.Parse(value, System.Globalization.CultureInfo.InvariantCulture) : 1,
        };
        new RecoveryOptionsRules().Validate(null, options).Failures!.ShouldHaveSingleItem().ShouldContain(name);
        new RecoveryOptionsRules().Validate(null, new RecoveryOptions()).Succeeded.ShouldBeTrue();
    }
}
