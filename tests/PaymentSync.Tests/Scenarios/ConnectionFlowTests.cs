using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PaymentSync.Database;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

public sealed class ConnectionFlowTests(PostgresServer server)
{
    [Fact]
    public async Task A_person_agrees_in_Xero_and_payments_are_booked_with_the_tenant_named()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);

        var page = await browser.ConnectAsync();

        page.ShouldContain("The organisation is connected to Demo Company (UK).");
        var shown = await world.GetAsync($"/api/organizations/{world.Organisation}/xero-connection");
        shown["status"]!.GetValue<string>().ShouldBe("ACTIVE");
        shown["kind"]!.GetValue<string>().ShouldBe("OAUTH");
        shown["tenantName"]!.GetValue<string>().ShouldBe("Demo Company (UK)");
        (shown["tokenExpiresAt"]!.GetValue<DateTimeOffset>() - shown["connectedAt"]!.GetValue<DateTimeOffset>()).TotalDays.ShouldBe(60, 0.01);
        shown["warning"].ShouldBeNull();
        shown["problem"].ShouldBeNull();

        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await OAuthBrowser.AskedAsync(world)).ShouldBe(1, "the token of the code is used until it ends");
    }

    [Fact]
    public async Task The_way_to_Xero_carries_a_state_a_challenge_and_the_granular_scopes()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);

        var (first, second) = (Query(await browser.DepartAsync()), Query(await browser.DepartAsync()));

        first["response_type"].ShouldBe("code");
        first["client_id"].ShouldBe("simulator-app");
        first["scope"].ShouldBe("offline_access accounting.invoices accounting.payments accounting.banktransactions accounting.contacts accounting.settings.read");
        first["redirect_uri"].ShouldBe($"http://localhost:{new Uri(world.Service.Urls.First()).Port}/xero/callback");
        first["code_challenge_method"].ShouldBe("S256");
        first["code_challenge"].Length.ShouldBe(43);
        first["state"].Length.ShouldBe(43);
        second["state"].ShouldNotBe(first["state"]);
        second["code_challenge"].ShouldNotBe(first["code_challenge"]);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.oauth_states")).ShouldBe(2);
    }

    [Fact]
    public async Task Only_an_admin_departs_and_a_force_needs_a_reason()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var operators = World.Client(world.Service, World.OperatorKey);
        using var nobody = World.Client(world.Service, key: null);

        ((int)(await operators.GetAsync($"/xero/connect?organizationId={world.Organisation}")).StatusCode).ShouldBe(403);
        ((int)(await nobody.GetAsync($"/xero/connect?organizationId={world.Organisation}")).StatusCode).ShouldBe(401);
        (await world.SendAsync(HttpMethod.Get, $"/xero/connect?organizationId={Guid.NewGuid()}", expect: 404))["code"]!.GetValue<string>().ShouldBe("organization.unknown");
        (await world.SendAsync(HttpMethod.Get, $"/xero/connect?organizationId={world.Organisation}&force=true", expect: 400))["code"]!.GetValue<string>().ShouldBe("connection.reason_missing");
    }

    [Fact]
    public async Task A_state_works_once_within_ten_minutes_and_only_as_it_was_given()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);
        var used = await browser.AgreeAsync(await browser.DepartAsync());
        (await browser.ReturnAsync(used)).Status.ShouldBe(200);
        var late = await browser.AgreeAsync(await browser.DepartAsync());
        var forged = new Uri(QueryHelpers.AddQueryString($"{used.GetLeftPart(UriPartial.Path)}", new Dictionary<string, string?> { ["code"] = Query(late)["code"], ["state"] = "forged" }));
        await world.AdvanceAsync(TimeSpan.FromMinutes(10));
        var calls = await OAuthBrowser.AskedAsync(world);

        foreach (var callback in new[] { used, late, forged, new Uri(used.GetLeftPart(UriPartial.Path)) })
        {
            var (status, page) = await browser.ReturnAsync(callback);
            status.ShouldBe(400);
            page.ShouldContain("Nothing was changed");
        }
        (await OAuthBrowser.AskedAsync(world)).ShouldBe(calls, "a state that is not good costs Xero nothing");
    }

    [Fact]
    public async Task A_code_that_was_stolen_is_worth_nothing_in_another_authorisation()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);
        var victim = Query(await browser.AgreeAsync(await browser.DepartAsync()));
        var thief = await browser.AgreeAsync(await browser.DepartAsync());
        var swapped = new Uri(QueryHelpers.AddQueryString(thief.GetLeftPart(UriPartial.Path), new Dictionary<string, string?> { ["code"] = victim["code"], ["state"] = Query(thief)["state"] }));

        var (status, page) = await browser.ReturnAsync(swapped);

        status.ShouldBe(400);
        page.ShouldContain("invalid_grant", Case.Sensitive, "the verifier is not the one that the code was given for");
        await ShouldBeDisconnectedAsync(world, "never");
    }

    [Fact]
    public async Task A_person_who_says_no_is_told_that_nothing_changed()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);
        var callback = await browser.AgreeAsync(await browser.DepartAsync(), deny: true);

        var (status, page) = await browser.ReturnAsync(callback);

        status.ShouldBe(400);
        page.ShouldContain("Access was not granted in Xero. Nothing was changed.");
        (await browser.ReturnAsync(callback)).Page.ShouldContain("belongs to no authorisation", Case.Sensitive, "the state is used up");
    }

    [Fact]
    public async Task What_the_address_says_is_shown_as_text_never_as_HTML()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);
        var departed = Query(await browser.DepartAsync());
        var callback = QueryHelpers.AddQueryString(departed["redirect_uri"], new Dictionary<string, string?> { ["error"] = "<script>alert(1)</script>", ["state"] = departed["state"] });

        var (_, page) = await browser.ReturnAsync(new Uri(callback));

        page.ShouldNotContain("<script");
        page.ShouldContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    }

    [Fact]
    public async Task A_token_endpoint_that_does_not_answer_leaves_everything_as_it_was()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);
        await world.FaultAsync("status-503", resource: "POST /connect/token");

        var (status, page) = await browser.TryAsync();

        status.ShouldBe(503);
        page.ShouldContain("Start again");
        await ShouldBeDisconnectedAsync(world, "never");
        await browser.ConnectAsync();
    }

    [Fact]
    public async Task Of_several_organisations_the_one_that_was_just_picked_is_connected()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);
        var (second, other) = (Guid.NewGuid(), await OAuthBrowser.FoundAsync(world, "Second Ltd"));
        await world.PutOrganisationAsync(second);
        await browser.ConnectAsync();

        (await browser.ConnectAsync(second, other)).ShouldContain("Second Ltd; of the organisations you let this app use, that is the one you just agreed to");

        // The older one is connected anew: the newest connection would be the wrong one.
        await browser.ConnectAsync();
        (await world.GetAsync($"/api/organizations/{world.Organisation}/xero-connection"))["tenantName"]!.GetValue<string>().ShouldBe("Demo Company (UK)");
        (await world.GetAsync($"/api/organizations/{second}/xero-connection"))["tenantName"]!.GetValue<string>().ShouldBe("Second Ltd");
    }

    [Fact]
    public async Task One_Xero_organisation_serves_one_organisation()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var second = Guid.NewGuid();
        await world.PutOrganisationAsync(second);

        var (status, page) = await browser.TryAsync(second);

        status.ShouldBe(409);
        page.ShouldContain("Demo Company (UK) is connected to another organisation");
        (await world.GetAsync($"/api/organizations/{second}/xero-connection"))["status"]!.GetValue<string>().ShouldBe("DISCONNECTED");
    }

    [Fact]
    public async Task Half_used_authorisations_are_removed_by_a_job()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings());
        using var browser = new OAuthBrowser(world);
        await browser.DepartAsync();
        await world.AdvanceAsync(TimeSpan.FromMinutes(9));
        await browser.DepartAsync();
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));

        (await world.SendAsync(HttpMethod.Post, "/api/jobs/oauth-states/run"))["result"]!.GetValue<string>().ShouldBe("1 half-used authorisations were removed.");

        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.oauth_states")).ShouldBe(1);
    }

    [Fact]
    public async Task Connecting_is_audited_with_the_admin_who_began_it()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);

        var entry = JsonNode.Parse((await world.Database.ScalarAsync<string>("SELECT to_jsonb(a)::text FROM paymentsync.audit_log a WHERE action = 'connection.connect'"))!)!;

        entry["actor"]!.GetValue<string>().ShouldBe("configured admin 0");
        entry["role"]!.GetValue<string>().ShouldBe("admin");
        entry["details"]!["tenantName"]!.GetValue<string>().ShouldBe("Demo Company (UK)");
    }

    [Fact]
    public async Task No_token_stands_in_plain_in_the_database_the_logs_or_the_answers()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: OAuthBrowser.Settings(
            ("Logging:LogLevel:Default", "Trace"), ("Logging:LogLevel:Microsoft", "Trace"), ("Logging:LogLevel:Npgsql", "Trace"), ("Logging:Console:LogLevel:Default", "None"),
            ("Logging:Console:LogLevel:Microsoft", "None"), ("Logging:Console:LogLevel:Npgsql", "None")));
        using var log = new KeptLog();
        world.Service.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        using var browser = new OAuthBrowser(world);
        var departed = await browser.DepartAsync();
        var kept = new List<string> { Query(departed)["state"] };
        var answers = new StringBuilder((await browser.ReturnAsync(await browser.AgreeAsync(departed))).Page);
        kept.AddRange(await PlainAsync(world));
        await world.FaultAsync("rotate-then-drop");
        await world.PayAsync(await world.LinkAsync());
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromSeconds(11));
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        kept.AddRange(await PlainAsync(world));
        kept.AddRange(["simulator-app-secret-do-not-use"]);
        kept.Count.ShouldBe(6);
        foreach (var path in new[] { $"/api/organizations/{world.Organisation}/xero-connection", "/api/status", "/api/syncs", $"/api/organizations/{world.Organisation}" })
            answers.Append(await world.GetAsync(path));

        var database = await DumpAsync(world.Database);
        foreach (var secret in kept)
        {
            foreach (var spelling in new[] { secret, Convert.ToHexStringLower(Encoding.UTF8.GetBytes(secret)), Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)) })
            {
                database.ShouldNotContain(spelling);
                answers.ToString().ShouldNotContain(spelling);
            }
        }
        log.Text.Length.ShouldBeGreaterThan(1000);
        foreach (var secret in kept.Skip(1))
            log.Text.ShouldNotContain(secret);
    }

    [Fact]
    public async Task A_wrong_master_key_is_said_at_start_and_harms_nothing()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);

        var refused = await Should.ThrowAsync<StartException>(() => world.StartNodeAsync(settings: OAuthBrowser.Settings(("PAYMENTSYNC_MASTER_KEY", "not the key that was used"))));

        refused.Message.ShouldStartWith("PAYMENTSYNC_MASTER_KEY is not the key that the stored credentials were encrypted with. Set the former key.");
        await world.StartNodeAsync(settings: OAuthBrowser.Settings());
    }

    static async Task ShouldBeDisconnectedAsync(World world, string because)
    {
        var shown = await world.GetAsync($"/api/organizations/{world.Organisation}/xero-connection");
        shown["status"]!.GetValue<string>().ShouldBe("DISCONNECTED");
        shown["problemCode"]!.GetValue<string>().ShouldBe(because);
    }

    static async Task<IEnumerable<string>> PlainAsync(World world)
    {
        var (refresh, access) = await OAuthBrowser.TokensAsync(world);
        return [refresh!, access!];
    }

    /// <summary>Every row of every table, as text; bytea is in hexadecimal.</summary>
    static async Task<string> DumpAsync(PostgresDatabase database)
    {
        var tables = await database.QueryAsync("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')", reader => reader.GetString(0));
        var dump = new StringBuilder();
        foreach (var table in tables)
            dump.AppendJoin('\n', await database.QueryAsync($"SELECT t::text FROM {table} t", reader => reader.GetString(0)));
        dump.Length.ShouldBeGreaterThan(1000);
        return dump.ToString();
    }

    static Dictionary<string, string> Query(Uri address) => QueryHelpers.ParseQuery(address.Query).ToDictionary(pair => pair.Key, pair => pair.Value.ToString(), StringComparer.Ordinal);

    sealed class KeptLog : ILoggerProvider, ILogger
    {
        readonly StringBuilder _text = new();

        public string Text
        {
            get
            {
                lock (_text)
                    return _text.ToString();
            }
        }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_text)
                _text.Append(formatter(state, exception)).Append(' ').Append(exception).Append('\n');
        }

        public void Dispose()
        {
        }
    }
}
