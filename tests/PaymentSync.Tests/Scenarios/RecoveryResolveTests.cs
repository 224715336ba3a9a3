using System.Text.Json.Nodes;
using PaymentSync.Tests.Cli;
using PaymentSync.Tests.Recovery;
using PaymentSync.Tests.Retention;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>What recovery left to a person, and what that person decides.</summary>
public sealed class RecoveryResolveTests(PostgresServer server)
{
    /// <summary>An invoice in Xero whose id was lost on our side, journal included: only a person can find it.</summary>
    static async Task<(World World, Guid Link, string Id, string Item)> LostIdAsync(PostgresServer server)
    {
        var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        var id = (await world.PairAsync(link)).Invoice.InvoiceId!;
        await world.ForceAsync($"UPDATE xero_syncs SET xero_invoice_id = NULL WHERE payment_link_id = {link} AND sync_type = 'INVOICE'");
        await world.ForceAsync($"UPDATE paymentsync.requests SET answer = NULL WHERE outcome = {"ANSWERED"}");
        await world.RecoverAsync();
        (await world.ItemsAsync()).ShouldBe(["success.without_id MANUAL_REVIEW OPEN"]);
        return (world, link, id, (await world.GetAsync("/api/recovery/items?status=OPEN"))["items"]![0]!["id"]!.GetValue<string>());
    }

    static Task<JsonNode> ResolveAsync(World world, string item, string action, int expect, string? xeroId = null, string reason = "decided") =>
        world.SendAsync(HttpMethod.Post, $"/api/recovery/items/{item}/resolve", new JsonObject { ["action"] = action, ["reason"] = reason, ["xeroId"] = xeroId }, expect);

