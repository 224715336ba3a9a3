using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Who may ask what of the API, and what it answers to what it cannot use.</summary>
public sealed class ApiAccessTests(PostgresServer server)
{
    static readonly Guid Some = Guid.Parse("8f14e45f-ceea-467f-a1d5-91c0a9b7b1aa");

    /// <summary>What needs no operator key.</summary>
    static readonly string[] Open = ["POST /webhooks/stripe", "GET /health/live", "GET /health/ready", "GET /openapi/{documentName}.json", "GET /xero/callback"];

    [Fact]
    public async Task Every_endpoint_asks_for_an_operator_key_and_a_viewer_may_only_look()
    {
        await using var world = await World.StartAsync(server, connected: false);
        using var nobody = World.Client(world.Service, key: null);
        using var stranger = World.Client(world.Service, "a-key-that-nobody-was-given");
        using var viewer = World.Client(world.Service, World.ViewerKey);
        var wrong = new List<string>();
        var endpoints = world.Service.Services.GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .SelectMany(endpoint => endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Select(method => (Method: method, Path: "/" + endpoint.RoutePattern.RawText!.Trim('/'))) ?? [])
            .Where(endpoint => !Open.Contains($"{endpoint.Method} {endpoint.Path}", StringComparer.Ordinal)).ToList();
        endpoints.Count.ShouldBeGreaterThan(15);
        foreach (var (method, pattern) in endpoints)
        {
            var path = pattern.Replace("{id:guid}", Some.ToString(), StringComparison.Ordinal).Replace("{name}", "sweep", StringComparison.Ordinal);
            foreach (var (client, expected) in new[] { (nobody, HttpStatusCode.Unauthorized), (stranger, HttpStatusCode.Unauthorized) })
            {
                using var answer = await SendAsync(client, method, path, "{}");
                if (answer.StatusCode != expected)
                    wrong.Add($"{method} {pattern} without a good key: {answer.StatusCode}");
            }
            using var looked = await SendAsync(viewer, method, path, "{}");
            // A GET that a browser opens, but that connects; and the export of all customers' names, which is an operator's and audited.
            var looks = method == "GET" && pattern is not ("/xero/connect" or "/api/journal");
            if (looks ? looked.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized : looked.StatusCode != HttpStatusCode.Forbidden)
                wrong.Add($"{method} {pattern} by a viewer: {looked.StatusCode}");
        }

        wrong.ShouldBeEmpty();
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.audit_log WHERE role = 'viewer'")).ShouldBe(0);
    }

