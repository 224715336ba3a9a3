using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>One customer is one contact, two are two, and what a person wrote into a contact stays.</summary>
public sealed class ContactsInXeroTests(PostgresServer server)
{
    [Fact]
    public async Task One_customer_is_one_contact_however_the_name_is_typed()
    {
        await using var world = await World.StartAsync(server);
        string[] spellings =
        [
            "Zoë Ångström", "zoë ångström", "ZOË ÅNGSTRÖM", "Zoe\u0308 A\u030Angstro\u0308m", "  Zoë \t Ångström ", "Zoë\u00A0Ångström", "Zoë\u3000Ångström", "Zoë\u200B Ång\u00ADström",
            "\u202EZoë Ångström\u202C", "\u200FZoë Ångström\u061C", "Zo\u200Dë Ångström", "\uFEFFZoë Ångström", "Zoë\r\nÅngström", "<Zoë> Ångström",
        ];
        foreach (var (spelling, number) in spellings.Select((spelling, number) => (spelling, number)))
            await PayAsync(world, $"pi_{number}", spelling, number % 2 == 0 ? "zoe@example.com" : " Zoe@Example.COM ");
        await PayAsync(world, "pi_emoji", "Ann ❤\uFE0F", email: null);
        await PayAsync(world, "pi_plain", "ANN ❤", email: null);

        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await ContactsAsync(world)).Select(contact => contact["Name"]!.GetValue<string>()).Order(StringComparer.Ordinal).ToArray()
            .ShouldBe(["Ann ❤\uFE0F", "Zoë Ångström (zoe@example.com)"], "as it was spelt the first time");
    }

    [Fact]
    public async Task Payments_at_once_of_one_customer_in_several_spellings_are_one_contact()
    {
        await using var world = await World.StartAsync(server);
        var links = new List<Guid>();
        for (var number = 0; number < 12; number++)
            links.Add(await LinkAsync(world, number % 2 == 0 ? "Ann Lee" : "ANN LEE", $"{(number % 3 == 0 ? "Ann" : "ann")}@example.com"));

        await Task.WhenAll(links.Select((link, number) => world.PayAsync(link, $"pi_{number}")));
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await ContactsAsync(world)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Different_customers_are_different_contacts()
    {
        await using var world = await World.StartAsync(server);
        var name = new string('n', 255);
        var address = new string('a', 240);
        (string? Name, string? Email)[] customers =
        [
            ("Ann Lee", "ann@example.com"), ("Ann Lee", "ann.lee@example.org"), ("Ann Li", "ann@example.com"), ("Ann Lee", null), (null, "ann@example.com"),
            (name, "long@example.com"), (name, "long@example.org"), ("Bob", $"{address}1@x.de"), ("Bob", $"{address}2@x.de"), (null, $"{address}1@x.de"),
            (string.Concat(Enumerable.Repeat("😀", 127)), "smile@example.com"),
        ];
        foreach (var ((customer, email), number) in customers.Select((customer, number) => (customer, number)))
            await PayAsync(world, $"pi_{number}", customer, email);
        await PayAsync(world, "pi_nobody", "<> \u200B", "\u00A0");
        await PayAsync(world, "pi_nobody_2", null, null);

        await world.DrainAsync();

        (await world.RowsAsync()).Where(row => row.Status != "SUCCESS").Select(row => $"{row.Document} {row.Code} {row.Message}").ShouldBeEmpty();
        var names = (await ContactsAsync(world)).Select(contact => contact["Name"]!.GetValue<string>()).ToList();
        names.Count.ShouldBe(customers.Length + 1, "those without name and address share one");
        names.ShouldContain("Online payments");
        names.ShouldAllBe(contact => contact.Length <= 255);
    }

    [Fact]
    public async Task Shared_books_every_customer_on_one_contact_and_tells_nothing_of_them()
    {
        await using var world = await World.StartAsync(server);
        await world.PutOrganisationAsync(world.Organisation, body =>
        {
            body["booking"]!["contacts"] = "Shared";
            body["booking"]!["sharedContact"] = "Kunden & Gäste";
        });
        await PayAsync(world, "pi_1", "Ann Lee", "ann@example.com");
        await PayAsync(world, "pi_2", "kunden & gäste", null);

        await world.DrainAsync();

        (await ContactsAsync(world)).ShouldHaveSingleItem()["Name"]!.GetValue<string>().ShouldBe("Kunden & Gäste");
        string.Concat(await MoneyAtTheEdgesTests.SentAsync(world)).ShouldNotContain("ann@example.com");
    }

    [Fact]
    public async Task Only_the_name_of_a_contact_is_ever_sent()
    {
        await using var world = await World.StartAsync(server);
        await PayAsync(world, "pi_1", "Ann Lee", "ann@example.com");
        await PayAsync(world, "pi_2", "Ann Lee", "ann@example.com");
        await world.DrainAsync();

        var invoices = (await MoneyAtTheEdgesTests.SentAsync(world)).Select(body => JsonNode.Parse(body)!["Invoices"]).OfType<JsonArray>().SelectMany(all => all).ToList();

        invoices.Count.ShouldBe(2);
        invoices.ShouldAllBe(invoice => invoice!["Contact"]!.ToJsonString(Plain) == """{"Name":"Ann Lee (ann@example.com)"}""");
    }

    [Fact]
    public async Task What_a_person_wrote_into_a_contact_stays_and_a_renamed_one_is_left_alone()
    {
        await using var world = await World.StartAsync(server);
        await PayAsync(world, "pi_1", "Ann Lee", "ann@example.com");
        await world.DrainAsync();
        var made = (await ContactsAsync(world)).ShouldHaveSingleItem();
        var id = made["ContactID"]!.GetValue<string>();
        await EditAsync(world, new JsonObject { ["ContactID"] = id, ["EmailAddress"] = "accounts@lee.example", ["FirstName"] = "Ann", ["LastName"] = "Lee-Smith", ["ContactNumber"] = "C-17" });

        await PayAsync(world, "pi_2", "ANN LEE", "ann@example.com");
        await world.DrainAsync();

        var kept = (await ContactsAsync(world)).ShouldHaveSingleItem();
        new[] { "ContactID", "Name", "EmailAddress", "FirstName", "LastName", "ContactNumber" }.Select(field => kept[field]!.GetValue<string>())
            .ShouldBe([id, "Ann Lee (ann@example.com)", "accounts@lee.example", "Ann", "Lee-Smith", "C-17"]);

        await EditAsync(world, new JsonObject { ["ContactID"] = id, ["Name"] = "Lee-Smith Ltd" });
        await PayAsync(world, "pi_3", "Ann Lee", "ann@example.com");
        await world.DrainAsync();

        var both = (await ContactsAsync(world)).ToDictionary(contact => contact["Name"]!.GetValue<string>(), contact => contact, StringComparer.Ordinal);
        both.Keys.Order(StringComparer.Ordinal).ToArray().ShouldBe(["Ann Lee (ann@example.com)", "Lee-Smith Ltd"], "matched by the exact name, so a new one");
        (both["Lee-Smith Ltd"]["ContactID"]!.GetValue<string>(), both["Lee-Smith Ltd"]["EmailAddress"]!.GetValue<string>()).ShouldBe((id, "accounts@lee.example"));
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task The_invoice_of_an_archived_contact_is_held_with_a_sentence_while_others_go_on_and_is_booked_once_it_is_restored()
    {
        await using var world = await World.StartAsync(server);
        await PayAsync(world, "pi_1", "Ann Lee", "ann@example.com");
        await world.DrainAsync();
        await world.HumanAsync("archiveContact", new JsonObject { ["contactName"] = "Ann Lee (ann@example.com)" });

        var held = await PayAsync(world, "pi_2", "ann lee", "ann@example.com");
        var other = await PayAsync(world, "pi_3", "Bob", "bob@example.com");
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(held);
        (invoice.Status, invoice.Kind, invoice.Code).ShouldBe(("FAILED", "NEEDS_ACTION", "xero.contact_archived"));
        invoice.Message!.ShouldContain("Restore the contact in Xero");
        (payment.Status, payment.Code).ShouldBe(("PENDING", "waiting.invoice"));
        (await world.RowsAsync(other)).ShouldAllBe(row => row.Status == "SUCCESS");

        await world.HumanAsync("restoreContact", new JsonObject { ["contactName"] = "Ann Lee (ann@example.com)" });
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = invoice.Id, ["reason"] = "restored" });
        await world.DrainAsync();

        (await world.RowsAsync(held)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await ContactsAsync(world)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Descriptions_and_references_arrive_as_they_were_written()
    {
        await using var world = await World.StartAsync(server);
        const string quotes = "\"42\" \\ / 'x' </script> & — “ü” 李 😀 مرحبا";
        (string Description, string Reference, string Line, string Told)[] orders =
        [
            (quotes, quotes, quotes, quotes),
            ("first\r\nsecond\tthird\u0007\u2028fourth \n", "INV\r\n0042", "first\nsecond third \nfourth", "INV 0042"),
            (string.Concat(Enumerable.Repeat("😀", 2000)), new string('r', 255), string.Concat(Enumerable.Repeat("😀", 2000)), new string('r', 255)),
            ("\u0001", "\u200B", "Payment pi_3", ""),
        ];
        foreach (var (order, number) in orders.Select((order, number) => (order, number)))
        {
            var link = await world.LinkAsync(change: body => (body["description"], body["reference"]) = (order.Description, order.Reference));
            await world.PayAsync(link, $"pi_{number}");
            await world.DrainAsync();

            (await world.RowsAsync(link)).Where(row => row.Status != "SUCCESS").Select(row => $"{row.Code} {row.Message}").ShouldBeEmpty();
            var invoice = (await XeroAsync(world, HttpMethod.Get, $"/Invoices/{(await world.PairAsync(link)).Invoice.InvoiceId}"))["Invoices"]![0]!;
            invoice["LineItems"]![0]!["Description"]!.GetValue<string>().ShouldBe(order.Line);
            (invoice["Reference"]?.GetValue<string>() ?? "").ShouldBe(order.Told);
        }
    }

    [Fact]
    public async Task A_hosts_longer_texts_are_cut_and_not_in_the_middle_of_what_is_one()
    {
        await using var world = await World.StartAsync(server);
        var link = Guid.NewGuid();
        const string family = "👩‍👩‍👧";
        await world.Database.ExecuteAsync("""
            INSERT INTO payment_links (id, organization_id, short_code, status, amount, currency, invoice_currency, description, invoice_reference, customer_name, updated_at)
            VALUES ($1, $2, 'HOSTMADE', 'OPEN', 120, 'GBP', 'GBP', $3, $4, $5, paymentsync.now())
            """, link, world.Organisation, string.Concat(Enumerable.Repeat(family, 600)), string.Concat(Enumerable.Repeat("😀", 255)), string.Concat(Enumerable.Repeat("🇩🇪", 127)));

        await world.PayAsync(link);
        await world.DrainAsync();

        (await world.RowsAsync(link)).Where(row => row.Status != "SUCCESS").Select(row => $"{row.Code} {row.Message}").ShouldBeEmpty();
        var invoice = (await XeroAsync(world, HttpMethod.Get, $"/Invoices/{(await world.PairAsync(link)).Invoice.InvoiceId}"))["Invoices"]![0]!;
        invoice["LineItems"]![0]!["Description"]!.GetValue<string>().ShouldBe(string.Concat(Enumerable.Repeat(family, 4000 / family.Length)));
        invoice["Reference"]!.GetValue<string>().ShouldBe(string.Concat(Enumerable.Repeat("😀", 127)));
        invoice["Contact"]!["Name"]!.GetValue<string>().ShouldStartWith(string.Concat(Enumerable.Repeat("🇩🇪", 61)) + "~");
    }

    [Fact]
    public async Task Half_a_surrogate_pair_is_refused_where_it_is_ours_and_read_past_where_it_is_Stripes()
    {
        // Stripe.net reads every text of an event, so that with it such an event is left to a person (StripeOracleTests).
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Stripe:Client"] = "Own" });
        var link = await world.LinkAsync();
        foreach (var fields in new[]
        {
            """ "description": "x \ud800 y" """,
            """ "description": "x", "reference": "\udc00" """,
            """ "description": "x", "customer": { "name": "Ann \ud83d", "email": null } """,
        })
        {
            using var content = new StringContent($$"""{ "organizationId": "{{world.Organisation}}", "amount": "120.00", "currency": "GBP", {{fields}} }""", Encoding.UTF8, "application/json");
            using var answer = await world.Api.PutAsync(new Uri($"/api/payment-links/{Guid.NewGuid()}", UriKind.Relative), content);
            ((int)answer.StatusCode).ShouldBe(400, await answer.Content.ReadAsStringAsync());
        }

        var body = StripeEvents.Session(link, "pi_1", 12000).Replace("\"mode\":", "\"customer_details\": { \"name\": \"Ann \\ud800\" }, \"mode\":", StringComparison.Ordinal);
        (await world.HearAsync(body)).ShouldBe("COMPLETED");
    }

    static readonly System.Text.Json.JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    static Task<Guid> LinkAsync(World world, string? name, string? email) => world.LinkAsync(change: body => body["customer"] = new JsonObject { ["name"] = name, ["email"] = email });

    static async Task<Guid> PayAsync(World world, string payment, string? name, string? email)
    {
        var link = await LinkAsync(world, name, email);
        (await world.PayAsync(link, payment)).ShouldBe("COMPLETED");
        return link;
    }

    static async Task<IReadOnlyList<JsonNode>> ContactsAsync(World world) => [.. (await XeroAsync(world, HttpMethod.Get, "/Contacts?includeArchived=true"))["Contacts"]!.AsArray().Select(contact => contact!)];

    static Task<JsonNode> EditAsync(World world, JsonObject contact) => XeroAsync(world, HttpMethod.Post, "/Contacts", new JsonObject { ["Contacts"] = new JsonArray(contact) });

    /// <summary>What somebody else does in Xero's own API, as another app would.</summary>
    static async Task<JsonNode> XeroAsync(World world, HttpMethod method, string path, JsonObject? body = null)
    {
        using var ask = new HttpRequestMessage(HttpMethod.Post, "/connect/token") { Content = new FormUrlEncodedContent([new("grant_type", "client_credentials")]) };
        ask.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String("simulator-client:simulator-secret-do-not-use"u8));
        using var token = await world.Simulator.SendAsync(ask);
        using var request = new HttpRequestMessage(method, "/api.xro/2.0" + path) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (await token.Content.ReadFromJsonAsync<JsonNode>())!["access_token"]!.GetValue<string>());
        request.Headers.Accept.ParseAdd("application/json");
        using var answer = await world.Simulator.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        return JsonNode.Parse(text)!;
    }
}
