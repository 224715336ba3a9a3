using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>What a look-up may conclude, and what it may not: beyond the plain roads that ReplyLostTests walks.</summary>
public sealed class UnknownOutcomeTests(PostgresServer server)
{
    static readonly TimeSpan UntilAbsenceCounts = TimeSpan.FromSeconds(66); // The harness's call time-out of 5 s, and 60 s.
    static readonly TimeSpan UntilAbsent = TimeSpan.FromSeconds(31);

    /// <summary>Xero takes it, and its answer says nothing.</summary>
    static void LoseAnswers(World world, string resource) => world.Proxy.OnAnswer = (called, body) =>
    {
        if (called == resource)
            body.AsObject().Clear();
    };

    static async Task<(Guid Link, Row Row)> LostAsync(World world, string type)
    {
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: type == "INVOICE" ? "PUT /Invoices" : "PUT /Payments");
        await world.DrainAsync();
        return (link, await RowAsync(world, link, type));
    }

    static async Task<Row> RowAsync(World world, Guid link, string type) => (await world.RowsAsync(link)).Single(row => row.Type == type);

    [Theory]
    [InlineData("INVOICE", "status-503")]
    [InlineData("INVOICE", "html-502")]
    [InlineData("INVOICE", "commit-then-500")]
    [InlineData("INVOICE", "commit-then-hang")]
    [InlineData("INVOICE", "commit-then-reset")]
    [InlineData("INVOICE", "truncated-200")]
    [InlineData("PAYMENT", "status-503")]
    [InlineData("PAYMENT", "html-502")]
    [InlineData("PAYMENT", "commit-then-500")]
    [InlineData("PAYMENT", "commit-then-hang")]
    [InlineData("PAYMENT", "truncated-200")]
    public async Task No_kind_of_failed_read_means_absent(string type, string fault)
    {
        await using var world = await World.StartAsync(server);
        var (link, _) = await LostAsync(world, type);
        foreach (var pause in new[] { UntilAbsenceCounts, UntilAbsent, UntilAbsent })
        {
            await world.AdvanceAsync(pause);
            await world.FaultAsync(fault, resource: "GET /Invoices");
            await world.DrainAsync();
            (await RowAsync(world, link, type)).ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.OpenRequest.ShouldNotBeNull(), row => row.DueAt.ShouldNotBeNull());
        }

        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);
    }

    [Theory]
    [InlineData("not a list")]
    [InlineData("others than asked for")]
    [InlineData("a full page")]
    [InlineData("without numbers")]
    public async Task A_list_that_may_not_be_whole_proves_no_absence(string what)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource != "GET /Invoices")
                return;
            JsonNode Other(int number) => new JsonObject { ["InvoiceID"] = Guid.NewGuid(), ["InvoiceNumber"] = what == "without numbers" ? null : $"INV-{number:0000}", ["Type"] = "ACCREC", ["Status"] = "PAID" };
            body["Invoices"] = what switch
            {
                "not a list" => "none",
                "a full page" => new JsonArray([.. Enumerable.Range(1, 100).Select(_ => new JsonObject { ["InvoiceNumber"] = "PL-OTHER", ["InvoiceID"] = Guid.NewGuid() })]),
                _ => new JsonArray([.. Enumerable.Range(1, 7).Select(Other)]),
            };
        };
        foreach (var pause in new[] { UntilAbsenceCounts, UntilAbsent, UntilAbsent })
        {
            await world.AdvanceAsync(pause);
            await world.DrainAsync();
        }
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.Code.ShouldBe("xero.look_failed"), row => row.OpenRequest.ShouldNotBeNull());

        world.Proxy.OnAnswer = null;
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Theory]
    [InlineData("INVOICE")]
    [InlineData("PAYMENT")]
    public async Task A_request_that_Xero_books_45_seconds_after_our_time_out_makes_no_twin(string type)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var resource = type == "INVOICE" ? "PUT /Invoices" : "PUT /Payments";
        var onItsWay = HoldBack(world, resource);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        (await RowAsync(world, link, type)).OpenRequest.ShouldNotBeNull();
        await world.AdvanceAsync(TimeSpan.FromSeconds(20));
        await world.DrainAsync(); // Looked, and it is not there; that proves nothing yet.
        await world.AdvanceAsync(TimeSpan.FromSeconds(25));

        await LandAsync(world, resource, onItsWay());
        foreach (var pause in new[] { TimeSpan.Zero, UntilAbsenceCounts, UntilAbsent, UntilAbsent })
        {
            await world.AdvanceAsync(pause);
            await world.DrainAsync();
        }
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync(resource)).ShouldBe(1, "that which was late");
    }

    /// <summary>What was on its way reaches Xero now.</summary>
    static async Task LandAsync(World world, string resource, string body)
    {
        var tenant = (await world.LedgerAsync())["tenantId"]!.GetValue<string>();
        using var form = new FormUrlEncodedContent([new("grant_type", "client_credentials")]);
        using var ask = new HttpRequestMessage(HttpMethod.Post, "/connect/token") { Content = form };
        ask.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("simulator-client:simulator-secret-do-not-use")));
        var token = (await (await world.Simulator.SendAsync(ask)).Content.ReadFromJsonAsync<JsonNode>())!["access_token"]!.GetValue<string>();
        using var late = new HttpRequestMessage(HttpMethod.Put, $"/api.xro/2.0{resource["PUT ".Length..]}?summarizeErrors=false&unitdp=4") { Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json")) };
        late.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        late.Headers.Accept.ParseAdd("application/json");
        late.Headers.Add("xero-tenant-id", tenant);
        late.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString("N"));
        var landed = await world.Simulator.SendAsync(late);
        landed.IsSuccessStatusCode.ShouldBeTrue(await landed.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("INVOICE")]
    [InlineData("PAYMENT")]
    public async Task Lists_that_show_new_documents_half_a_minute_late_make_no_twins(string type)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var resource = type == "INVOICE" ? "PUT /Invoices" : "PUT /Payments";
        await world.FaultAsync("late-lists", resource: resource);
        LoseAnswers(world, resource);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        (await RowAsync(world, link, type)).Code.ShouldBe("xero.answer_unreadable");
        world.Proxy.OnAnswer = null;
        foreach (var second in new[] { 6, 8, 10, 20, 30, 40 })
        {
            await world.AdvanceAsync(TimeSpan.FromSeconds(second));
            await world.DrainAsync();
        }

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync(resource)).ShouldBe(1);
    }

    [Fact]
    public async Task An_invoice_that_lists_do_not_show_yet_keeps_its_payment_waiting_and_nobody_is_called()
    {
        await using var world = await World.StartAsync(server);
        await world.FaultAsync("late-lists", resource: "PUT /Invoices");
        await world.FaultAsync("429-concurrent", resource: "PUT /Payments");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromSeconds(2));
        await world.DrainAsync();
        var waiting = (await world.PairAsync(link)).Payment;
        waiting.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.document_missing"), row => row.Kind.ShouldBe("TRANSIENT"), row => row.DueAt.ShouldNotBeNull());

        await world.AdvanceAsync(TimeSpan.FromMinutes(3));
        await world.DrainAsync();
        (await world.PairAsync(link)).Payment.Status.ShouldBe("SUCCESS");
    }

    [Fact]
    public async Task A_payment_that_Xero_counts_and_does_not_list_is_not_absent()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var (link, _) = await LostAsync(world, "PAYMENT");
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource == "GET /Invoices")
                body["Invoices"]![0]!["Payments"] = new JsonArray();
        };
        foreach (var pause in new[] { UntilAbsenceCounts, UntilAbsent, UntilAbsent })
        {
            await world.AdvanceAsync(pause);
            await world.DrainAsync();
        }
        (await world.PairAsync(link)).Payment.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.OpenRequest.ShouldNotBeNull());
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);

        world.Proxy.OnAnswer = null;
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await world.DrainAsync();
        (await world.PairAsync(link)).Payment.Status.ShouldBe("SUCCESS");
    }

    [Theory]
    [InlineData("Total", "119.99", "xero.document_mismatch")]
    [InlineData("CurrencyCode", "EUR", "xero.document_mismatch")]
    [InlineData("Contact", "Somebody else", "xero.document_mismatch")]
    [InlineData("Status", "DRAFT", "xero.document_mismatch")]
    [InlineData("Status", "VOIDED", "xero.document_voided")]
    [InlineData("Status", "DELETED", "xero.document_voided")]
    [InlineData("twice", "", "xero.several_matches")]
    public async Task Only_one_exact_match_of_an_invoice_is_adopted(string field, string value, string code)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var (link, _) = await LostAsync(world, "INVOICE");
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource != "GET /Invoices")
                return;
            var invoice = body["Invoices"]![0]!;
            if (field == "twice")
                body["Invoices"]!.AsArray().Add(invoice.DeepClone());
            else if (field == "Contact")
                invoice["Contact"]!["Name"] = value;
            else
                invoice[field] = field == "Total" ? 119.99m : value;
        };
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Kind.ShouldBe("NEEDS_ACTION"), pair => pair.Invoice.Code.ShouldBe(code), pair => pair.Invoice.DueAt.ShouldBeNull(),
            pair => pair.Invoice.InvoiceId.ShouldBeNull(), pair => pair.Invoice.Message.ShouldNotBeNullOrEmpty(), pair => pair.Payment.Code.ShouldBe("waiting.invoice"));
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        world.SkipAudit(); // The simulator's ledger has the untampered invoice, which a person is asked about.
    }

    [Theory]
    [InlineData("other amount", "payment.already_there")]
    [InlineData("other reference", "payment.already_there")]
    [InlineData("twice", "xero.several_matches")]
    [InlineData("invoice voided", "xero.document_voided")]
    public async Task Only_our_own_reference_over_the_same_amount_is_adopted_as_payment(string what, string code)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var (link, _) = await LostAsync(world, "PAYMENT");
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource != "GET /Invoices")
                return;
            var payments = body["Invoices"]![0]!["Payments"]!.AsArray();
            if (what == "other amount")
                payments[0]!["Amount"] = 60m;
            else if (what == "other reference")
                payments[0]!["Reference"] = "pi_10";
            else if (what == "twice")
                payments.Add(payments[0]!.DeepClone());
            else
                body["Invoices"]![0]!["Status"] = "VOIDED";
        };
        foreach (var pause in new[] { UntilAbsenceCounts, UntilAbsent })
        {
            await world.AdvanceAsync(pause);
            await world.DrainAsync();
        }

        (await world.PairAsync(link)).Payment.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Code.ShouldBe(code), row => row.DueAt.ShouldBeNull(), row => row.PaymentId.ShouldBeNull(),
            row => row.Message.ShouldNotBeNullOrEmpty(), row => (row.OpenRequest is null).ShouldBe(what is "other reference" or "invoice voided", "what bears our reference may be ours"));
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);
        world.SkipAudit(); // The simulator's ledger has the untampered payment.
    }

    [Fact]
    public async Task Of_several_invoices_under_our_number_the_only_live_one_is_adopted_once_the_others_are_voided()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var (link, _) = await LostAsync(world, "INVOICE");
        var status = "AUTHORISED";
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource != "GET /Invoices")
                return;
            var twin = body["Invoices"]![0]!.DeepClone();
            (twin["InvoiceID"], twin["Status"]) = (Guid.NewGuid(), status);
            body["Invoices"]!.AsArray().Insert(0, twin);
        };
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();
        var held = (await world.PairAsync(link)).Invoice;
        held.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.several_matches"), row => row.Message!.ShouldEndWith("Void all but one, then replay."));

        status = "VOIDED";
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = held.Id, ["reason"] = "all but one are void" }, expect: 202);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task A_payment_on_its_way_to_an_invoice_that_is_voided_meanwhile_can_be_marked_failed_and_lands_nowhere()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var onItsWay = HoldBack(world, "PUT /Payments");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        await world.HumanAsync("voidInvoice", new JsonObject { ["invoiceId"] = (await world.PairAsync(link)).Invoice.InvoiceId });
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        var held = (await world.PairAsync(link)).Payment;
        held.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.document_voided"), row => row.Message!.ShouldEndWith("mark this one failed."), row => row.OpenRequest.ShouldBeNull("a voided invoice stays so and takes no payment"));
        await ResolveAsync(world, held, "markFailed", expect: 200);
        await LandAsync(world, "PUT /Payments", onItsWay());
        (await world.LedgerAsync())["payments"]!.AsArray().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("requeue")]
    [InlineData("markFailed")]
    public async Task A_payment_that_was_lost_and_then_made_by_hand_can_be_sent_again_or_given_up(string action)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("reset-before", resource: "PUT /Payments");
        await world.DrainAsync();
        var byHand = await PayByHandAsync(world, link);
        foreach (var pause in new[] { UntilAbsenceCounts, UntilAbsent })
        {
            await world.AdvanceAsync(pause);
            await world.DrainAsync();
        }
        var held = (await world.PairAsync(link)).Payment;
        held.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("payment.already_there"), row => row.OpenRequest.ShouldBeNull("it was looked for twice"), row => row.DueAt.ShouldBeNull(),
            row => row.Message!.ShouldEndWith("Delete it in Xero and requeue, or mark this one failed."));

        var again = action == "requeue";
        if (again)
            await world.HumanAsync("deletePayment", new JsonObject { ["paymentId"] = byHand });
        await ResolveAsync(world, held, action, expect: again ? 202 : 200);
        await world.DrainAsync();
        (await world.PairAsync(link)).Payment.ShouldSatisfyAllConditions(row => row.Status.ShouldBe(again ? "SUCCESS" : "FAILED"), row => row.Code.ShouldBe(again ? null : "operator.marked_failed"));
        (await world.CallsAsync("PUT /Payments")).ShouldBe(again ? 2 : 1);
    }

    [Fact]
    public async Task While_a_payment_may_still_land_another_one_on_its_invoice_settles_nothing()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var onItsWay = HoldBack(world, "PUT /Payments");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        var byHand = await PayByHandAsync(world, link);
        await world.AdvanceAsync(TimeSpan.FromSeconds(20));
        await world.DrainAsync();
        var open = (await world.PairAsync(link)).Payment;
        open.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.OpenRequest.ShouldNotBeNull(), row => row.DueAt.ShouldNotBeNull());
        await ResolveAsync(world, open, "markFailed", expect: 409);
        await ResolveAsync(world, open, "requeue", expect: 409);

        await world.HumanAsync("deletePayment", new JsonObject { ["paymentId"] = byHand });
        await world.AdvanceAsync(TimeSpan.FromSeconds(25));
        await LandAsync(world, "PUT /Payments", onItsWay());
        await world.AdvanceAsync(UntilAbsenceCounts);
        await world.DrainAsync();
        (await world.PairAsync(link)).Payment.Status.ShouldBe("SUCCESS");
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1, "that which was late");
    }

    /// <summary>Keeps the first such request from Xero and answers as a gateway would; it may land later.</summary>
    static Func<string> HoldBack(World world, string resource)
    {
        string? held = null;
        world.Proxy.OnRequest = (called, body) =>
        {
            if (called != resource || held is not null)
                return null;
            held = body;
            return (504, "gateway time-out");
        };
        return () => held.ShouldNotBeNull();
    }

    static Task<JsonNode> ResolveAsync(World world, Row row, string action, int expect) =>
        world.SendAsync(HttpMethod.Post, $"/api/syncs/{row.Id}/resolve", new JsonObject { ["action"] = action, ["reason"] = "as its message says" }, expect);

    static async Task<string> PayByHandAsync(World world, Guid link)
    {
        var invoice = (await world.PairAsync(link)).Invoice.InvoiceId!;
        var paid = await world.HumanAsync("payInvoice", new JsonObject { ["invoiceId"] = invoice, ["reference"] = "by hand" });
        world.Auditor.MadeByPeople.Remove(invoice);
        return paid["paymentId"]!.GetValue<string>();
    }

    [Fact]
    public async Task A_payment_is_sent_only_after_its_invoice_was_read_in_the_same_drain()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("429-minute", resource: "PUT /Payments");
        await world.DrainAsync();
        var invoice = (await world.PairAsync(link)).Invoice.InvoiceId!;
        await world.HumanAsync("payInvoice", new JsonObject { ["invoiceId"] = invoice, ["reference"] = "by hand", ["amount"] = 50 });
        world.Auditor.MadeByPeople.Remove(invoice);
        await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        await world.DrainAsync();

        (await world.PairAsync(link)).Payment.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("payment.already_there"), row => row.Message!.ShouldContain("by hand"), row => row.DueAt.ShouldBeNull());
        (await world.CallsAsync("GET /Invoices")).ShouldBe(1);
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1, "the one that was throttled");
    }

    [Theory]
    [InlineData("Total")]
    [InlineData("AmountDue")]
    [InlineData("CurrencyCode")]
    public async Task A_create_answer_that_differs_is_held_and_no_payment_is_sent(string field)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource == "PUT /Invoices")
                body["Invoices"]![0]![field] = field == "CurrencyCode" ? "USD" : 120.01m;
        };
        await world.DrainAsync();

        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Code.ShouldBe("xero.total_differs"), pair => pair.Invoice.InvoiceId.ShouldNotBeNull(), pair => pair.Payment.Code.ShouldBe("waiting.invoice"));
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);
    }

    [Fact]
    public async Task Payments_of_one_lost_request_stay_together_however_often_they_cannot_be_read()
    {
        await using var world = await World.StartAsync(server);
        for (var number = 0; number < 10; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        await world.FaultAsync("commit-then-reset", resource: "PUT /Payments");
        await world.DrainAsync();
        for (var look = 0; look < 4; look++)
        {
            (await world.RowsAsync()).Where(row => row.Type == "PAYMENT").Select(row => row.DueAt).Distinct().Count().ShouldBe(1, "they share one next_retry_at");
            await world.FaultAsync("status-503", resource: "GET /Invoices");
            await world.AdvanceAsync(TimeSpan.FromMinutes(2));
            await world.DrainAsync();
        }
        await world.AdvanceAsync(TimeSpan.FromMinutes(3));
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("GET /Invoices")).ShouldBe(5);
    }

    [Fact]
    public async Task A_request_that_is_open_for_an_hour_is_told_to_people()
    {
        await using var world = await World.StartAsync(server);
        var (link, _) = await LostAsync(world, "INVOICE");
        await world.FaultAsync("status-503", next: 1000, resource: "GET /Invoices");
        await world.AdvanceAsync(TimeSpan.FromMinutes(50));
        await world.DrainAsync();
        (await world.GetAsync("/api/status"))["uncertainOverAnHour"]!.GetValue<int>().ShouldBe(0);
        (await world.SendAsync(HttpMethod.Post, "/api/jobs/open-requests/run"))["result"]!.GetValue<string>().ShouldStartWith("No request");

        await world.AdvanceAsync(TimeSpan.FromMinutes(11));
        var status = await world.GetAsync("/api/status");
        status["uncertainOverAnHour"]!.GetValue<int>().ShouldBe(1);
        status["uncertain"]!.GetValue<int>().ShouldBe(1);
        (await world.SendAsync(HttpMethod.Post, "/api/jobs/open-requests/run"))["result"]!.GetValue<string>().ShouldStartWith("1 syncs");
        (await world.PairAsync(link)).Invoice.DueAt.ShouldNotBeNull();
    }
}
