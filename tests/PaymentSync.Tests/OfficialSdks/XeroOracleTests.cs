using System.Globalization;
using System.Text;
using System.Text.Json;
using PaymentSync.Tests.XeroSimulation;
using PaymentSync.Xero;
using Shouldly;
using Xero.NetStandard.OAuth2.Api;
using Xero.NetStandard.OAuth2.Client;
using Xero.NetStandard.OAuth2.Model.Accounting;
using Xunit;

namespace PaymentSync.Tests.OfficialSdks;

/// <summary>Xero's SDK, as it is sold, as a client of our simulator: it can talk to it, and reads in its answers what we read.</summary>
public sealed class XeroOracleTests : SimulatorTest
{
    [Fact]
    public async Task The_SDK_alone_writes_and_reads_documents_and_sees_the_values_that_we_see()
    {
        var token = await NewToken();
        var api = new AccountingApi(new Configuration { BasePath = new Uri(Address, "/api.xro/2.0").AbsoluteUri, Timeout = 0 });
        var made = (await api.CreateInvoicesAsync(token, "", new Invoices
        {
            _Invoices = [Model("S-1", 1234567890.12m, CurrencyCode.GBP), Model("S-2", 0.10m, CurrencyCode.USD), Model("S-3", 5m, CurrencyCode.CHF)],
        }, summarizeErrors: false, unitdp: 4))._Invoices;
        made.Count(invoice => invoice.HasErrors == true).ShouldBe(1, "CHF is not subscribed");
        var paid = (await api.CreatePaymentsAsync(token, "", new Payments
        {
            _Payments = [new Payment { Invoice = new Invoice { InvoiceID = made[0].InvoiceID }, Account = new Account { Code = "090" }, Date = new DateTime(2026, 9, 1), Amount = 0.02m, Reference = "pi_1" }],
        }, summarizeErrors: false))._Payments.ShouldHaveSingleItem();

        var raw = await Get("/Invoices?InvoiceNumbers=S-1,S-2,S-3&page=1&pageSize=100");
        var ours = XeroAnswer.Invoices(Encoding.UTF8.GetBytes(raw.Body)).ShouldNotBeNull();
        var theirs = (await api.GetInvoicesAsync(token, "", invoiceNumbers: ["S-1", "S-2", "S-3"], page: 1, pageSize: 100))._Invoices;
        ours.Select(Line).ShouldBe(theirs.Select(Line));
        ours.Count.ShouldBe(2);
        ours[0].Payments.ShouldHaveSingleItem().Id.ShouldBe(paid.PaymentID.ToString());

        // The day is the document's, in whatever zone this machine is.
        theirs.ShouldAllBe(invoice => invoice.Date == new DateTime(2026, 9, 1));
        JsonElement.Parse(raw.Body).GetProperty("Invoices")[0].GetProperty("DateString").GetString().ShouldBe("2026-09-01T00:00:00");
    }

    [Fact]
    public async Task Errors_and_settings_are_the_same_to_both()
    {
        var token = await NewToken();
        var api = new AccountingApi(new Configuration { BasePath = new Uri(Address, "/api.xro/2.0").AbsoluteUri, Timeout = 0 });
        await Written(Sample.Invoice("T-1"));
        var theirs = (await api.CreateInvoicesAsync(token, "", new Invoices { _Invoices = [Model("T-1", 1m, CurrencyCode.GBP)] }, summarizeErrors: false))._Invoices.ShouldHaveSingleItem();
        var ours = XeroAnswer.Invoices(Encoding.UTF8.GetBytes((await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("T-1")))).Body))!.ShouldHaveSingleItem();
        ours.Verdict.Errors.ShouldBe(theirs.ValidationErrors.Select(error => error.Message));
        (ours.Verdict.HasErrors, theirs.HasErrors, theirs.StatusAttributeString).ShouldBe((true, true, "ERROR"));

        (await api.GetCurrenciesAsync(token, ""))._Currencies.Select(currency => currency.Code.ToString()).Order(StringComparer.Ordinal)
            .ShouldBe(JsonElement.Parse(SettingsAnswer.Read(SettingsPart.Currencies, Encoding.UTF8.GetBytes((await Get("/Currencies")).Body))!).EnumerateArray().Select(code => code.GetString()));
        var accounts = JsonElement.Parse(SettingsAnswer.Read(SettingsPart.Accounts, Encoding.UTF8.GetBytes((await Get("/Accounts")).Body))!);
        foreach (var account in (await api.GetAccountsAsync(token, ""))._Accounts.Where(account => !string.IsNullOrEmpty(account.Code)))
        {
            var kept = accounts.GetProperty(account.Code);
            (kept.GetProperty("status").GetString(), kept.GetProperty("type").GetString(), kept.GetProperty("payments").GetBoolean())
                .ShouldBe((account.Status.ToString(), account.Type.ToString(), account.EnablePaymentsToAccount == true), account.Code);
        }
        var organisation = (await api.GetOrganisationsAsync(token, ""))._Organisations.ShouldHaveSingleItem();
        JsonElement.Parse(SettingsAnswer.Read(SettingsPart.Organisation, Encoding.UTF8.GetBytes((await Get("/Organisation")).Body))!).GetProperty("baseCurrency").GetString().ShouldBe(organisation.BaseCurrency.ToString());
    }

    static Invoice Model(string number, decimal amount, CurrencyCode currency) => new()
    {
        Type = Invoice.TypeEnum.ACCREC,
        InvoiceNumber = number,
        Contact = new Contact { Name = "Ann Lee" },
        Date = new DateTime(2026, 9, 1),
        DueDate = new DateTime(2026, 9, 1),
        Status = Invoice.StatusEnum.AUTHORISED,
        LineAmountTypes = LineAmountTypes.NoTax,
        CurrencyCode = currency,
        LineItems = [new LineItem { Description = "Order", Quantity = 1, UnitAmount = amount, AccountCode = "200" }],
    };

    static string Line(XeroInvoice invoice) => Line(invoice.Id, invoice.Number, invoice.Type, invoice.Status, invoice.Total, invoice.AmountDue, invoice.AmountPaid, invoice.Currency, invoice.Contact,
        invoice.Payments.Select(payment => $"{payment.Id} {payment.Amount:0.00} {payment.Reference}"));

    static string Line(Invoice invoice) => Line(invoice.InvoiceID.ToString(), invoice.InvoiceNumber, invoice.Type.ToString(), invoice.Status.ToString(), invoice.Total, invoice.AmountDue, invoice.AmountPaid,
        invoice.CurrencyCode.ToString(), invoice.Contact.Name, (invoice.Payments ?? []).Select(payment => $"{payment.PaymentID} {payment.Amount:0.00} {payment.Reference}"));

    static string Line(string? id, string? number, string? type, string? status, decimal? total, decimal? due, decimal? paid, string? currency, string? contact, IEnumerable<string> payments) =>
        string.Create(CultureInfo.InvariantCulture, $"{id} {number} {type} {status} {total:0.0000} {due:0.0000} {paid:0.0000} {currency} {contact} [{string.Join("; ", payments)}]");
}
