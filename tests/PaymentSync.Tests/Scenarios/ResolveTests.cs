using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

public sealed class ResolveTests(PostgresServer server)
{
    [Fact]
    public async Task What_a_person_marked_failed_no_later_event_and_no_replay_books()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link, minor: 11000);
        var invoice = (await world.PairAsync(link)).Invoice;
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "markFailed", ["reason"] = "refunded to the customer" }, expect: 200);

        await world.PostEventAsync(StripeEvents.Intent(link, "pi_1", 11000));
        await world.PayAsync(link, minor: 11000);
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("operator.marked_failed"), row => row.Message.ShouldBe("refunded to the customer"));
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = invoice.Id, ["reason"] = "try" }, expect: 409);
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(0);

        // A mistake can be taken back, by a person and with a reason.
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "it was not refunded" }, expect: 202);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task What_may_be_in_Xero_is_looked_up_and_cannot_be_declared_failed()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{(await world.PairAsync(link)).Invoice.Id}/resolve", new JsonObject { ["action"] = "markFailed", ["reason"] = "enough" }, expect: 409);
    }
}
