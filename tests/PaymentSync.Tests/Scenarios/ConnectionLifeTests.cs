using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>What becomes of a connection over days: waiting rows, farewell, idleness, warnings.</summary>
public sealed class ConnectionLifeTests(PostgresServer server)
{
    [Fact]
    public async Task Reconnecting_wakes_what_waited_and_a_row_with_an_open_request_is_looked_up_first()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var open = await PaidAsync(world, "pi_open");
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await DisconnectAsync(world);
        var fresh = await PaidAsync(world, "pi_fresh");
        await world.AdvanceAsync(TimeSpan.FromMinutes(20));
        await world.DrainAsync();
        (await world.PairAsync(open)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.no_connection"), row => row.OpenRequest.ShouldNotBeNull(), row => row.DueAt.ShouldBeNull());
        (await world.PairAsync(fresh)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.no_connection"), row => row.Message.ShouldBe("No active Xero connection for organization"), row => row.Retries.ShouldBe(0));

        await browser.ConnectAsync();
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.Database.QueryAsync("SELECT trigger FROM paymentsync.sync_attempts a JOIN xero_syncs s ON s.id = a.sync_id WHERE s.payment_link_id = $1 AND s.sync_type = 'INVOICE' ORDER BY a.attempt",
            reader => reader.GetString(0), open)).ShouldBe(["FIRST", "VERIFY"]);
        (await world.Database.QueryAsync("SELECT trigger FROM paymentsync.sync_attempts a JOIN xero_syncs s ON s.id = a.sync_id WHERE s.payment_link_id = $1 AND s.sync_type = 'INVOICE'",
            reader => reader.GetString(0), fresh)).ShouldBe(["RESUME"]);
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(2);
    }