    [Fact]
    public async Task A_person_names_the_document_and_it_is_taken_over_after_Xero_was_read()
    {
        var (world, link, id, item) = await LostIdAsync(server);
        await using var owned = world;
        var reads = await world.CallsAsync("GET /Invoices");

        (await ResolveAsync(world, item, "adopt", 200, id))["message"]!.GetValue<string>().ShouldContain("fits");

        (await world.CallsAsync("GET /Invoices")).ShouldBe(reads + 1);
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.InvoiceId.ShouldBe(id));
        (await ResolveAsync(world, item, "settledElsewhere", 409))["code"]!.GetValue<string>().ShouldBe("item.not_open");
        (await world.Database.QueryAsync("SELECT action || ' ' || reason FROM paymentsync.audit_log WHERE actor <> 'recovery' AND action LIKE '%adopt' ORDER BY id", reader => reader.GetString(0)))
            .ShouldBe(["sync.adopt decided", "recovery.item.adopt decided"]);
        (await world.RecoverAsync()).Found.ShouldBe(0);
    }

    [Fact]
    public async Task That_there_is_nothing_to_adopt_is_decided_once_and_remembered()
    {
        var (world, _, _, item) = await LostIdAsync(server);
        await using var owned = world;
        world.SkipAudit();

        await ResolveAsync(world, item, "settledElsewhere", 200);

        (await world.RecoverAsync()).Found.ShouldBe(0);
        await world.AdvanceAsync(TimeSpan.FromDays(200));
        await Traffic.PurgeAsync(world);
        (await world.RecoverAsync()).Found.ShouldBe(0);
    }

    [Fact]
    public async Task A_wrong_document_is_refused_and_nothing_is_written()
    {
        var (world, link, id, item) = await LostIdAsync(server);
        await using var owned = world;
        var other = await world.LinkAsync("99.00");
        await world.PayAsync(other, "pi_other", minor: 9900);
        var same = await world.LinkAsync(change: body => body["customer"] = new JsonObject { ["name"] = "Bob", ["email"] = "bob@example.com" });
        await world.PayAsync(same, "pi_same");
        await world.DrainAsync();

        (await ResolveAsync(world, item, "adopt", 409, (await world.PairAsync(other)).Invoice.InvoiceId))["detail"]!.GetValue<string>().ShouldContain("is over 99");
        (await ResolveAsync(world, item, "adopt", 409, (await world.PairAsync(same)).Invoice.InvoiceId))["detail"]!.GetValue<string>().ShouldContain("Bob");
        (await ResolveAsync(world, item, "adopt", 409, Guid.NewGuid().ToString()))["detail"]!.GetValue<string>().ShouldContain("does not show");
        (await ResolveAsync(world, item, "adopt", 409, "nonsense"))["code"]!.GetValue<string>().ShouldBe("adopt.differs");
        await ResolveAsync(world, item, "adopt", 400);
        await ResolveAsync(world, item, "forget", 400);
        await ResolveAsync(world, item, "adopt", 400, id, reason: " ");
        await ResolveAsync(world, Guid.Empty.ToString(), "adopt", 404, id);

        (await world.PairAsync(link)).Invoice.InvoiceId.ShouldBeNull();
        (await world.GetAsync("/api/recovery/items?status=OPEN"))["items"]!.AsArray().Count.ShouldBe(1);
        await ResolveAsync(world, item, "adopt", 200, id);
    }

    [Fact]
    public async Task A_document_that_a_person_booked_by_hand_is_adopted_for_one_that_cannot_be_read_and_its_payment_goes_on()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        var contact = (await world.PairAsync(link)).Invoice.Json.GetProperty("contact").GetString();
        await world.ForceAsync($"UPDATE xero_syncs SET request_payload = request_payload - 'contact' WHERE payment_link_id = {link} AND sync_type = 'INVOICE'");
        await world.RecoverAsync();
        var made = await world.HumanAsync("createInvoice", new JsonObject { ["invoiceNumber"] = "BY-HAND-1", ["contactName"] = contact, ["amount"] = 120.00m, ["currencyCode"] = "GBP" });
        var item = (await world.GetAsync("/api/recovery/items?status=OPEN&kind=document.unreadable"))["items"]!.AsArray().ShouldHaveSingleItem()!["id"]!.GetValue<string>();

        await ResolveAsync(world, item, "adopt", 200, made["invoiceId"]!.GetValue<string>());
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(0);
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);
    }

    [Fact]
    public async Task Without_a_connection_nothing_is_adopted()
    {
        var (world, link, id, item) = await LostIdAsync(server);
        await using var owned = world;
        await world.SendAsync(HttpMethod.Delete, $"/api/organizations/{world.Organisation}/xero-connection");
        (await ResolveAsync(world, item, "adopt", 409, id))["code"]!.GetValue<string>().ShouldBe("adopt.unreadable");
        (await world.PairAsync(link)).Invoice.InvoiceId.ShouldBeNull();
        world.SkipAudit();
    }

    [Fact]
    public async Task What_a_person_marks_failed_is_never_booked_and_its_item_is_closed()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.ForceAsync($"UPDATE xero_syncs SET request_payload = request_payload - 'contact' WHERE payment_link_id = {link} AND sync_type = 'INVOICE'");
        await world.RecoverAsync();
        var item = (await world.GetAsync("/api/recovery/items?status=OPEN"))["items"]![0]!["id"]!.GetValue<string>();

        (await ResolveAsync(world, item, "bookAsCharged", 409))["code"]!.GetValue<string>().ShouldBe("sync.not_resolvable");
        (await ResolveAsync(world, item, "requeue", 409))["code"]!.GetValue<string>().ShouldBe("sync.not_resolvable", "a worker that claims it fails with its whole batch");
        await ResolveAsync(world, item, "markFailed", 200, reason: "refunded");
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.Code.ShouldBe("operator.marked_failed");
        (await world.ItemsAsync()).ShouldBe(["document.unreadable MANUAL_REVIEW RESOLVED"]);
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(0);
    }

    [Fact]
    public async Task The_command_line_shows_reports_and_items_runs_recovery_and_resolves()
    {
        var (world, _, id, item) = await LostIdAsync(server);
        await using var owned = world;

        var reports = await Paymentsync.RunAsync(world, "recovery", "reports");
        var report = (await world.GetAsync("/api/recovery/reports"))["items"]![0]!["id"]!.GetValue<string>();
        var one = await Paymentsync.RunAsync(world, "recovery", "reports", report);
        var items = await Paymentsync.RunAsync(world, "recovery", "items", "--status", "open");
        var status = await Paymentsync.RunAsync(world, "status");
        var dry = await Paymentsync.RunAsync(world, "recovery", "run", "--dry-run");
        var wrong = await Paymentsync.RunAsync(world, "recovery", "resolve", item, "adopt", "--reason", "no id");
        var refused = await Paymentsync.RunAsync(world, "recovery", "resolve", item, "adopt", "--xero-id", Guid.Empty.ToString(), "--reason", "a guess");
        var resolved = await Paymentsync.RunAsync(world, "recovery", "resolve", item, "adopt", "--xero-id", id, "--reason", "found in Xero");

        reports.Output.ShouldContain(report);
        one.Output.ShouldContain("success.without_id");
        items.Output.ShouldContain(item);
        items.Output.ShouldContain("SUCCESS without the id of its document");
        status.Output.ShouldContain("recovery items for a person");
        dry.Output.ShouldStartWith("Dry run, nothing was changed: found 0");
        wrong.ExitCode.ShouldBe(2);
        refused.ExitCode.ShouldBe(1);
        resolved.ExitCode.ShouldBe(0, resolved.Error);
        resolved.Output.ShouldStartWith("adopt: Xero was read");
    }
}
