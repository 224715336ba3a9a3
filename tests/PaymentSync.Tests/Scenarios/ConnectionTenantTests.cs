using System.Text.Json.Nodes;
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

    [Theory]
    [InlineData("429-minute")]
    [InlineData("disconnected in Xero")]
    public async Task What_the_former_tenant_only_refused_is_booked_in_the_new_one(string refused)
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var other = await OAuthBrowser.FoundAsync(world, "Another Ltd");
        var link = await PaidAsync(world, "pi_refused");
        if (refused == "429-minute")
            await world.FaultAsync(refused, resource: "PUT /Invoices");
        else
            await DisconnectInXeroAsync(world);
        await world.DrainAsync();
        var former = await TenantOfAsync(world, link);
        former.ShouldNotBeNull("an intent was journalled for it");

        await browser.ConnectAsync(tenant: other, force: "moved to the new company");
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await TenantOfAsync(world, link)).ShouldBe(other);
        // From now on it belongs to the new one.
        await browser.ConnectAsync(force: "and back");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task What_was_proven_absent_in_the_former_tenant_is_booked_in_the_new_one()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var other = await OAuthBrowser.FoundAsync(world, "Another Ltd");
        var link = await PaidAsync(world, "pi_absent");
        await world.FaultAsync("reset-before", resource: "PUT /Invoices");
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.OpenRequest.ShouldNotBeNull();
        await world.FaultAsync("429-minute", resource: "PUT /Invoices"); // Once it is absent it is sent anew, and refused.
        for (var look = 0; look < 6 && (await world.PairAsync(link)).Invoice.Code != "xero.throttled"; look++)
        {
            await world.AdvanceAsync(TimeSpan.FromMinutes(1));
            await world.DrainAsync();
        }
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.OpenRequest.ShouldBeNull(), row => row.Code.ShouldBe("xero.throttled"));

        await browser.ConnectAsync(tenant: other, force: "moved");
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await TenantOfAsync(world, link)).ShouldBe(other);
    }

    [Fact]
    public async Task What_is_or_may_be_in_the_former_tenant_is_not_requeued_in_the_new_one()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var other = await OAuthBrowser.FoundAsync(world, "Another Ltd");
        // Its invoice is there and its payment was only refused; the other one's invoice may be there.
        var half = await PaidAsync(world, "pi_half");
        await world.FaultAsync("429-minute", resource: "PUT /Payments");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        var unknown = await PaidAsync(world, "pi_unknown");
        await world.AsWriterAsync("UPDATE xero_syncs SET next_retry_at = paymentsync.now() + interval '1 hour' WHERE payment_link_id = $1 AND sync_type = 'PAYMENT'", half);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        // Held for another reason: resolved, it would meet the same check.
        var differs = await PaidAsync(world, "pi_differs");
        await world.AsWriterAsync("""
            UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = 'xero.total_differs', error_message = 'as the test wants it', next_retry_at = NULL,
                   xero_invoice_id = $2, tenant_id = (SELECT tenant_id FROM paymentsync.connections)
             WHERE payment_link_id = $1 AND sync_type = 'INVOICE'
            """, differs, Guid.NewGuid().ToString());
        await browser.ConnectAsync(tenant: other, force: "moved");

        foreach (var sync in new[] { (await world.PairAsync(half)).Payment, (await world.PairAsync(unknown)).Invoice, (await world.PairAsync(differs)).Invoice })
        {
            var problem = await world.SendAsync(HttpMethod.Post, $"/api/syncs/{sync.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "try" }, expect: 409);
            problem["code"]!.GetValue<string>().ShouldBe("sync.other_tenant");
            problem["detail"]!.GetValue<string>().ShouldContain("Connect that one again");
            (await world.RowsAsync(sync.Link)).Single(row => row.Id == sync.Id).ShouldBe(sync);
        }
        await world.AsWriterAsync("UPDATE xero_syncs SET released = array_append(released, failure_code), status = 'PENDING', failure_kind = NULL, failure_code = NULL, next_retry_at = paymentsync.now() WHERE payment_link_id = $1 AND sync_type = 'PAYMENT'", half);
        await world.DrainAsync();
        (await world.PairAsync(half)).Payment.Code.ShouldBe("xero.tenant_changed", "whoever made it due, a payment goes to the tenant of its invoice only");

        await browser.ConnectAsync(force: "and back");
        await world.DrainAsync();
        foreach (var link in new[] { half, unknown })
            (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{(await world.PairAsync(differs)).Invoice.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "here it can be read" }, expect: 202);
    }

    static Task<string?> TenantOfAsync(World world, Guid link) =>
        world.Database.ScalarAsync<string>("SELECT tenant_id FROM xero_syncs WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", link);

    /// <summary>A person disconnects the app in Xero's own pages.</summary>
    static async Task DisconnectInXeroAsync(World world)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"/connections/{await world.Database.ScalarAsync<string>("SELECT connection_id FROM paymentsync.connections")}");
        request.Headers.Authorization = new("Bearer", (await OAuthBrowser.TokensAsync(world)).Access);
        (await world.Simulator.SendAsync(request)).EnsureSuccessStatusCode();
    }

    static async Task<Guid> PaidAsync(World world, string payment)
    {
        var link = await world.LinkAsync();
        await world.PayAsync(link, payment);
        return link;
    }
}
