using System.Text;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

public sealed class PaymentReachesXeroTests(PostgresServer server)
{
    [Fact]
    public async Task A_signed_event_becomes_an_invoice_and_a_payment_in_Xero()
    {
        await using var world = await World.StartAsync(server, worker: true);
        var link = await world.LinkAsync();

        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await World.EventuallyAsync(async () => (await world.RowsAsync(link)).All(row => row.Status == "SUCCESS"), "both rows are SUCCESS");

        var (invoice, payment) = await world.PairAsync(link);
        var ledger = await world.LedgerAsync();
        var made = ledger["invoices"]!.AsArray().ShouldHaveSingleItem()!;
        made["invoiceId"]!.GetValue<string>().ShouldBe(invoice.InvoiceId);
        made["invoiceNumber"]!.GetValue<string>().ShouldBe(invoice.Number);
        made["total"]!.GetValue<string>().ShouldBe("120.00");
        made["amountDue"]!.GetValue<string>().ShouldBe("0.00");
        made["contactName"]!.GetValue<string>().ShouldBe("Ann Lee (ann@example.com)");
        var paid = ledger["payments"]!.AsArray().ShouldHaveSingleItem()!;
        paid["paymentId"]!.GetValue<string>().ShouldBe(payment.PaymentId);
        paid["reference"]!.GetValue<string>().ShouldBe("pi_1");
        ledger["balances"]!["090"]!.GetValue<string>().ShouldBe("120.00");
    }

    [Fact]
    public async Task The_same_event_twenty_times_at_once_makes_one_row_per_key_one_invoice_and_one_payment()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        var body = Encoding.UTF8.GetBytes(StripeEvents.Session(link, "pi_1", 12000));

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => world.PostEventAsync(body)));
        answers.ShouldAllBe(answer => answer.IsSuccessStatusCode);
        (await world.PostEventAsync(StripeEvents.Intent(link, "pi_1", 12000))).IsSuccessStatusCode.ShouldBeTrue("a second event object tells the same fact");
        await world.DrainAsync();

        (await world.PairAsync(link)).ShouldSatisfyAllConditions(
            pair => pair.Invoice.Status.ShouldBe("SUCCESS"),
            pair => pair.Payment.Status.ShouldBe("SUCCESS"));
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.events")).ShouldBe(1);
        var calls = await world.CallsAsync();
        calls["byResource"]!["PUT /Invoices"]!.GetValue<int>().ShouldBe(1);
        calls["byResource"]!["PUT /Payments"]!.GetValue<int>().ShouldBe(1);
        calls["total"]!.GetValue<int>().ShouldBe(2);
    }

    [Fact]
    public async Task Fifty_payments_cost_two_calls()
    {
        await using var world = await World.StartAsync(server);
        for (var number = 0; number < 50; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(2);
    }

    [Fact]
    public async Task A_duplicate_says_that_the_sync_is_queued_and_changes_nothing()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        var before = await world.RowsAsync(link);

        (await world.PayAsync(link)).ShouldBe("DUPLICATE");
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldBe(before);
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(2);
    }
}
