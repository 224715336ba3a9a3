using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Confirmation;

/// <summary>Where a host application owns the payment links, its rows are its own to write.</summary>
public sealed class HostsLinksTests(PostgresServer server)
{
    [Fact]
    public async Task Cancelling_a_hosts_link_holds_its_payment_and_leaves_the_hosts_row_alone()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.Database.ExecuteAsync("UPDATE paymentsync.installation SET host_owned = true");
        const string row = "SELECT xmin::text || status FROM payment_links WHERE id = $1";
        var before = await world.Database.ScalarAsync<string>(row, link);

        var view = await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/cancel", new JsonObject { ["reason"] = "the customer withdrew" });
        await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/cancel", new JsonObject { ["reason"] = "again" });
        await world.LinkAsync(id: link, stripePaymentLink: "plink_1");
        await world.PayAsync(link);
        await world.DrainAsync();

        (await world.Database.ScalarAsync<string>(row, link)).ShouldBe(before, "not even touched");
        view["status"]!.GetValue<string>().ShouldBe("CANCELED");
        (await world.GetAsync($"/api/payment-links/{link}"))["status"]!.GetValue<string>().ShouldBe("CANCELED");
        var (invoice, _) = await world.PairAsync(link);
        invoice.Code.ShouldBe("link.cancelled");
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "it was paid" }, expect: 202);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(sync => sync.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_link_that_asks_for_dollars_is_not_paid_by_as_many_pounds()
    {
        await using var world = await World.StartAsync(server, connected: false);
        var link = Guid.NewGuid();
        await world.Database.ExecuteAsync("""
            INSERT INTO payment_links (id, organization_id, short_code, status, amount, currency, invoice_currency, description, updated_at)
            VALUES ($1, $2, 'HOSTMADE', 'OPEN', 120, 'USD', 'GBP', 'Order', paymentsync.now())
            """, link, world.Organisation);

        await world.PayAsync(link);

        var (invoice, _) = await world.PairAsync(link);
        (invoice.Status, invoice.Code).ShouldBe(("FAILED", "payment.amount_mismatch"));
        invoice.Message!.ShouldContain("paid 120.00 GBP, but the link asks for 120.00 USD");
    }

    [Fact]
    public async Task A_link_that_the_host_cancelled_is_seen_as_cancelled()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.Database.ExecuteAsync("UPDATE paymentsync.installation SET host_owned = true");
        await world.Database.ExecuteAsync("UPDATE payment_links SET status = 'CANCELED' WHERE id = $1", link);

        await world.PayAsync(link);
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.Code.ShouldBe("link.cancelled");
    }

    [Fact]
    public async Task Cancelling_a_link_that_is_unknown_is_404_and_leaves_nothing()
    {
        await using var world = await World.StartAsync(server, connected: false);

        await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{Guid.NewGuid()}/cancel", new JsonObject { ["reason"] = "x" }, expect: 404);

        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.payment_link_settings")).ShouldBe(0);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.audit_log WHERE action = 'link.cancel'")).ShouldBe(0);
    }
}
