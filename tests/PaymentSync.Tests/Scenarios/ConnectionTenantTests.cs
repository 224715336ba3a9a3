using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

public sealed class ConnectionTenantTests(PostgresServer server)
{
    [Fact]
    public async Task Another_tenant_is_refused_and_nothing_changes()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var before = await OAuthBrowser.TokensAsync(world);

        var (status, page) = await browser.TryAsync(tenant: await OAuthBrowser.FoundAsync(world, "Another Ltd"));

        status.ShouldBe(409);
        page.ShouldContain("You picked Another Ltd, but this organisation is connected to Demo Company (UK)");
        (await OAuthBrowser.TokensAsync(world)).ShouldBe(before);
    }

    [Fact]
    public async Task Another_tenant_is_refused_after_a_disconnection_too()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        await world.SendAsync(HttpMethod.Delete, $"/api/organizations/{world.Organisation}/xero-connection");

        (await browser.TryAsync(tenant: await OAuthBrowser.FoundAsync(world, "Another Ltd"))).Status.ShouldBe(409);

        await browser.ConnectAsync();
    }

    [Fact]
    public async Task A_forced_change_holds_what_the_former_tenant_knows_and_going_back_releases_exactly_that()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var other = await OAuthBrowser.FoundAsync(world, "Another Ltd");
        var done = await PaidAsync(world, "pi_done");
        await world.DrainAsync();
        // Its invoice is there, its payment may be.
        var half = await PaidAsync(world, "pi_half");
        await world.FaultAsync("commit-then-reset", resource: "PUT /Payments");
        await world.DrainAsync();
        // Its invoice may be there.
        var unknown = await PaidAsync(world, "pi_unknown");
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        // A mismatch is held already, and stays held for that.
        var mismatch = await world.LinkAsync();
        await world.PayAsync(mismatch, "pi_mismatch", minor: 11999);
        var untouched = await PaidAsync(world, "pi_untouched");

        (await browser.ConnectAsync(tenant: other, force: "moved to the new company")).ShouldContain("held until it is connected again or a person decides: 3.");

        (await world.RowsAsync(done)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.PairAsync(half)).Payment.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.tenant_changed"), row => row.OpenRequest.ShouldNotBeNull(), row => row.DueAt.ShouldBeNull());
        (await world.RowsAsync(unknown)).ShouldAllBe(row => row.Status == "FAILED" && row.Kind == "NEEDS_ACTION" && row.Code == "xero.tenant_changed");
        (await world.PairAsync(mismatch)).Invoice.Code.ShouldBe("payment.amount_mismatch");
        await world.AdvanceAsync(TimeSpan.FromMinutes(20));
        await world.DrainAsync();
        (await world.RowsAsync(untouched)).ShouldAllBe(row => row.Status == "SUCCESS", "it was nowhere yet, so it is booked in the new tenant");
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs WHERE tenant_id = $1 AND status = 'SUCCESS'", other)).ShouldBe(2);
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new System.Text.Json.Nodes.JsonObject { ["syncId"] = (await world.PairAsync(half)).Payment.Id, ["reason"] = "try" }, expect: 409);
        await world.AuditAsync();

        (await browser.ConnectAsync(force: "and back")).ShouldContain("Documents that waited for it and are booked now: 3.");
        await world.DrainAsync();

        foreach (var link in new[] { half, unknown })
            (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Payments")).ShouldBe(4, "done, half, untouched and unknown: what was lost on its way is looked up, not sent again");
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs WHERE 'xero.tenant_changed' = ANY (released)")).ShouldBe(0, "the next change holds them again");
        await world.AuditAsync();
    }

    [Fact]
    public async Task A_change_of_tenant_waits_for_the_turn_of_the_organisation_and_takes_claims_away()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var link = await PaidAsync(world, "pi_claimed");
        await world.Database.ExecuteAsync("INSERT INTO paymentsync.drain_leases (organization_id, owner, expires_at) VALUES ($1, 'a drain', paymentsync.now() + interval '1 hour')", world.Organisation);
        await world.AsWriterAsync("""
            UPDATE xero_syncs SET status = 'RETRYING', attempt = 1, next_retry_at = NULL, lease_owner = 'a worker that sleeps', lease_expires_at = paymentsync.now() + interval '5 minutes'
             WHERE payment_link_id = $1 AND sync_type = 'INVOICE'
            """, link);
        var connecting = browser.TryAsync(tenant: await OAuthBrowser.FoundAsync(world, "Another Ltd"), force: "moved");
        await Task.Delay(300);
        connecting.IsCompleted.ShouldBeFalse();

        await world.Database.ExecuteAsync("DELETE FROM paymentsync.drain_leases WHERE owner = 'a drain'");

        (await connecting).Status.ShouldBe(200);
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.DueAt.ShouldNotBeNull());
        (await world.Database.ScalarAsync<string>("SELECT outcome FROM paymentsync.sync_attempts WHERE worker = 'a worker that sleeps'")).ShouldBe("LOST");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_custom_connection_follows_the_same_rules()
    {
        await using var world = await World.StartAsync(server);
        await OAuthBrowser.FoundAsync(world, "Another Ltd");
        await world.Simulator.PostAsync(new Uri("/simulator/organisations", UriKind.Relative), System.Net.Http.Json.JsonContent.Create(new { name = "Third Ltd", clientId = "third", clientSecret = "third-secret" }));
        var path = $"/api/organizations/{world.Organisation}/xero-connection";
        System.Text.Json.Nodes.JsonObject Order(bool force, string? reason) => new() { ["clientId"] = "third", ["clientSecret"] = "third-secret", ["force"] = force, ["reason"] = reason };

        (await world.SendAsync(HttpMethod.Post, path, Order(force: false, "no"), expect: 409))["code"]!.GetValue<string>().ShouldBe("connection.other_tenant");
        (await world.SendAsync(HttpMethod.Post, path, Order(force: true, reason: null), expect: 400))["code"]!.GetValue<string>().ShouldBe("connection.reason_missing");
        (await world.SendAsync(HttpMethod.Post, path, Order(force: true, "moved"), expect: 200))["tenantName"]!.GetValue<string>().ShouldBe("Third Ltd");
    }

    static async Task<Guid> PaidAsync(World world, string payment)
    {
        var link = await world.LinkAsync();
        await world.PayAsync(link, payment);
        return link;
    }
}
