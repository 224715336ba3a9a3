using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>What Xero's answers do to the rows, element by element.</summary>
public sealed class AnswersTests(PostgresServer server)
{
    [Fact]
    public async Task One_bad_element_does_not_fail_the_others()
    {
        await using var world = await World.StartAsync(server);
        var links = new List<Guid>();
        for (var number = 0; number < 5; number++)
        {
            // Documents are frozen at confirmation, so only the third has the account that Xero does not know.
            await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["salesAccountCode"] = number == 2 ? "999" : "200");
            links.Add(await world.LinkAsync());
            await world.PayAsync(links[number], $"pi_{number}");
        }
        await world.DrainAsync();

        foreach (var (link, number) in links.Select((link, number) => (link, number)))
            (await world.PairAsync(link)).Invoice.Status.ShouldBe(number == 2 ? "FAILED" : "SUCCESS");
        var (poison, waiting) = await world.PairAsync(links[2]);
        poison.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Code.ShouldBe("xero.account_invalid"), row => row.OpenRequest.ShouldBeNull(), row => row.DueAt.ShouldBeNull());
        waiting.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.Code.ShouldBe("waiting.invoice"));
        (await world.GetAsync("/api/syncs?type=PAYMENT&status=PENDING"))["items"]![0]!["errorMessage"]!.GetValue<string>().ShouldContain("xero.account_invalid");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task A_batch_that_is_refused_as_a_whole_is_bisected_until_the_poison_stands_alone()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var links = new List<Guid>();
        for (var number = 0; number < 8; number++)
        {
            links.Add(await world.LinkAsync(change: body => body["description"] = number == 5 ? "poison" : "fine"));
            await world.PayAsync(links[number], $"pi_{number}");
        }
        world.Proxy.OnRequest = (resource, body) => resource == "PUT /Invoices" && body.Contains("poison", StringComparison.Ordinal)
            ? (400, """{"ErrorNumber":14,"Type":"PostDataInvalidException","Message":"JSON for post data was invalid"}""")
            : null;
        await world.DrainAsync();

        foreach (var (link, number) in links.Select((link, number) => (link, number)))
            (await world.PairAsync(link)).Invoice.Status.ShouldBe(number == 5 ? "FAILED" : "SUCCESS");
        (await world.PairAsync(links[5])).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("PERMANENT"), row => row.Code.ShouldBe("xero.refused"),
            row => row.Message!.ShouldContain("JSON for post data was invalid"), row => row.OpenRequest.ShouldBeNull());
    }

    [Fact]
    public async Task Answers_are_matched_by_our_own_number_not_by_position()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var links = new List<Guid>();
        for (var number = 0; number < 6; number++)
        {
            links.Add(await world.LinkAsync(amount: $"{number + 1}.00"));
            await world.PayAsync(links[number], $"pi_{number}", (number + 1) * 100);
        }
        world.Proxy.OnAnswer = (_, body) =>
        {
            foreach (var list in new[] { "Invoices", "Payments" }.Where(list => body[list] is JsonArray))
                body[list] = new JsonArray([.. body[list]!.AsArray().Reverse().Select(element => element!.DeepClone())]);
        };
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        var invoices = (await world.LedgerAsync())["invoices"]!.AsArray().ToDictionary(invoice => invoice!["invoiceId"]!.GetValue<string>(), invoice => invoice!["total"]!.GetValue<string>(), StringComparer.Ordinal);
        foreach (var row in (await world.RowsAsync()).Where(row => row.Type == "INVOICE"))
            invoices[row.InvoiceId!].ShouldBe(PaymentSync.Confirmation.Money.Format(row.Amount!.Value));
    }

    [Theory]
    [InlineData("left out", "xero.not_mentioned")]
    [InlineData("mentioned twice", "xero.not_mentioned")]
    [InlineData("zero id", "xero.zero_id")]
    public async Task A_member_that_the_answer_does_not_settle_is_uncertain_and_looked_up(string what, string code)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource != "PUT /Invoices")
                return;
            var element = body["Invoices"]!.AsArray()[0]!;
            if (what == "left out")
                body["Invoices"] = new JsonArray();
            else if (what == "mentioned twice")
                body["Invoices"]!.AsArray().Add(element.DeepClone());
            else
                element["InvoiceID"] = "00000000-0000-0000-0000-000000000000";
        };
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.Code.ShouldBe(code), row => row.OpenRequest.ShouldNotBeNull());

        world.Proxy.OnAnswer = null;
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task An_answer_over_another_total_is_held_with_its_id_and_no_payment_is_sent()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource == "PUT /Invoices")
                body["Invoices"]![0]!["Total"] = 120.01m;
        };
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.total_differs"), row => row.Status.ShouldBe("FAILED"), row => row.InvoiceId.ShouldNotBeNull(), row => row.DueAt.ShouldBeNull());
        payment.Code.ShouldBe("waiting.invoice");
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = invoice.Id, ["reason"] = "try" }, expect: 409);

        // Mended in Xero and released by a person: it is read by its id, never sent again.
        world.Proxy.OnAnswer = null;
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "mended in Xero" }, expect: 202);
        await world.DrainAsync();
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Invoice.InvoiceId.ShouldBe(invoice.InvoiceId), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task New_words_and_fields_in_answers_are_read_past()
    {
        // Xero's SDK knows a word or cannot read the answer: the outcome is unknown then (XeroAccountingContract).
        await using var world = await World.StartAsync(server, tampered: true, settings: new(StringComparer.Ordinal) { ["Xero:Client"] = "Own" });
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        world.Proxy.OnAnswer = (resource, body) =>
        {
            body["SomethingNew"] = new JsonObject { ["a"] = 1 };
            if (resource == "PUT /Invoices")
            {
                body["Invoices"]![0]!["StatusAttributeString"] = "SPLENDID";
                body["Invoices"]![0]!["LineAmountTypes"] = "SIDEWAYS";
                body["Invoices"]![0]!["NewList"] = new JsonArray(1, "two", null);
            }
            if (resource == "PUT /Payments")
                body["Payments"]![0]!["PaymentType"] = "TELEPATHY";
        };
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Theory]
    [InlineData(404, "PERMANENT", "xero.refused")]
    [InlineData(412, "PERMANENT", "xero.refused")]
    [InlineData(413, "PERMANENT", "xero.refused")]
    [InlineData(302, "PERMANENT", "xero.refused")]
    [InlineData(403, "NEEDS_ACTION", "xero.forbidden")]
    [InlineData(401, "NEEDS_ACTION", "xero.unauthorized")]
    [InlineData(500, "UNCERTAIN", "xero.server_error")]
    [InlineData(501, "UNCERTAIN", "xero.server_error")]
    [InlineData(503, "UNCERTAIN", "xero.server_error")]
    public async Task Each_status_has_its_meaning(int status, string kind, string code)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        world.Proxy.OnRequest = (resource, _) => resource == "PUT /Invoices" ? (status, "The resource you're looking for cannot be found") : null;
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Kind.ShouldBe(kind), row => row.Code.ShouldBe(code),
            row => (row.OpenRequest is not null).ShouldBe(kind == "UNCERTAIN"), row => (row.DueAt is not null).ShouldBe(kind == "UNCERTAIN"));
    }

    [Fact]
    public async Task An_expired_token_is_renewed_and_the_same_request_goes_through()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("expire-token", resource: "PUT /Invoices");
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.requests")).ShouldBe(2, "the same request twice, then that of the payment");
        (await world.RowsAsync()).ShouldAllBe(row => row.Retries == 0);
    }

    [Fact]
    public async Task Throttling_costs_no_retry_and_keeps_everybody_off_until_Xero_says()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("429-minute", resource: "PUT /Invoices");
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.Retries.ShouldBe(0), row => row.OpenRequest.ShouldBeNull(), row => row.Code.ShouldBe("xero.throttled"));
        (await world.GetAsync("/api/status"))["calls"]![0]!["blockedBecause"]!.GetValue<string>().ShouldBe("minute");
        var calls = (await world.CallsAsync())["total"]!.GetValue<int>();
        await world.DrainAsync();
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(calls);

        await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task When_Xero_cannot_be_reached_nothing_was_sent_and_it_is_tried_again()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        var address = world.Proxy.Url;
        await world.Proxy.DisposeAsync();
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("TRANSIENT"), row => row.Code.ShouldBe("xero.unreachable"), row => row.OpenRequest.ShouldBeNull(),
            row => row.Retries.ShouldBe(1), row => row.DueAt.ShouldNotBeNull());
        (await world.Database.ScalarAsync<string>("SELECT outcome FROM paymentsync.requests")).ShouldBe("NOT_SENT");

        await world.RestoreProxyAsync(address);
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }
}