    [Fact]
    public async Task An_operator_changes_links_and_syncs_but_no_organisation()
    {
        await using var world = await World.StartAsync(server, connected: false);
        using var operators = World.Client(world.Service, World.OperatorKey);

        using var organisation = await SendAsync(operators, "PUT", $"/api/organizations/{world.Organisation}", Organisation().ToJsonString());
        organisation.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        JsonNode.Parse(await organisation.Content.ReadAsStringAsync())!["code"]!.GetValue<string>().ShouldBe("operator_key.role");
        using var connection = await SendAsync(operators, "POST", $"/api/organizations/{world.Organisation}/xero-connection", "{}");
        connection.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        using var link = await SendAsync(operators, "PUT", $"/api/payment-links/{Some}", Link(world.Organisation).ToJsonString());
        link.StatusCode.ShouldBe(HttpStatusCode.OK, await link.Content.ReadAsStringAsync());
        using var look = await SendAsync(operators, "GET", $"/api/organizations/{world.Organisation}", body: null);
        look.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_revoked_key_opens_nothing_and_keys_are_kept_as_hashes_only()
    {
        await using var world = await World.StartAsync(server, connected: false);
        await world.Database.ExecuteAsync("UPDATE paymentsync.operator_keys SET revoked_at = now() WHERE role = 'viewer'");
        using var viewer = World.Client(world.Service, World.ViewerKey);

        using var answer = await SendAsync(viewer, "GET", "/api/syncs", body: null);

        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        var stored = string.Join('\n', await world.Database.QueryAsync("SELECT row_to_json(k)::text FROM paymentsync.operator_keys k", reader => reader.GetString(0)));
        foreach (var key in new[] { World.AdminKey, World.OperatorKey, World.ViewerKey })
        {
            stored.ShouldNotContain(key);
            stored.ShouldNotContain(Convert.ToHexString(Encoding.UTF8.GetBytes(key)));
        }
        // Another node with the same setting does not give the key back.
        var node = await world.StartNodeAsync();
        using var again = World.Client(node, World.ViewerKey);
        using var still = await SendAsync(again, "GET", "/api/syncs", body: null);
        still.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Unknown_ids_are_answered_404_with_a_sentence()
    {
        await using var world = await World.StartAsync(server, connected: false);
        foreach (var (method, path, body) in new (string, string, string?)[]
        {
            ("GET", $"/api/organizations/{Some}", null),
            ("GET", $"/api/payment-links/{Some}", null),
            ("POST", $"/api/payment-links/{Some}/cancel", """{"reason":"x"}"""),
            ("POST", $"/api/payment-links/{Some}/confirmations", """{"provider":"HEDERA","providerPaymentId":"1","amount":"1.00","currency":"GBP","paidAt":"2026-07-30T08:26:41Z","reason":"x"}"""),
            ("PUT", $"/api/payment-links/{Some}", Link(Guid.NewGuid()).ToJsonString()),
            ("GET", $"/api/syncs/{Some}", null),
            ("POST", "/api/xero/sync/replay", $$"""{"syncId":"{{Some}}","reason":"x"}"""),
            ("POST", $"/api/events/{Some}/replay", "{}"),
            ("POST", $"/api/events/{Some}/resolve", """{"action":"ignore","reason":"x"}"""),
            ("POST", "/api/jobs/unknown/run", null),
            ("GET", "/api/nothing", null),
            ("GET", "/api/syncs/not-a-uuid", null),
        })
        {
            using var answer = await SendAsync(world.Api, method, path, body);
            await ShouldBeProblemAsync(answer, 404, $"{method} {path}");
        }
    }

    [Theory]
    [InlineData("Development")]
    [InlineData("Production")]
    public async Task Bodies_that_cannot_be_used_are_answered_400_with_problem_details_that_say_why(string environment)
    {
        await using var world = await World.StartAsync(server, connected: false);
        var node = await world.StartNodeAsync(settings: new() { ["environment"] = environment });
        using var client = World.Client(node, World.AdminKey);
        var link = await world.LinkAsync();
        var told = await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.audit_log");
        var (organisation, known) = ($"PUT /api/organizations/{Some}", $"PUT /api/payment-links/{link}");
        var wrong = new List<string>();
        foreach (var (where, body) in Bad(organisation, known, world.Organisation))
        {
            using var answer = await SendAsync(client, where.Split(' ')[0], where.Split(' ')[1], body);
            try
            {
                await ShouldBeProblemAsync(answer, 400, $"{where} {body}");
            }
            catch (ShouldAssertException problem)
            {
                wrong.Add(problem.Message);
            }
        }

        wrong.ShouldBeEmpty();
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.audit_log")).ShouldBe(told, "nothing was done");
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM organizations")).ShouldBe(1);
    }

    static IEnumerable<(string Where, string Body)> Bad(string organisation, string link, Guid owner)
    {
        foreach (var where in new[] { organisation, link, "POST /api/xero/sync/replay", $"POST /api/events/{Some}/resolve" })
        {
            foreach (var body in new[] { "", "null", "[]", "5", "\"x\"", "{", "{}", "<html>", "{\"surprise\":1}", "\u0000" })
                yield return (where, body);
        }
        foreach (var (member, value) in new (string, JsonNode?)[]
        {
            ("name", null), ("name", " "), ("name", new string('n', 256)), ("name", "a\0b"), ("name", 5), ("timeZone", null), ("timeZone", "Mars/Olympus"), ("timeZone", "GMT Standard Time"), ("timeZone", ""),
            ("booking", null), ("surprise", 1),
        })
            yield return (organisation, With(Organisation(), member, value));
        foreach (var (member, value) in new (string, JsonNode?)[]
        {
            ("salesAccountCode", null), ("salesAccountCode", ""), ("salesAccountCode", "a\0b"), ("taxType", ""), ("lineAmountTypes", "Exclusive"), ("lineAmountTypes", "inclusive"), ("lineAmountTypes", null),
            ("clearingAccounts", null), ("clearingAccounts", new JsonArray()), ("clearingAccounts", new JsonObject { ["STRIPE"] = null }), ("clearingAccounts", new JsonObject { ["stripe"] = new JsonObject() }),
            ("clearingAccounts", new JsonObject { ["STRIPE"] = new JsonObject { ["gbp"] = "090" } }), ("clearingAccounts", new JsonObject { ["STRIPE"] = new JsonObject { ["GBP"] = null } }),
            ("clearingAccounts", new JsonObject { ["STRIPE"] = new JsonObject { ["GBP"] = "\0" } }), ("invoicePrefix", null), ("invoicePrefix", "with space"), ("invoicePrefix", new string('P', 21)), ("contacts", "perCustomer"),
            ("sharedContact", ""), ("sharedContact", null), ("sharedContact", "<b>"), ("sharedContact", "two  spaces"), ("sharedContact", "a\0b"), ("amountPolicy", "Whatever"), ("lockDatePolicy", "Ignore"), ("surprise", 1),
        })
        {
            var body = Organisation();
            body["booking"]![member] = value;
            yield return (organisation, body.ToJsonString());
        }
        foreach (var (member, value) in new (string, JsonNode?)[]
        {
            ("amount", 120), ("amount", "0.00"), ("amount", "-1"), ("amount", "1.005"), ("amount", "1,000.00"), ("amount", "NaN"), ("amount", "99999999999999999.00"), ("amount", null), ("currency", "gbp"), ("currency", null),
            ("shortCode", ""), ("shortCode", "123456789"), ("shortCode", "a b"), ("description", ""), ("description", null), ("description", new string('d', 4001)), ("description", "a\0b"), ("reference", new string('r', 256)),
            ("reference", "\0"), ("customer", new JsonObject { ["name"] = new string('n', 256) }), ("customer", new JsonObject { ["name"] = "\0" }), ("customer", new JsonObject { ["email"] = new string('e', 256) }),
            ("customer", new JsonObject { ["phone"] = "1" }), ("customer", "Ann"), ("stripePaymentLink", "two words"), ("stripePaymentLink", ""), ("organizationId", "not-a-uuid"), ("surprise", 1),
        })
            yield return (link, With(Link(owner), member, value));
        yield return ("POST /api/xero/sync/replay", """{"reason":"x"}""");
        yield return ("POST /api/xero/sync/replay", $$"""{"syncId":"{{Some}}"}""");
        yield return ("POST /api/xero/sync/replay", $$"""{"syncId":"{{Some}}","paymentLinkId":"{{Some}}","syncType":"INVOICE","reason":"x"}""");
        yield return ("POST /api/xero/sync/replay", $$"""{"paymentLinkId":"{{Some}}","syncType":"REFUND","reason":"x"}""");
        yield return ($"POST /api/syncs/{Some}/resolve", """{"action":"deleteIt","reason":"x"}""");
        yield return ($"POST /api/events/{Some}/resolve", """{"action":"deleteIt","reason":"x"}""");
    }

    [Fact]
    public async Task Exclusive_amounts_are_refused_with_the_reason()
    {
        await using var world = await World.StartAsync(server, connected: false);
        var body = Organisation();
        body["booking"]!["lineAmountTypes"] = "Exclusive";

        (await world.SendAsync(HttpMethod.Put, $"/api/organizations/{world.Organisation}", body, expect: 400))["detail"]!.GetValue<string>()
            .ShouldBe("booking.lineAmountTypes must be Inclusive or NoTax: with Exclusive amounts and tax rounded by line, not every total that was charged can be reached.");
    }

    [Theory]
    [InlineData("amount", "121.00")]
    [InlineData("currency", "EUR")]
    [InlineData("organizationId", null)]
    [InlineData("shortCode", "OTHER")]
    public async Task A_link_whose_payment_is_being_booked_keeps_what_the_booking_is_about(string member, string? value)
    {
        await using var world = await World.StartAsync(server, connected: false);
        var other = Guid.NewGuid();
        await world.PutOrganisationAsync(other);
        var link = await world.LinkAsync();
        var change = With(Link(world.Organisation), member, value ?? other.ToString());
        // Before there are rows everything may change, and back.
        await world.SendAsync(HttpMethod.Put, $"/api/payment-links/{link}", JsonNode.Parse(change));
        await world.SendAsync(HttpMethod.Put, $"/api/payment-links/{link}", Link(world.Organisation));
        await world.PayAsync(link);

        // A short code that is left out stays.
        change = change.Replace("\"OTHER\"", "\"THIRD\"", StringComparison.Ordinal);
        (await world.SendAsync(HttpMethod.Put, $"/api/payment-links/{link}", JsonNode.Parse(change), expect: 409))["code"]!.GetValue<string>().ShouldBe("link.has_syncs");

        var free = Link(world.Organisation);
        free["description"] = "Only the words";
        (await world.SendAsync(HttpMethod.Put, $"/api/payment-links/{link}", free))["description"]!.GetValue<string>().ShouldBe("Only the words");
    }

    [Fact]
    public async Task A_link_that_is_refused_is_not_half_written()
    {
        await using var world = await World.StartAsync(server, connected: false);
        await world.LinkAsync(stripePaymentLink: "plink_taken", change: link => link["shortCode"] = "TAKEN");
        var link = await world.LinkAsync(stripePaymentLink: "plink_own");
        var before = await world.GetAsync($"/api/payment-links/{link}");
        var body = Link(world.Organisation);
        body["description"] = "Changed";

        body["stripePaymentLink"] = "plink_taken";
        (await world.SendAsync(HttpMethod.Put, $"/api/payment-links/{link}", body, expect: 409))["code"]!.GetValue<string>().ShouldBe("link.stripe_link_taken");
        await world.SendAsync(HttpMethod.Put, $"/api/payment-links/{Some}", body, expect: 409);
        (body["stripePaymentLink"], body["shortCode"]) = (null, "TAKEN");
        (await world.SendAsync(HttpMethod.Put, $"/api/payment-links/{link}", body, expect: 409))["code"]!.GetValue<string>().ShouldBe("link.short_code_taken");

        (await world.GetAsync($"/api/payment-links/{link}")).ToJsonString().ShouldBe(before.ToJsonString());
        await world.SendAsync(HttpMethod.Get, $"/api/payment-links/{Some}", expect: 404);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.audit_log WHERE action = 'link.put'")).ShouldBe(2);
    }

    [Fact]
    public async Task The_list_of_syncs_returns_each_row_once_while_new_ones_come()
    {
        await using var world = await World.StartAsync(server, connected: false);
        for (var number = 0; number < 12; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        // Rows of one instant are told apart by their ids.
        var all = (await world.RowsAsync()).Select(row => row.Id).Order().ToList();

        var seen = new List<Guid>();
        string? cursor = null;
        do
        {
            var page = await world.GetAsync($"/api/syncs?limit=5{(cursor is null ? "" : $"&cursor={cursor}")}");
            page["items"]!.AsArray().Count.ShouldBeLessThanOrEqualTo(5);
            seen.AddRange(page["items"]!.AsArray().Select(item => item!["id"]!.GetValue<Guid>()));
            cursor = page["nextCursor"]?.GetValue<string>();
            await world.PayAsync(await world.LinkAsync(), $"pi_later_{seen.Count}");
        }
        while (cursor is not null);

        seen.Order().ToList().ShouldBe(all);
        (await world.GetAsync($"/api/syncs?type=PAYMENT&status=PENDING&organizationId={world.Organisation}&limit=200"))["items"]!.AsArray().ShouldAllBe(item => item!["syncType"]!.GetValue<string>() == "PAYMENT");
        (await world.GetAsync("/api/syncs?q=pi_3"))["items"]!.AsArray().Count.ShouldBe(2);
        foreach (var query in new[] { "limit=0", "limit=201", "limit=many", "cursor=x", "cursor=", "status=DONE", "type=REFUND", "organizationId=x", "q=%00", "failureCode=%00" })
        {
            using var answer = await SendAsync(world.Api, "GET", $"/api/syncs?{query}", body: null);
            await ShouldBeProblemAsync(answer, 400, query);
        }
    }

    [Fact]
    public async Task Every_change_is_audited_with_who_what_and_why()
    {
        await using var world = await World.StartAsync(server, connected: false);
        var (link, held) = (await world.LinkAsync(), await world.LinkAsync("99.00"));
        await world.PayAsync(held, "pi_held");
        await world.HearAsync(StripeEvents.Session(Guid.NewGuid(), "pi_unknown", 12000));
        await world.HearAsync("{}");
        var events = await world.EventsAsync();
        var (unknown, junk) = (events.Single(told => told.Status == "UNMATCHED").Id, events.Single(told => told.Status == "QUARANTINED").Id);
        var sync = (await world.PairAsync(held)).Invoice.Id;

        await PostAsync($"/api/events/{unknown}/replay", new() { ["reason"] = "why 1" });
        await PostAsync($"/api/events/{unknown}/resolve", new() { ["action"] = "attach", ["paymentLinkId"] = link, ["reason"] = "why 2" });
        await PostAsync($"/api/events/{junk}/resolve", new() { ["action"] = "ignore", ["reason"] = "why 3" });
        await PostAsync($"/api/syncs/{sync}/resolve", new() { ["action"] = "bookAsCharged", ["reason"] = "why 4" });
        await PostAsync("/api/xero/sync/replay", new() { ["syncId"] = sync, ["reason"] = "why 5" });
        await PostAsync($"/api/payment-links/{link}/cancel", new() { ["reason"] = "why 6" });
        await PostAsync($"/api/organizations/{world.Organisation}/xero-connection", new() { ["reason"] = "why 7" });
        await PostAsync("/api/jobs/sweep/run", []);
        await world.SendAsync(HttpMethod.Delete, $"/api/organizations/{world.Organisation}/xero-connection?reason=why%208");

        (await world.Database.QueryAsync("SELECT actor || ' ' || role || ' ' || action || ' ' || target || ' ' || coalesce(reason, '-') FROM paymentsync.audit_log ORDER BY id", reader => reader.GetString(0))).ToArray().ShouldBe(
        [
            $"configured admin 0 admin organization.put {world.Organisation} -",
            $"configured admin 0 admin link.put {link} -",
            $"configured admin 0 admin link.put {held} -",
            $"configured admin 0 admin event.replay {unknown} why 1",
            $"configured admin 0 admin event.attach {unknown} why 2",
            $"configured admin 0 admin event.ignore {junk} why 3",
            $"configured admin 0 admin sync.bookAsCharged {sync} why 4",
            $"configured admin 0 admin sync.replay {sync} why 5",
            $"configured admin 0 admin link.cancel {link} why 6",
            $"configured admin 0 admin connection.connect {world.Organisation} why 7",
            "configured admin 0 admin job.run sweep -",
            $"configured admin 0 admin connection.disconnect {world.Organisation} why 8",
        ]);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.audit_log WHERE details::text LIKE '%simulator-secret%' OR details::text LIKE '%-key-for-tests%'")).ShouldBe(0);

        Task PostAsync(string path, JsonObject body) => world.SendAsync(HttpMethod.Post, path, body);
    }

    [Fact]
    public async Task What_cannot_be_audited_is_not_done()
    {
        await using var world = await World.StartAsync(server);
        var (differs, refused, given) = (await world.LinkAsync(), await world.LinkAsync(), await world.LinkAsync());
        await world.PayAsync(differs, "pi_differs", minor: 11000);
        await world.PayAsync(refused, "pi_refused");
        await world.AsWriterAsync("UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'PERMANENT', failure_code = 'xero.refused', error_message = 'as the test wants it', next_retry_at = NULL WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", refused);
        await world.PayAsync(given, "pi_given", minor: 11000);
        await ResolveAsync(given, "markFailed", 200);
        await world.Database.ExecuteAsync("""
            CREATE FUNCTION refuse_entry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no entry is taken'; END $$;
            CREATE TRIGGER refuse_entry BEFORE INSERT ON paymentsync.audit_log FOR EACH ROW WHEN (NEW.action LIKE 'sync.%' OR NEW.action LIKE 'connection.%') EXECUTE FUNCTION refuse_entry();
            """);
        var before = await StateAsync();

        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["paymentLinkId"] = refused, ["syncType"] = "INVOICE", ["reason"] = "mended" }, expect: 500);
        await ResolveAsync(differs, "bookAsCharged", 500);
        await ResolveAsync(differs, "markFailed", 500);
        await ResolveAsync(given, "requeue", 500);
        await world.SendAsync(HttpMethod.Post, $"/api/organizations/{world.Organisation}/xero-connection", new JsonObject { ["reason"] = "again" }, expect: 500);
        await world.SendAsync(HttpMethod.Delete, $"/api/organizations/{world.Organisation}/xero-connection", expect: 500);

        (await StateAsync()).ShouldBe(before);

        async Task ResolveAsync(Guid link, string action, int expect) =>
            await world.SendAsync(HttpMethod.Post, $"/api/syncs/{(await world.PairAsync(link)).Invoice.Id}/resolve", new JsonObject { ["action"] = action, ["reason"] = "decided" }, expect);

        Task<IReadOnlyList<string>> StateAsync() => world.Database.QueryAsync("SELECT s::text FROM xero_syncs s UNION ALL SELECT c::text FROM paymentsync.connections c ORDER BY 1", reader => reader.GetString(0));
    }

    static JsonObject Organisation() => JsonNode.Parse("""
        { "name": "Acme", "timeZone": "Europe/London", "booking": { "salesAccountCode": "200", "taxType": "NONE", "lineAmountTypes": "NoTax", "clearingAccounts": { "STRIPE": { "GBP": "090" } } } }
        """)!.AsObject();

    static JsonObject Link(Guid organisation) => JsonNode.Parse($$"""
        { "organizationId": "{{organisation}}", "amount": "120.00", "currency": "GBP", "description": "Order 42", "customer": { "name": "Ann Lee" } }
        """)!.AsObject();

    static string With(JsonObject body, string member, JsonNode? value)
    {
        body[member] = value;
        return body.ToJsonString();
    }

    static async Task<HttpResponseMessage> SendAsync(HttpClient client, string method, string path, string? body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body is not null && method != "GET")
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        return await client.SendAsync(request);
    }

    static async Task ShouldBeProblemAsync(HttpResponseMessage answer, int status, string what)
    {
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(status, $"{what}: {text}");
        answer.Content.Headers.ContentType?.MediaType.ShouldBe("application/problem+json", what);
        var problem = JsonNode.Parse(text)!;
        problem["code"]!.GetValue<string>().ShouldNotBeNullOrEmpty(what);
        problem["type"]!.GetValue<string>().ShouldBe($"urn:paymentsync:{problem["code"]}", what);
        var sentence = problem["detail"]!.GetValue<string>();
        sentence.Length.ShouldBeGreaterThan(10, what);
        sentence.ShouldNotBe("The request was not accepted.", what);
    }
}