    [Fact]
    public async Task A_large_backlog_is_woken_in_slices_of_a_minutes_calls_and_open_requests_stay_together()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings(("Xero:BatchSize", "2"), ("Xero:CallsPerMinute", "3")));
        using var browser = new OAuthBrowser(world);
        for (var number = 0; number < 14; number++)
            await PaidAsync(world, $"pi_{number}");
        await world.DrainAsync();
        // The first and the last were in one request whose outcome is not known.
        await world.AsWriterAsync("""
            UPDATE xero_syncs SET open_request_id = '00000000-0000-4000-8000-000000000001', tenant_id = 'c0ffee00-0000-4000-8000-00000000de30'
             WHERE sync_type = 'INVOICE' AND document_number IN (SELECT p.document_number FROM (SELECT document_number, row_number() OVER (ORDER BY created_at, payment_link_id) AS n FROM xero_syncs WHERE sync_type = 'INVOICE') p WHERE p.n IN (1, 14))
            """);

        await browser.ConnectAsync();

        var waits = await world.Database.QueryAsync(
            "SELECT round(extract(epoch FROM next_retry_at - min(next_retry_at) OVER ()) / 60)::int FROM xero_syncs WHERE sync_type = 'INVOICE' ORDER BY created_at, payment_link_id", reader => reader.GetInt32(0));
        waits.ShouldBe([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 0]);
        world.SkipAudit();
    }

    [Fact]
    public async Task Disconnecting_the_last_organisation_of_the_app_removes_and_revokes_in_Xero()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var tokens = await OAuthBrowser.TokensAsync(world);

        await DisconnectAsync(world);

        var shown = await world.GetAsync(Path(world.Organisation));
        shown["status"]!.GetValue<string>().ShouldBe("DISCONNECTED");
        shown["problemCode"]!.GetValue<string>().ShouldBe("operator");
        shown["tenantName"]!.GetValue<string>().ShouldBe("Demo Company (UK)");
        (await OAuthBrowser.TokensAsync(world)).ShouldBe((null, null));
        (await OAuthBrowser.AskedAsync(world, "DELETE /connections/{id}")).ShouldBe(1);
        (await OAuthBrowser.PostAsync(world, "/connect/token", ("grant_type", "refresh_token"), ("refresh_token", tokens.Refresh!)))!["error"]!.GetValue<string>().ShouldBe("invalid_grant");
        (await DetailsAsync(world)).ShouldSatisfyAllConditions(details => details["removedInXero"]!.GetValue<bool>().ShouldBeTrue(), details => details["revokedInXero"]!.GetValue<bool>().ShouldBeTrue());
        await world.SendAsync(HttpMethod.Delete, Path(world.Organisation), expect: 404);
    }

    [Fact]
    public async Task Disconnecting_one_of_several_leaves_the_others_connected()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var second = Guid.NewGuid();
        await world.PutOrganisationAsync(second);
        await browser.ConnectAsync(second, await OAuthBrowser.FoundAsync(world, "Second Ltd"));

        await DisconnectAsync(world);

        // A revocation removes every connection that its user made for the app.
        (await OAuthBrowser.AskedAsync(world, "POST /connect/revocation")).ShouldBe(0);
        var link = await world.LinkAsync(organisation: second);
        await world.PayAsync(link);
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task An_idle_connection_says_goodbye_with_one_more_token_that_is_kept_nowhere()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        await world.AdvanceAsync(TimeSpan.FromDays(2));

        await DisconnectAsync(world);

        (await DetailsAsync(world))["removedInXero"]!.GetValue<bool>().ShouldBeTrue();
        (await OAuthBrowser.TokensAsync(world)).ShouldBe((null, null));
    }

    [Fact]
    public async Task Disconnecting_works_while_Xero_does_not()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        await world.FaultAsync("status-503", resource: "DELETE /connections/{id}");
        await world.FaultAsync("commit-then-reset", resource: "POST /connect/revocation");

        await DisconnectAsync(world);

        (await world.GetAsync(Path(world.Organisation)))["status"]!.GetValue<string>().ShouldBe("DISCONNECTED");
        (await OAuthBrowser.TokensAsync(world)).ShouldBe((null, null));
        (await DetailsAsync(world))["removedInXero"]!.GetValue<bool>().ShouldBeFalse();
    }

    [Fact]
    public async Task An_idle_connection_is_renewed_so_that_it_never_reaches_sixty_days()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        await world.AdvanceAsync(TimeSpan.FromDays(6));
        (await UpkeepAsync(world.Api)).ShouldStartWith("0 idle connections were renewed");

        for (var week = 0; week < 12; week++)
        {
            await world.AdvanceAsync(TimeSpan.FromDays(7.5));
            (await UpkeepAsync(world.Api)).ShouldStartWith("1 idle connections were renewed");
        }

        await PaidAsync(world, "pi_after_96_days");
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_token_that_cannot_be_renewed_is_warned_of_seven_three_and_one_day_before_it_dies()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        // The app's secret was changed in Xero and not here: nothing can be renewed.
        var wrong = await world.StartNodeAsync(settings: OAuthBrowser.Settings(("Xero:ClientSecret", "rotated in Xero, not here")));
        using var api = World.Client(wrong, World.AdminKey);
        await WarnedAsync(world, api, TimeSpan.FromDays(52), expect: null);

        await WarnedAsync(world, api, TimeSpan.FromDays(1.1), "in 6 days");
        await WarnedAsync(world, api, TimeSpan.FromDays(1), "in 5 days", again: true);
        await WarnedAsync(world, api, TimeSpan.FromDays(3), "in 2 days");
        await WarnedAsync(world, api, TimeSpan.FromDays(2), "in less than a day");

        // The secret is mended in time.
        await world.AdvanceAsync(TimeSpan.FromSeconds(11));
        (await UpkeepAsync(world.Api)).ShouldStartWith("1 idle connections were renewed");
        var shown = await world.GetAsync(Path(world.Organisation));
        shown["warning"].ShouldBeNull();
        (await world.Database.ScalarAsync<int?>("SELECT warned_days FROM paymentsync.connections")).ShouldBeNull();
    }

    [Fact]
    public async Task Rows_that_a_sweep_refused_while_the_connection_was_being_made_are_found()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await PaidAsync(world, "pi_stranded");
        await world.AsWriterAsync("UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = 'xero.no_connection', error_message = 'raced', next_retry_at = NULL WHERE sync_type = 'INVOICE'");

        (await UpkeepAsync(world.Api)).ShouldEndWith("1 waiting syncs were woken.");
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    static async Task WarnedAsync(World world, HttpClient api, TimeSpan later, string? expect, bool again = false)
    {
        await world.AdvanceAsync(later);
        var warning = (await world.GetAsync(Path(world.Organisation)))["warning"]?.GetValue<string>();
        if (expect is null)
            warning.ShouldBeNull();
        else
            warning.ShouldNotBeNull().ShouldContain(expect);
        (await UpkeepAsync(api)).ShouldContain(expect is null || again ? "0 warnings were given" : "1 warnings were given");
        (await UpkeepAsync(api)).ShouldContain("0 warnings were given", Case.Sensitive, "each is given once");
    }

    static async Task<string> UpkeepAsync(HttpClient api)
    {
        using var answer = await api.PostAsync(new Uri("/api/jobs/xero-connections/run", UriKind.Relative), content: null);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["result"]!.GetValue<string>();
    }

    static Task<JsonNode> DisconnectAsync(World world) => world.SendAsync(HttpMethod.Delete, Path(world.Organisation) + "?reason=test", expect: 204);

    static async Task<JsonNode> DetailsAsync(World world) => JsonNode.Parse((await world.Database.ScalarAsync<string>("SELECT details::text FROM paymentsync.audit_log WHERE action = 'connection.farewell'"))!)!;

    static string Path(Guid organisation) => $"/api/organizations/{organisation}/xero-connection";

    static async Task<Guid> PaidAsync(World world, string payment)
    {
        var link = await world.LinkAsync();
        await world.PayAsync(link, payment);
        return link;
    }
}
