using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

public sealed class ConnectionRefreshTests(PostgresServer server)
{
    [Fact]
    public async Task Three_nodes_that_meet_the_same_expiry_refresh_once()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var nodes = new List<WebApplication> { world.Service, await world.StartNodeAsync(settings: OAuthBrowser.Settings()), await world.StartNodeAsync(settings: OAuthBrowser.Settings()) };
        (await Task.WhenAll(nodes.Select(node => TokenAsync(world, node)))).Distinct().ShouldHaveSingleItem();
        (await OAuthBrowser.AskedAsync(world)).ShouldBe(1);
        await world.AdvanceAsync(TimeSpan.FromMinutes(28.5));
        // Slow enough that all nodes meet while one of them asks.
        await OAuthBrowser.FaultAsync(world, "slow-drip", seconds: 1);

        var tokens = await Task.WhenAll(Enumerable.Range(0, 30).Select(number => TokenAsync(world, nodes[number % 3])));

        tokens.Distinct().ShouldHaveSingleItem().ShouldNotBeNull();
        (await OAuthBrowser.AskedAsync(world)).ShouldBe(2, "one code, one refresh");
        (await OAuthBrowser.TokensAsync(world)).Access.ShouldBe(tokens[0], "committed before it is used");
    }

    [Fact]
    public async Task Three_working_nodes_book_through_expiries_with_one_refresh_for_each()
    {
        await using var world = await World.StartAsync(server, connected: false, worker: true, settings: OAuthBrowser.Settings());
        await world.StartNodeAsync(worker: true, settings: OAuthBrowser.Settings());
        await world.StartNodeAsync(worker: true, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);
        await browser.ConnectAsync();

        for (var round = 1; round <= 3; round++)
        {
            for (var number = 0; number < 5; number++)
                await world.PayAsync(await world.LinkAsync(), $"pi_{round}_{number}");
            await World.EventuallyAsync(async () => (await world.RowsAsync()).All(row => row.Status == "SUCCESS"), "everything is booked");
            (await OAuthBrowser.AskedAsync(world)).ShouldBe(round);
            await world.AdvanceAsync(TimeSpan.FromMinutes(30));
        }
    }

    [Fact]
    public async Task A_token_that_Xero_refuses_in_the_middle_of_a_batch_is_renewed_and_the_same_request_goes_through()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("expire-token", resource: "PUT /Invoices");

        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS" && row.Retries == 0);
        (await OAuthBrowser.AskedAsync(world)).ShouldBe(2);
    }

    [Fact]
    public async Task A_token_that_is_refused_while_no_other_is_to_be_had_leaves_no_row_behind()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("expire-token", resource: "PUT /Invoices");
        await world.FaultAsync("status-503", resource: "POST /connect/token");

        await world.DrainAsync();
        var (invoice, _) = await world.PairAsync(link);
        invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.Kind.ShouldBe("TRANSIENT"), row => row.Code.ShouldBe("xero.no_token"), row => row.Retries.ShouldBe(0));
        invoice.DueAt.ShouldNotBeNull("nothing is wrong with the connection: nobody has to connect it again");
        await world.AdvanceAsync(TimeSpan.FromSeconds(11));
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_token_that_Xero_refuses_twice_ends_the_drain_and_waits_for_a_person()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("expire-token", next: 2, resource: "PUT /Invoices");

        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.unauthorized"), row => row.DueAt.ShouldBeNull());
        using var browser = new OAuthBrowser(world);
        await browser.ConnectAsync();
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_lost_answer_is_asked_for_again_with_the_old_token_and_works()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        var before = await OAuthBrowser.TokensAsync(world);
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.FaultAsync("rotate-then-drop");

        await world.DrainAsync();
        (await OAuthBrowser.TokensAsync(world)).ShouldBe(before, "the only token known for certain");
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "PENDING" && row.Attempt == 0);
        await world.DrainAsync();
        (await OAuthBrowser.AskedAsync(world)).ShouldBe(2, "not hammered");
        await world.AdvanceAsync(TimeSpan.FromMinutes(29));
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await OAuthBrowser.TokensAsync(world)).Refresh.ShouldNotBe(before.Refresh);
        (await StartedAsync(world)).ShouldBeNull();
    }

    [Fact]
    public async Task A_lost_answer_that_is_asked_for_too_late_disconnects()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.FaultAsync("rotate-then-drop");
        await world.DrainAsync();

        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.DrainAsync();

        await ShouldBeDisconnectedAsync(world, "token.refused");
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.no_connection"), row => row.Retries.ShouldBe(0), row => row.DueAt.ShouldBeNull());
    }

    [Theory]
    [InlineData("status-503")]
    [InlineData("rotate-then-drop")]
    [InlineData("truncated-200")]
    public async Task Thirty_minutes_without_an_answer_disconnect(string fault)
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        await world.PayAsync(await world.LinkAsync());
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.FaultAsync(fault, next: 100, resource: "POST /connect/token");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromMinutes(29));
        await world.DrainAsync();
        (await world.GetAsync($"/api/organizations/{world.Organisation}/xero-connection"))["status"]!.GetValue<string>().ShouldBe("ACTIVE");

        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await world.DrainAsync();

        await ShouldBeDisconnectedAsync(world, "token.unanswered");
    }

    [Fact]
    public async Task A_connection_that_ended_for_want_of_an_answer_is_back_when_Xero_answers()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.FaultAsync("status-503", next: 100, resource: "POST /connect/token");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.DrainAsync();
        await ShouldBeDisconnectedAsync(world, "token.unanswered");
        (await UpkeepAsync(world)).ShouldContain("0 that had got no answer are back");
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.Code.ShouldBe("xero.no_connection");

        (await world.Simulator.DeleteAsync("/simulator/faults")).EnsureSuccessStatusCode();
        await world.AdvanceAsync(TimeSpan.FromMinutes(5));
        (await UpkeepAsync(world)).ShouldContain("1 that had got no answer are back");
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_consent_that_was_withdrawn_disconnects_at_once_and_forgets_the_tokens()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await OAuthBrowser.PostAsync(world, "/connect/revocation", ("token", (await OAuthBrowser.TokensAsync(world)).Refresh!));
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));

        await world.DrainAsync();

        await ShouldBeDisconnectedAsync(world, "token.refused");
        (await OAuthBrowser.TokensAsync(world)).ShouldBe((null, null));
        using var browser = new OAuthBrowser(world);
        (await browser.ConnectAsync()).ShouldContain("Documents that waited for it and are booked now: 1.");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_late_refusal_does_not_end_a_connection_that_was_made_anew()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        await OAuthBrowser.PostAsync(world, "/connect/revocation", ("token", (await OAuthBrowser.TokensAsync(world)).Refresh!));
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await OAuthBrowser.FaultAsync(world, "slow-drip", seconds: 1);
        var asking = TokenAsync(world, world.Service);
        await World.EventuallyAsync(async () => await OAuthBrowser.AskedAsync(world) == 2, "the refresh is on its way");

        await browser.ConnectAsync();

        (await asking).ShouldBe((await OAuthBrowser.TokensAsync(world)).Access);
        (await world.GetAsync($"/api/organizations/{world.Organisation}/xero-connection"))["status"]!.GetValue<string>().ShouldBe("ACTIVE");
    }

    [Fact]
    public async Task A_node_that_died_between_Xeros_answer_and_its_commit_is_succeeded_by_another()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        // What the dead node left: the lease, word of its try, and a token that Xero has rotated.
        var old = (await OAuthBrowser.TokensAsync(world)).Refresh!;
        (await OAuthBrowser.PostAsync(world, "/connect/token", ("grant_type", "refresh_token"), ("refresh_token", old)))!["access_token"].ShouldNotBeNull();
        await world.Database.ExecuteAsync(
            "UPDATE paymentsync.connections SET refresh_owner = 'a node that is gone', refresh_expires_at = paymentsync.now() + interval '32 seconds', refresh_started_at = paymentsync.now()");
        await world.AdvanceAsync(TimeSpan.FromSeconds(33));

        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await OAuthBrowser.TokensAsync(world)).Refresh.ShouldNotBe(old);
    }

    [Fact]
    public async Task An_endpoint_that_was_never_reached_starts_no_clock()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var cutOff = await world.StartNodeAsync(settings: OAuthBrowser.Settings(("Xero:IdentityUrl", "http://127.0.0.1:1/")));
        await world.PayAsync(await world.LinkAsync());
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.DrainAsync(cutOff);
        (await StartedAsync(world)).ShouldBeNull("nothing was used: the token is as good as before");
        await world.AdvanceAsync(TimeSpan.FromHours(20));
        await world.DrainAsync(cutOff);

        await world.DrainAsync(world.Service);
        await world.AdvanceAsync(TimeSpan.FromSeconds(11));
        await world.DrainAsync(world.Service);

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_wrong_app_secret_costs_no_organisation_its_connection()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var wrong = await world.StartNodeAsync(settings: OAuthBrowser.Settings(("Xero:ClientSecret", "rotated in Xero, not here")));
        var other = await world.StartNodeAsync(settings: OAuthBrowser.Settings(("Xero:ClientId", "another-app")));
        await world.PayAsync(await world.LinkAsync());
        await world.AdvanceAsync(TimeSpan.FromHours(2));

        (await AnswerAsync(world, wrong)).ShouldBeOfType<XeroTokens.Answer.Unavailable>().Reason.ShouldContain("invalid_client");
        (await AnswerAsync(world, other)).ShouldBeOfType<XeroTokens.Answer.Unavailable>().Reason.ShouldContain("connected by app simulator-app");

        await world.AdvanceAsync(TimeSpan.FromSeconds(11));
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Credentials_that_cannot_be_decrypted_disconnect_with_a_reason()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        await world.PayAsync(await world.LinkAsync());
        await world.Database.ExecuteAsync("UPDATE paymentsync.connections SET protected_access = protected_refresh || '\\x00', protected_refresh = protected_refresh || '\\x00'");

        await world.DrainAsync();

        await ShouldBeDisconnectedAsync(world, "token.unreadable");
    }

    [Fact]
    public async Task The_bytes_of_one_organisations_token_are_of_no_use_in_another()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var kept = await world.Database.ScalarAsync<byte[]>("SELECT protected_refresh FROM paymentsync.connections");

        Should.Throw<System.Security.Cryptography.CryptographicException>(() => world.Service.Services.GetRequiredService<XeroSecrets>().Token(Guid.NewGuid(), kept!));
    }

    [Fact]
    public async Task An_organisation_that_was_disconnected_in_Xero_is_disconnected_here_too()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var links = new List<Guid>();
        for (var number = 0; number < 3; number++)
        {
            links.Add(await world.LinkAsync());
            await world.PayAsync(links[^1], $"pi_{number}");
        }
        await DisconnectInXeroAsync(world);

        await world.DrainAsync();

        await ShouldBeDisconnectedAsync(world, "xero.disconnected");
        (await world.RowsAsync()).ShouldAllBe(row => row.Code == "xero.forbidden" || row.Code == "xero.no_connection" || row.Code == "waiting.invoice");
        using var browser = new OAuthBrowser(world);
        await browser.ConnectAsync();
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    static async Task DisconnectInXeroAsync(World world)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"/connections/{await world.Database.ScalarAsync<string>("SELECT connection_id FROM paymentsync.connections")}");
        request.Headers.Authorization = new("Bearer", (await OAuthBrowser.TokensAsync(world)).Access);
        (await world.Simulator.SendAsync(request)).EnsureSuccessStatusCode();
    }

    static async Task<XeroTokens.Answer> AnswerAsync(World world, WebApplication node)
    {
        var connection = await node.Services.GetRequiredService<XeroConnections>().FindActiveAsync(world.Organisation, CancellationToken.None);
        return await node.Services.GetRequiredService<XeroTokens>().GetAsync(connection!, notThis: null, CancellationToken.None);
    }

    static async Task<string> TokenAsync(World world, WebApplication node) => (await AnswerAsync(world, node)).ShouldBeOfType<XeroTokens.Answer.Granted>().AccessToken;

    static Task<DateTime?> StartedAsync(World world) => world.Database.ScalarAsync<DateTime?>("SELECT refresh_started_at FROM paymentsync.connections");

    static async Task<string> UpkeepAsync(World world) => (await world.SendAsync(HttpMethod.Post, "/api/jobs/xero-connections/run"))["result"]!.GetValue<string>();

    static async Task ShouldBeDisconnectedAsync(World world, string code)
    {
        var shown = await world.GetAsync($"/api/organizations/{world.Organisation}/xero-connection");
        shown["status"]!.GetValue<string>().ShouldBe("DISCONNECTED");
        shown["problemCode"]!.GetValue<string>().ShouldBe(code);
        shown["problem"]!.GetValue<string>().ShouldNotBeEmpty();
    }
}
