using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class PaymentTests : SimulatorTest
{
    [Fact]
    public async Task A_full_payment_turns_its_invoice_to_PAID_and_deleting_it_turns_it_back()
    {
        await Written(Sample.Invoice("A-1", 100m));
        var payment = await Paid(Sample.Payment("A-1", 100m));
        var paid = (await Get("/Invoices/A-1")).Only("Invoices");
        paid.Text("Status").ShouldBe("PAID");
        paid.Money("AmountDue").ShouldBe(0m);
        paid.Money("AmountPaid").ShouldBe(100m);

        var deleted = await Post("/Payments/" + payment.Text("PaymentID"), new { Status = "DELETED" });

        deleted.Only("Payments").Text("Status").ShouldBe("DELETED");
        var due = (await Get("/Invoices/A-1")).Only("Invoices");
        due.Text("Status").ShouldBe("AUTHORISED");
        due.Money("AmountDue").ShouldBe(100m);
        due.GetProperty("Payments").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task A_part_payment_leaves_the_rest_due()
    {
        await Written(Sample.Invoice("A-1", 100m));
        await Paid(Sample.Payment("A-1", 99.99m));

        var invoice = (await Get("/Invoices/A-1")).Only("Invoices");

        invoice.Text("Status").ShouldBe("AUTHORISED");
        invoice.Money("AmountDue").ShouldBe(0.01m);
    }

    [Fact]
    public async Task Paying_more_than_is_due_is_refused_and_books_nothing()
    {
        await Written(Sample.Invoice("A-1", 100m));

        (await RefusedPayment(Sample.Payment("A-1", 100.01m))).ShouldBe(["Payment amount exceeds the amount outstanding on this document"]);
        (await Ledger()).GetProperty("payments").GetArrayLength().ShouldBe(0);
    }

    [Theory]
    [InlineData("DRAFT")]
    [InlineData("SUBMITTED")]
    public async Task Only_approved_invoices_take_payments(string status)
    {
        await Written(Sample.Invoice("A-1", status: status));

        (await RefusedPayment(Sample.Payment("A-1", 1m))).ShouldBe(["Payments can only be made against Authorised documents"]);
    }

    [Fact]
    public async Task A_paid_or_voided_invoice_takes_no_payment()
    {
        await Written(Sample.Invoice("PAID"));
        await Paid(Sample.Payment("PAID", 100m));
        await Written(Sample.Invoice("VOID"));
        await Human(new { action = "voidInvoice", invoiceNumber = "VOID" });

        (await RefusedPayment(Sample.Payment("PAID", 1m))).ShouldBe(["Payments can only be made against Authorised documents"]);
        (await RefusedPayment(Sample.Payment("VOID", 1m))).ShouldBe(["Payments can only be made against Authorised documents"]);
    }

    [Fact]
    public async Task Two_payments_of_one_batch_cannot_both_take_the_whole()
    {
        await Written(Sample.Invoice("A-1", 100m));

        var reply = await Put("/Payments?summarizeErrors=false", Sample.Payments(
            Sample.Payment("A-1", 60m, reference: "a"),
            Sample.Payment("A-1", 60m, reference: "b")));

        var payments = reply.Json.GetProperty("Payments");
        payments[0].Text("StatusAttributeString").ShouldBe("OK");
        payments[1].Text("StatusAttributeString").ShouldBe("ERROR");
        payments[1].Text("PaymentID").ShouldBe("00000000-0000-0000-0000-000000000000");
        payments[1].GetProperty("HasValidationErrors").GetBoolean().ShouldBeTrue();
        payments[1].Text("Reference").ShouldBe("b");
    }

    [Fact]
    public async Task Of_racing_payments_for_the_whole_exactly_one_passes()
    {
        for (var round = 0; round < 5; round++)
        {
            var number = $"A-{round}";
            await Written(Sample.Invoice(number, 100m));

            var replies = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ =>
                Put("/Payments?summarizeErrors=false", Sample.Payments(Sample.Payment(number, 100m)))));

            replies.Count(reply => reply.Status == 200 && reply.Only("Payments").Errors().Count == 0).ShouldBe(1);
        }

        (await Ledger()).GetProperty("balances").Text("090").ShouldBe("500.00");
    }

    [Theory]
    [InlineData("999", "Account could not be found.")]
    [InlineData("200", "Account code '200' is not a valid code for this document.")]
    public async Task Only_bank_accounts_and_those_opened_for_it_take_payments(string account, string message)
    {
        await Written(Sample.Invoice("A-1"));

        (await RefusedPayment(Sample.Payment("A-1", 1m, account))).ShouldBe([message]);
    }

    [Fact]
    public async Task An_account_opened_for_payments_takes_them_and_an_archived_one_does_not()
    {
        await Written(Sample.Invoice("A-1"));
        var opened = new { code = "800", name = "Clearing", type = "CURRENT", enablePaymentsToAccount = true };
        await Change(new { accounts = new object[] { opened, new { code = "090", status = "ARCHIVED" } } });

        await Paid(Sample.Payment("A-1", 1m, "800"));
        (await RefusedPayment(Sample.Payment("A-1", 1m, "090"))).ShouldBe(["Account could not be found."]);
    }

    [Fact]
    public async Task Two_foreign_currencies_do_not_meet()
    {
        await Written(Sample.Invoice("USD-1", currency: "USD"));

        (await RefusedPayment(Sample.Payment("USD-1", 1m, "092"))).ShouldHaveSingleItem().ShouldContain("currency");
        await Paid(Sample.Payment("USD-1", 40m, "091"));
        await Paid(Sample.Payment("USD-1", 60m, "090"));
        var balances = (await Ledger()).GetProperty("balances");
        balances.Text("091").ShouldBe("40.00");
        decimal.Parse(balances.Text("090"), System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(0.01m, 59.99m);
    }

    [Fact]
    public async Task A_payment_obeys_the_lock_date()
    {
        await Written(Sample.Invoice("A-1", date: "2026-09-10"));
        await Change(new { periodLockDate = "2026-09-05" });

        (await RefusedPayment(Sample.Payment("A-1", 1m, date: "2026-09-05"))).ShouldBe(
            ["The document date cannot be before the period lock date, currently set at 05-Sep-2026"]);
        await Paid(Sample.Payment("A-1", 1m, date: "2026-09-06"));
    }

    [Fact]
    public async Task A_payment_without_an_invoice_or_an_amount_is_refused()
    {
        (await RefusedPayment(Sample.Payment("NONE", 1m))).ShouldBe(["Invoice could not be found."]);
        await Written(Sample.Invoice("A-1"));
        (await RefusedPayment(Sample.Payment("A-1", 0m))).ShouldBe(["Payment amount must be greater than zero."]);
        (await RefusedPayment(Sample.Payment("A-1", 0.001m))).ShouldBe(["Payment amount cannot have more than two decimal places."]);
    }

    [Fact]
    public async Task Deleting_is_the_only_change_and_can_be_done_once()
    {
        await Written(Sample.Invoice("A-1"));
        var id = (await Paid(Sample.Payment("A-1", 1m))).Text("PaymentID");

        (await Post("/Payments/" + id, new { Reference = "new" })).Status.ShouldBe(400);
        (await Post("/Payments/" + id, new { Status = "DELETED" })).Status.ShouldBe(200);
        (await Post("/Payments/" + id, new { Status = "DELETED" })).Only("Elements").Errors().ShouldBe(["Payment not of valid status for modification"]);
    }

    [Fact]
    public async Task A_payment_asked_for_names_its_account_status_and_invoice()
    {
        var invoice = await Written(Sample.Invoice("A-1"));
        var id = (await Paid(Sample.Payment("A-1", 5m, reference: "pi_1"))).Text("PaymentID");

        var payment = (await Get("/Payments/" + id)).Only("Payments");

        payment.GetProperty("Account").Text("Code").ShouldBe("090");
        payment.Text("Status").ShouldBe("AUTHORISED");
        payment.GetProperty("Invoice").Text("InvoiceID").ShouldBe(invoice.Text("InvoiceID"));
        payment.Text("Reference").ShouldBe("pi_1");
        payment.Money("BankAmount").ShouldBe(5m);
    }

    [Fact]
    public async Task Payments_are_found_by_reference_deleted_ones_too_but_not_by_two_at_once()
    {
        await Written(Sample.Invoice("A-1"));
        await Paid(Sample.Payment("A-1", 5m, reference: "pi_1"));
        var second = await Paid(Sample.Payment("A-1", 6m, reference: "pi_2"));
        await Human(new { action = "deletePayment", paymentId = second.Text("PaymentID") });

        (await Get("/Payments?page=1&where=" + Uri.EscapeDataString("Reference==\"pi_2\""))).Only("Payments").Text("Status").ShouldBe("DELETED");
        (await Get("/Payments?page=1&where=" + Uri.EscapeDataString("Reference==\"pi_1\" OR Reference==\"pi_2\""))).Status.ShouldBe(400);
        (await Get("/Payments?page=1")).Count("Payments").ShouldBe(2);
    }

    [Fact]
    public async Task Summarised_payment_errors_list_only_the_bad_yet_the_good_are_taken()
    {
        await Written(Sample.Invoice("A-1", 100m));

        var reply = await Put("/Payments", Sample.Payments(Sample.Payment("A-1", 10m, reference: "good"), Sample.Payment("A-1", 100m, reference: "bad")));

        reply.Status.ShouldBe(400);
        reply.Only("Elements").Text("Reference").ShouldBe("bad");
        (await Ledger()).GetProperty("balances").Text("090").ShouldBe("10.00");
    }
}
