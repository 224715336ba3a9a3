using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Xero said yes and we did not hear it, or said nothing at all: what is not known is looked up before anything is sent.</summary>
public sealed class ReplyLostTests(PostgresServer server)
{
    static readonly TimeSpan UntilAbsenceCounts = TimeSpan.FromSeconds(66); // The harness's call time-out of 5 s, and 60 s.

    [Theory]
    [InlineData("commit-then-reset", "xero.connection_lost")]
    [InlineData("commit-then-hang", "xero.timed_out")]
    [InlineData("commit-then-500", "xero.server_error")]
    [InlineData("truncated-200", null)]
    public async Task An_invoice_whose_reply_was_lost_is_looked_up_and_adopted_and_has_no_twin(string fault, string? code)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync(fault, resource: "PUT /Invoices");
        await world.DrainAsync();

        var uncertain = (await world.PairAsync(link)).Invoice;
        uncertain.ShouldSatisfyAllConditions(
            row => row.Status.ShouldBe("FAILED"),
            row => row.Kind.ShouldBe("UNCERTAIN"),
            row => row.OpenRequest.ShouldNotBeNull(),
            row => row.DueAt.ShouldNotBeNull());
        if (code is not null)
            uncertain.Code.ShouldBe(code);
        var before = (await world.LedgerAsync())["invoices"]!.AsArray().ShouldHaveSingleItem()!["invoiceId"]!.GetValue<string>();

        // Settings that change in between change nothing about what was sent or is looked for.
        await world.PutOrganisationAsync(world.Organisation, body => { body["booking"]!["invoicePrefix"] = "OTHER-"; body["booking"]!["contacts"] = "Shared"; });
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.InvoiceId.ShouldBe(before), row => row.OpenRequest.ShouldBeNull());
        payment.Status.ShouldBe("SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);
    }

    [Theory]
    [InlineData("commit-then-reset")]
    [InlineData("commit-then-hang")]
    [InlineData("commit-then-500")]
    [InlineData("truncated-200")]
    public async Task A_payment_whose_reply_was_lost_is_looked_up_through_its_invoice_and_adopted(string fault)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync(fault, resource: "PUT /Payments");
        await world.DrainAsync();
        (await world.PairAsync(link)).Payment.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.OpenRequest.ShouldNotBeNull());

        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        var payment = (await world.PairAsync(link)).Payment;
        payment.Status.ShouldBe("SUCCESS");
        payment.PaymentId.ShouldBe((await world.LedgerAsync())["payments"]!.AsArray().ShouldHaveSingleItem()!["paymentId"]!.GetValue<string>());
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);
    }

    [Fact]
    public async Task What_never_reached_Xero_is_sent_anew_only_after_two_countable_looks_half_a_minute_apart()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("reset-before", resource: "PUT /Invoices");
        await world.DrainAsync();
        var first = (await world.PairAsync(link)).Invoice.OpenRequest;

        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync(); // Too early to count: the request might still be on its way.
        (await world.CallsAsync("GET /Invoices")).ShouldBe(1);
        (await world.PairAsync(link)).Invoice.OpenRequest.ShouldBe(first);

        await world.AdvanceAsync(UntilAbsenceCounts);
        await world.DrainAsync(); // Counts, the first time.
        (await world.CallsAsync("GET /Invoices")).ShouldBe(2);
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        (await world.PairAsync(link)).Invoice.OpenRequest.ShouldBe(first);

        await world.AdvanceAsync(TimeSpan.FromSeconds(31));
        await world.DrainAsync(); // Agrees: it is absent, and is sent anew under another key.
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
        (await world.CallsAsync("GET /Invoices")).ShouldBe(3);
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(2);
        (await world.Database.ScalarAsync<long>("SELECT count(DISTINCT idempotency_key) FROM paymentsync.requests WHERE resource = 'PUT /Invoices'")).ShouldBe(2);
        (await world.LedgerAsync())["invoices"]!.AsArray().Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_payment_that_never_reached_Xero_is_sent_anew_after_the_same_two_looks()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("reset-before", resource: "PUT /Payments");
        await world.DrainAsync();
        await world.AdvanceAsync(UntilAbsenceCounts);
        await world.DrainAsync();
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);
        await world.AdvanceAsync(TimeSpan.FromSeconds(31));
        await world.DrainAsync();

        (await world.PairAsync(link)).Payment.Status.ShouldBe("SUCCESS");
        (await world.CallsAsync("PUT /Payments")).ShouldBe(2);
        (await world.LedgerAsync())["payments"]!.AsArray().Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_failed_read_is_never_absent_and_a_row_with_an_open_request_is_never_given_up()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.FaultAsync("status-503", next: 1000, resource: "GET /Invoices");
        for (var hour = 0; hour < 30; hour++)
        {
            await world.AdvanceAsync(TimeSpan.FromHours(1));
            await world.DrainAsync();
        }

        var waiting = (await world.PairAsync(link)).Invoice;
        waiting.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.Code.ShouldBe("xero.look_failed"), row => row.OpenRequest.ShouldNotBeNull(), row => row.DueAt.ShouldNotBeNull());
        waiting.Retries.ShouldBeGreaterThan(12);
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);

        await world.Simulator.DeleteAsync("/simulator/faults");
        await world.AdvanceAsync(TimeSpan.FromMinutes(16));
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.Status.ShouldBe("SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task Fifty_members_of_a_lost_request_are_verified_by_one_call()
    {
        await using var world = await World.StartAsync(server);
        for (var number = 0; number < 50; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        (await world.RowsAsync()).Where(row => row.Type == "INVOICE").Select(row => row.DueAt).Distinct().Count().ShouldBe(1, "members of an open request share one next_retry_at");
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(3);
    }

    [Theory]
    [InlineData("voidInvoice", "xero.document_voided")]
    [InlineData("editInvoice", "xero.document_mismatch")]
    public async Task A_look_up_that_finds_something_else_holds_the_row_for_a_person(string action, string code)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        var made = (await world.LedgerAsync())["invoices"]![0]!["invoiceId"]!.GetValue<string>();
        await world.HumanAsync(action, new JsonObject { ["invoiceId"] = made, ["amount"] = action == "editInvoice" ? 99 : null });
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Code.ShouldBe(code), row => row.DueAt.ShouldBeNull(), row => row.Message.ShouldNotBeNullOrEmpty());
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task A_number_that_a_stranger_took_is_looked_up_and_held_and_the_strangers_invoice_stays_as_it_is()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync(change: body => body["shortCode"] = "TAKEN");
        await world.HumanAsync("createInvoice", new JsonObject { ["invoiceNumber"] = "PL-TAKEN", ["amount"] = 7.5, ["contactName"] = "Somebody else" });
        await world.PayAsync(link);
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.Code.ShouldBe("xero.number_taken"));
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Code.ShouldBe("xero.document_mismatch"));
        (await world.LedgerAsync())["invoices"]!.AsArray().ShouldHaveSingleItem()!["total"]!.GetValue<string>().ShouldBe("7.50");
    }

    [Fact]
    public async Task An_invoice_that_somebody_paid_otherwise_gets_no_second_payment()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        var invoice = (await world.LedgerAsync())["invoices"]![0]!["invoiceId"]!.GetValue<string>();
        await world.HumanAsync("payInvoice", new JsonObject { ["invoiceId"] = invoice, ["reference"] = "by hand" });
        world.Auditor.MadeByPeople.Remove(invoice);
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        var (sold, payment) = await world.PairAsync(link);
        sold.Status.ShouldBe("SUCCESS");
        payment.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("payment.already_there"), row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.DueAt.ShouldBeNull());
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);
    }
}
