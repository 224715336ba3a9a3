using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class InvoiceTests : SimulatorTest
{
    public static TheoryData<string, decimal, decimal, decimal> TotalsOfTen { get; } = new()
    {
        { "Exclusive", 10.00m, 2.00m, 12.00m },
        { "Inclusive", 8.33m, 1.67m, 10.00m },
        { "NoTax", 10.00m, 0.00m, 10.00m },
    };

    public static TheoryData<string, decimal, decimal> EighthsTimesHundred { get; } = new()
    {
        { "", 0.13m, 13.00m },
        { "&unitdp=4", 0.125m, 12.50m },
    };

    [Fact]
    public async Task An_accepted_invoice_comes_back_in_the_envelope_with_derived_totals()
    {
        var reply = await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1", 12.34m, reference: "Order 7")));

        reply.Status.ShouldBe(200);
        reply.Text("Status").ShouldBe("OK");
        reply.Text("ProviderName").ShouldBe("Simulator custom connection");
        reply.Text("DateTimeUTC").ShouldStartWith("/Date(");
        Guid.Parse(reply.Text("Id")).ShouldNotBe(Guid.Empty);
        var invoice = reply.Only("Invoices");
        Guid.Parse(invoice.Text("InvoiceID")).ShouldNotBe(Guid.Empty);
        invoice.Text("Status").ShouldBe("AUTHORISED");
        invoice.Money("Total").ShouldBe(12.34m);
        invoice.Money("AmountDue").ShouldBe(12.34m);
        invoice.Money("AmountPaid").ShouldBe(0m);
        invoice.Text("Reference").ShouldBe("Order 7");
    }

    [Fact]
    public async Task Dates_are_the_milliseconds_of_midnight_UTC_and_a_readable_string()
    {
        var invoice = await Written(Sample.Invoice("A-1", date: "2026-09-01"));

        invoice.Text("Date").ShouldBe("/Date(1788220800000+0000)/");
        invoice.Text("DateString").ShouldBe("2026-09-01T00:00:00");
        invoice.Text("UpdatedDateUTC").ShouldMatch(@"^/Date\(\d+\+0000\)/$");
    }

    [Fact]
    public async Task A_taken_number_is_refused()
    {
        await Written(Sample.Invoice("A-1"));

        (await Refused(Sample.Invoice("A-1", 5m))).ShouldBe(["Invoice # must be unique."]);
    }

    [Fact]
    public async Task A_taken_number_is_refused_whatever_its_case() =>
        (await Twice("PL-abc", "PL-ABC")).ShouldBe(["Invoice # must be unique."]);

    [Fact]
    public async Task A_taken_number_is_refused_also_when_its_invoice_is_voided()
    {
        await Written(Sample.Invoice("A-1"));
        await Human(new { action = "voidInvoice", invoiceNumber = "A-1" });

        (await Refused(Sample.Invoice("A-1"))).ShouldBe(["Invoice # must be unique."]);
    }

    [Fact]
    public async Task A_number_used_twice_in_one_batch_is_refused_the_second_time()
    {
        var reply = await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("A-1"), Sample.Invoice("A-1")));

        var invoices = reply.Json.GetProperty("Invoices");
        invoices[0].Text("StatusAttributeString").ShouldBe("OK");
        invoices[1].Text("StatusAttributeString").ShouldBe("ERROR");
        invoices[1].Errors().ShouldBe(["Invoice # must be unique."]);
    }

    [Fact]
    public async Task A_failed_new_element_has_the_zero_id_and_echoes_its_number()
    {
        var reply = await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("A-1", currency: "CHF")));

        reply.Status.ShouldBe(200);
        var invoice = reply.Only("Invoices");
        invoice.Text("InvoiceID").ShouldBe("00000000-0000-0000-0000-000000000000");
        invoice.Text("InvoiceNumber").ShouldBe("A-1");
        invoice.GetProperty("HasErrors").GetBoolean().ShouldBeTrue();
        invoice.Errors().ShouldBe(["Organisation is not subscribed to currency CHF"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("?summarizeErrors=true")]
    public async Task Summarised_errors_list_only_the_bad_yet_the_good_are_created(string query)
    {
        var reply = await Put("/Invoices" + query, Sample.Batch(Sample.Invoice("GOOD"), Sample.Invoice("BAD", currency: "CHF")));

        reply.Status.ShouldBe(400);
        reply.Text("Type").ShouldBe("ValidationException");
        reply.Json.GetProperty("ErrorNumber").GetInt32().ShouldBe(10);
        reply.Only("Elements").Text("InvoiceNumber").ShouldBe("BAD");
        (await Get("/Invoices?InvoiceNumbers=GOOD,BAD&page=1")).Only("Invoices").Text("InvoiceNumber").ShouldBe("GOOD");
    }

    [Fact]
    public async Task The_answers_order_can_be_reversed_because_Xero_promises_none()
    {
        await Change(new { answerOrder = "Reversed" });

        var reply = await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("A-1"), Sample.Invoice("A-2")));

        reply.Json.GetProperty("Invoices").EnumerateArray().Select(invoice => invoice.Text("InvoiceNumber")).ShouldBe(["A-2", "A-1"]);
    }

    [Fact]
    public async Task More_than_fifty_elements_are_refused_and_nothing_is_written()
    {
        var reply = await Put("/Invoices", Sample.Batch([.. Enumerable.Range(1, 51).Select(i => Sample.Invoice($"A-{i}"))]));

        reply.Status.ShouldBe(400);
        (await Get("/Invoices?page=1")).Count("Invoices").ShouldBe(0);
        (await Put("/Invoices", Sample.Batch([.. Enumerable.Range(1, 50).Select(i => Sample.Invoice($"A-{i}"))]))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_body_over_three_and_a_half_megabytes_is_refused() =>
        (await Put("/Invoices", Sample.Batch(Sample.Invoice(new string('x', 3_600_000))))).Status.ShouldBe(413);

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{\"Invoices\":[]}")]
    [InlineData("{\"Invoices\":[{\"Type\":\"ACCREC\",\"CurrencyRate\":\"much\"}]}")]
    public async Task A_body_that_cannot_be_read_fails_as_a_whole(string body)
    {
        var reply = await Put("/Invoices?summarizeErrors=false", body);

        reply.Status.ShouldBe(400);
        reply.Text("Type").ShouldBe("PostDataInvalidException");
    }

    [Theory]
    [MemberData(nameof(TotalsOfTen))]
    public async Task Totals_follow_the_line_amount_types(string types, decimal subTotal, decimal tax, decimal total)
    {
        var invoice = await Written(Sample.Invoice("A-1", 10m, types: types, taxType: "OUTPUT2"));

        invoice.Money("SubTotal").ShouldBe(subTotal);
        invoice.Money("TotalTax").ShouldBe(tax);
        invoice.Money("Total").ShouldBe(total);
    }

    [Fact]
    public async Task Tax_is_rounded_on_each_line_before_it_is_summed()
    {
        // 20 % of 0.12 is 0.024 → 0.02 a line; of the sum 0.36 it would be 0.072 → 0.07.
        var line = new { Description = "x", UnitAmount = 0.12m, AccountCode = "200", TaxType = "OUTPUT2" };
        var invoice = await Written(new
        {
            Type = "ACCREC",
            Contact = new { Name = "Ann" },
            Date = "2026-09-01",
            DueDate = "2026-09-01",
            Status = "AUTHORISED",
            LineItems = new[] { line, line, line },
        });

        invoice.Money("TotalTax").ShouldBe(0.06m);
        invoice.Money("Total").ShouldBe(0.42m);
    }

    [Theory]
    [MemberData(nameof(EighthsTimesHundred))]
    public async Task Unit_amounts_have_two_decimals_unless_four_are_asked_for(string query, decimal unit, decimal total)
    {
        var reply = await Put("/Invoices?summarizeErrors=false" + query, Sample.Batch(Sample.Invoice("A-1", 0.125m, quantity: 100)));

        reply.Only("Invoices").GetProperty("LineItems")[0].Money("UnitAmount").ShouldBe(unit);
        reply.Only("Invoices").Money("Total").ShouldBe(total);
    }

    [Fact]
    public async Task An_omitted_tax_type_is_the_accounts_own() =>
        (await Written(Sample.Invoice("A-1", 10m, types: "Exclusive"))).Money("Total").ShouldBe(12m);

    [Fact]
    public async Task A_tax_type_of_the_other_side_is_refused() =>
        (await Refused(Sample.Invoice("A-1", types: "Exclusive", taxType: "INPUT2"))).ShouldBe(["The TaxType code 'INPUT2' cannot be used with account code '200'."]);

    [Fact]
    public async Task An_unknown_account_refuses_an_approved_invoice_and_only_warns_on_a_draft()
    {
        (await Refused(Sample.Invoice("A-1", account: "999"))).ShouldContain("Account code '999' is not a valid code for this document.");

        var draft = await Written(Sample.Invoice("A-1", account: "999", status: "DRAFT"));

        draft.Text("StatusAttributeString").ShouldBe("WARNING");
        draft.GetProperty("Warnings")[0].Text("Message").ShouldBe("Account code '999' is not a valid code for this document.");
        draft.GetProperty("LineItems")[0].TryGetProperty("AccountCode", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task A_bank_account_takes_no_lines() =>
        (await Refused(Sample.Invoice("A-1", account: "090"))).ShouldContain("Account code '090' is not a valid code for this document.");

    [Fact]
    public async Task A_stated_line_total_must_match()
    {
        var errors = await Refused(new
        {
            Type = "ACCREC",
            Contact = new { Name = "Ann" },
            DueDate = "2026-09-01",
            Status = "AUTHORISED",
            LineItems = new[] { new { Description = "x", Quantity = 2, UnitAmount = 5m, LineAmount = 9.99m, AccountCode = "200" } },
        });

        errors.ShouldBe(["The line total 9.99 does not match the expected line total 10.00"]);
    }

    [Fact]
    public async Task Every_error_of_an_element_is_listed()
    {
        var errors = await Refused(new { Type = "ACCREC", Status = "AUTHORISED", CurrencyCode = "CHF" });

        errors.ShouldContain("Organisation is not subscribed to currency CHF");
        errors.ShouldContain("A Contact must be specified for this type of transaction");
        errors.ShouldContain("One or more line items must be specified");
    }

    [Fact]
    public async Task An_invoice_without_a_number_gets_the_next_free_one()
    {
        await Written(Sample.Invoice("INV-0001"));

        var invoice = await Written(new { Type = "ACCREC", Contact = new { Name = "Ann" } });

        invoice.Text("InvoiceNumber").ShouldBe("INV-0002");
        invoice.Text("Status").ShouldBe("DRAFT");
    }

    [Fact]
    public async Task POST_overwrites_the_invoice_of_the_same_number_whoever_made_it()
    {
        await Human(new { action = "createInvoice", invoiceNumber = "H-1", amount = 80, contactName = "Bob" });

        var reply = await Post("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("H-1", 5m)));

        reply.Only("Invoices").Text("StatusAttributeString").ShouldBe("OK");
        var ledger = (await Ledger()).GetProperty("invoices");
        ledger.GetArrayLength().ShouldBe(1);
        ledger[0].Text("total").ShouldBe("5.00");
        ledger[0].Text("contactName").ShouldBe("Ann Lee");
    }

    [Fact]
    public async Task POST_creates_when_there_is_nothing_to_update() =>
        (await Post("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("A-1")))).Only("Invoices").Text("StatusAttributeString").ShouldBe("OK");

    [Theory]
    [InlineData("DRAFT", "SUBMITTED", true)]
    [InlineData("DRAFT", "AUTHORISED", true)]
    [InlineData("DRAFT", "DELETED", true)]
    [InlineData("DRAFT", "VOIDED", false)]
    [InlineData("DRAFT", "PAID", false)]
    [InlineData("SUBMITTED", "AUTHORISED", true)]
    [InlineData("SUBMITTED", "DELETED", true)]
    [InlineData("AUTHORISED", "VOIDED", true)]
    [InlineData("AUTHORISED", "DELETED", false)]
    [InlineData("AUTHORISED", "DRAFT", false)]
    public async Task Statuses_change_only_the_way_Xero_lets_them(string from, string to, bool allowed)
    {
        var invoice = await Written(Sample.Invoice("A-1", status: from));

        var reply = await Post($"/Invoices/{invoice.Text("InvoiceID")}?summarizeErrors=false", new { Status = to });

        if (allowed)
            reply.Only("Invoices").Text("Status").ShouldBe(to);
        else
            reply.Only("Invoices").Errors().ShouldBe(["Invoice not of valid status for modification"]);
    }

    [Fact]
    public async Task A_voided_invoice_cannot_be_changed()
    {
        var invoice = await Written(Sample.Invoice("A-1"));
        await Human(new { action = "voidInvoice", invoiceNumber = "A-1" });

        var reply = await Post($"/Invoices/{invoice.Text("InvoiceID")}", new { Reference = "new" });

        reply.Status.ShouldBe(400);
        reply.Only("Elements").Errors().ShouldBe(["Invoice not of valid status for modification"]);
    }

    [Fact]
    public async Task An_invoice_with_a_payment_can_be_neither_edited_nor_voided()
    {
        var invoice = await Written(Sample.Invoice("A-1", 100m));
        await Paid(Sample.Payment("A-1", 40m));

        foreach (var change in new object[] { new { Status = "VOIDED" }, new { Reference = "new" } })
        {
            var reply = await Post($"/Invoices/{invoice.Text("InvoiceID")}?summarizeErrors=false", change);
            reply.Only("Invoices").Errors().ShouldBe(["This document cannot be edited as it has a payment or credit note allocated to it."]);
        }
    }

    [Fact]
    public async Task Nothing_can_be_dated_on_or_before_a_lock_date()
    {
        await Change(new { periodLockDate = "2018-11-30" });
        (await Refused(Sample.Invoice("A-1", date: "2018-11-30"))).ShouldBe(
            ["The document date cannot be before the period lock date, currently set at 30-Nov-2018"]);
        await Written(Sample.Invoice("A-1", date: "2018-12-01"));

        await Change(new { periodLockDate = (string?)null, endOfYearLockDate = "2019-03-31" });
        (await Refused(Sample.Invoice("A-2", date: "2018-12-01"))).ShouldBe(
            ["The document date cannot be before the end of year lock date, currently set at 31-Mar-2019"]);
    }

    [Fact]
    public async Task An_archived_account_takes_no_new_lines()
    {
        await Change(new { accounts = new[] { new { code = "200", status = "ARCHIVED" } } });

        (await Refused(Sample.Invoice("A-1"))).ShouldContain(
            "Account code '200' has been archived, or has been deleted. Each line item must reference a valid account");
    }

    [Fact]
    public async Task A_currency_that_is_switched_off_is_refused_from_then_on()
    {
        await Written(Sample.Invoice("A-1", currency: "USD"));
        await Change(new { currencies = new[] { "GBP" } });

        (await Refused(Sample.Invoice("A-2", currency: "USD"))).ShouldBe(["Organisation is not subscribed to currency USD"]);
    }

    [Fact]
    public async Task The_plans_limit_counts_approved_invoices()
    {
        await Change(new { invoiceLimit = 1 });
        await Written(Sample.Invoice("A-1"));
        await Written(Sample.Invoice("D-1", status: "DRAFT"));

        (await Refused(Sample.Invoice("A-2"))).ShouldBe(["You have reached the limit of invoices you can approve"]);
    }

    [Fact]
    public async Task A_foreign_invoice_without_a_rate_gets_the_days_rate()
    {
        (await Written(Sample.Invoice("A-1", currency: "USD"))).Money("CurrencyRate").ShouldBeGreaterThan(1m);
        (await Written(Sample.Invoice("A-2"))).Money("CurrencyRate").ShouldBe(1m);
    }

    [Fact]
    public async Task An_approved_invoice_over_nothing_is_paid_at_once() =>
        (await Written(Sample.Invoice("A-1", 0m))).Text("Status").ShouldBe("PAID");

    [Fact]
    public async Task A_number_longer_than_255_is_refused() =>
        (await Refused(Sample.Invoice(new string('x', 256)))).ShouldBe(["Invoice # cannot be longer than 255 characters."]);

    private async Task<IReadOnlyList<string>> Twice(string first, string second)
    {
        await Written(Sample.Invoice(first));
        return await Refused(Sample.Invoice(second));
    }
}
