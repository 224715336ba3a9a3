using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Tests.Recovery;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>
/// A link that is cancelled, or deleted, while its sync runs: before the invoice is sent it is held, since money was received; from then on the
/// payment goes through, and the cancellation is an item for a person.
/// </summary>
public sealed class RecoveryCancelledLinksTests(PostgresServer server)
{
    const string Item = "link.cancelled_after_invoice MANUAL_REVIEW OPEN";

    static Task<JsonNode> CancelAsync(World world, Guid link) => world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/cancel", new JsonObject { ["reason"] = "changed my mind" });

    static async Task<World> PaidAsync(PostgresServer server, Guid link, bool tampered = false)
    {
        var world = await World.StartAsync(server, tampered: tampered);
        await world.LinkAsync(id: link);
        await world.PayAsync(link);
        return world;
    }

    static async Task ShouldBeHeldAsync(World world, Guid link)
    {
        await world.DrainAsync();
        await world.RecoverAsync();
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("link.cancelled"), row => row.DueAt.ShouldBeNull());
        (await world.LedgerAsync())["invoices"]!.AsArray().ShouldBeEmpty();
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.recovery_items WHERE kind = 'link.cancelled_after_invoice'")).ShouldBe(0);
    }

    static async Task ShouldGoThroughAsync(World world, Guid link)
    {
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromMinutes(5));
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        await world.RecoverAsync();
        await world.RecoverAsync();
        (await world.ItemsAsync()).ShouldContain(Item);
        var items = (await world.GetAsync("/api/recovery/items?kind=link.cancelled_after_invoice"))["items"]!.AsArray();
        var item = items.ShouldHaveSingleItem()!;
        item["paymentLinkId"]!.GetValue<Guid>().ShouldBe(link);
        // Decided once, it does not come back.
        await world.SendAsync(HttpMethod.Post, $"/api/recovery/items/{item["id"]}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "x" }, expect: 409);
        await world.SendAsync(HttpMethod.Post, $"/api/recovery/items/{item["id"]}/resolve", new JsonObject { ["action"] = "settledElsewhere", ["reason"] = "refunded in Stripe" }, expect: 200);
        (await world.RecoverAsync()).Found.ShouldBe(0);
    }

    [Fact]
    public async Task Cancelled_before_the_claim_it_is_held()
    {
        var link = Guid.NewGuid();
        await using var world = await PaidAsync(server, link);
        await CancelAsync(world, link);
        await ShouldBeHeldAsync(world, link);
    }

    [Fact]
    public async Task Cancelled_between_claim_and_intent_nothing_is_sent_and_it_is_held()
    {
        var link = Guid.NewGuid();
        await using var world = await PaidAsync(server, link);
        var services = world.Service.Services;
        var claimed = await services.GetRequiredService<SyncQueue>().ClaimAsync(world.Organisation, XeroSyncType.INVOICE, 50, "me", TimeSpan.FromMinutes(5), CancellationToken.None);
        await CancelAsync(world, link);

        var intent = new Intent(Guid.CreateVersion7(), world.Organisation, Broken.Tenant, "PUT /Invoices", "key", XeroDocuments.Invoices(claimed), claimed);
        (await services.GetRequiredService<IntentJournal>().CommitAsync(intent, "me", TimeSpan.FromMinutes(5), services.GetRequiredService<IOptions<XeroOptions>>().Value.CallTimeout, CancellationToken.None)).ShouldBeFalse();

        await services.GetRequiredService<SyncQueue>().GiveBackAsync(claimed, "me", TimeSpan.Zero, CancellationToken.None);
        await ShouldBeHeldAsync(world, link);
    }

    [Theory]
    [InlineData("PUT /Invoices")]
    [InlineData("PUT /Payments")]
    public async Task Cancelled_while_a_call_is_in_flight_it_goes_through(string resource)
    {
        var link = Guid.NewGuid();
        await using var world = await PaidAsync(server, link, tampered: true);
        world.Proxy.OnRequest = (called, _) =>
        {
            if (called == resource)
                world.Database.ExecuteAsync("UPDATE payment_links SET status = 'CANCELED', updated_at = paymentsync.now() WHERE id = $1", link).GetAwaiter().GetResult();
            return null;
        };
        await ShouldGoThroughAsync(world, link);
        (await world.CallsAsync(resource)).ShouldBe(1);
    }

    [Fact]
    public async Task Cancelled_while_it_is_not_known_whether_the_invoice_is_there_it_is_looked_up_and_goes_through()
    {
        var link = Guid.NewGuid();
        await using var world = await PaidAsync(server, link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await CancelAsync(world, link);
        (await world.RecoverAsync()).Found.ShouldBe(0, "nobody knows yet");
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await ShouldGoThroughAsync(world, link);
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task Cancelled_while_unknown_and_then_seen_to_be_absent_it_is_held()
    {
        var link = Guid.NewGuid();
        await using var world = await PaidAsync(server, link, tampered: true);
        // The invoice never reaches Xero, though it was sent.
        world.Proxy.OnRequest = (called, _) => called == "PUT /Invoices" ? (502, "<html>") : null;
        await world.DrainAsync();
        await CancelAsync(world, link);
        for (var round = 0; round < 4; round++)
        {
            await world.AdvanceAsync(TimeSpan.FromMinutes(5));
            await world.DrainAsync();
        }
        await ShouldBeHeldAsync(world, link);
    }

    [Fact]
    public async Task Cancelled_after_the_invoice_and_before_the_payment_it_goes_through()
    {
        var link = Guid.NewGuid();
        await using var world = await PaidAsync(server, link);
        await world.FaultAsync("429-minute", resource: "PUT /Payments");
        await world.DrainAsync();
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("PENDING"));
        await CancelAsync(world, link);
        await world.RecoverAsync();
        (await world.ItemsAsync()).ShouldBe([Item]);
        await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        await ShouldGoThroughAsync(world, link);
    }

    [Fact]
    public async Task Released_by_a_person_a_cancelled_link_is_booked_and_makes_no_item()
    {
        var link = Guid.NewGuid();
        await using var world = await PaidAsync(server, link);
        await CancelAsync(world, link);
        await world.DrainAsync();
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{(await world.PairAsync(link)).Invoice.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "keep the money" }, expect: 202);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.RecoverAsync()).Found.ShouldBe(0);
    }

    [Theory]
    [InlineData("DELETE FROM xero_syncs")]
    [InlineData("DELETE FROM payment_links")]
    [InlineData("DELETE FROM organizations")]
    [InlineData("TRUNCATE xero_syncs")]
    [InlineData("TRUNCATE payment_links CASCADE")]
    [InlineData("TRUNCATE organizations CASCADE")]
    public async Task Deleting_a_link_or_a_sync_is_refused_while_syncs_exist_whoever_tries_and_by_whatever_cascade(string sql)
    {
        var link = Guid.NewGuid();
        await using var world = await PaidAsync(server, link);
        foreach (var attempt in new Func<Task>[] { () => world.Database.ExecuteAsync(sql), () => world.AsWriterAsync(sql) })
            (await Should.ThrowAsync<PostgresException>(attempt)).SqlState.ShouldBe("PS019");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await Should.ThrowAsync<PostgresException>(() => world.Database.ExecuteAsync(sql))).SqlState.ShouldBe("PS019");
    }
}
