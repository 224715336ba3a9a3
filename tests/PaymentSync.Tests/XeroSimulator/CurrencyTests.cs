using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

/// <summary>Xero keeps two decimals in every currency, however many the currency has.</summary>
public sealed class CurrencyTests : SimulatorTest
{
    [Theory]
    [InlineData("JPY", "5000", "5000.00", "833.33")]
    [InlineData("USD", "119.99", "119.99", "20.00")]
    [InlineData("KWD", "12.345", "12.35", "2.06")]
    [InlineData("KWD", "12.344", "12.34", "2.06")]
    public async Task Totals_and_taxes_have_two_decimals_in_every_currency(string currency, string charged, string total, string tax)
    {
        await Change(new { currencies = new[] { "GBP", "JPY", "USD", "KWD" } });
        var reply = await Put("/Invoices?summarizeErrors=false&unitdp=4", Sample.Batch(Sample.Invoice("A-1", Money(charged), currency, types: "Inclusive", taxType: "OUTPUT2")));
        var invoice = reply.Only("Invoices");
        invoice.Errors().ShouldBeEmpty();
        invoice.Money("Total").ShouldBe(Money(total));
        invoice.Money("TotalTax").ShouldBe(Money(tax));
        invoice.GetProperty("LineItems")[0].Money("UnitAmount").ShouldBe(Money(charged));
        invoice.Money("AmountDue").ShouldBe(Money(total));
    }

    [Fact]
    public async Task A_payment_has_no_third_decimal()
    {
        await Change(new { currencies = new[] { "GBP", "KWD" }, accounts = new[] { new { code = "097", type = "BANK", currencyCode = "KWD" } } });
        await Written(Sample.Invoice("A-1", 12.35m, "KWD"));
        (await RefusedPayment(Sample.Payment("A-1", 12.345m, account: "097"))).ShouldHaveSingleItem().ShouldContain("two decimal places");
        await Paid(Sample.Payment("A-1", 12.35m, account: "097"));
    }

    [Fact]
    public async Task A_currency_without_a_rate_of_the_day_must_bring_one()
    {
        await Change(new { currencies = new[] { "GBP", "XAG" } });
        (await Refused(Sample.Invoice("A-1", currency: "XAG"))).ShouldBe(["A currency rate must be specified"]);
    }

    [Fact]
    public async Task Xero_refuses_a_currency_that_is_not_subscribed_in_two_wordings()
    {
        (await Refused(Sample.Invoice("A-1", currency: "KWD"))).ShouldBe(["Organisation is not subscribed to currency KWD"]);
        await Written(Sample.Invoice("A-1"));
        var changed = await Post("/Invoices?summarizeErrors=false", new { Invoices = new[] { new { InvoiceNumber = "A-1", CurrencyCode = "KWD" } } });
        changed.Only("Invoices").Errors().ShouldBe(["The current organisation is not subscribed to currency 'KWD'."]);
    }

    private static decimal Money(string text) => decimal.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
