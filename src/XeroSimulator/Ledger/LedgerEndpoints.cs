using System.Globalization;
using XeroSimulator.Organisations;

namespace XeroSimulator.Ledger;

/// <summary>/simulator/ledger: what an accountant would see. Money is a string of major units.</summary>
internal static class LedgerEndpoints
{
    public static void Map(RouteGroupBuilder simulator) =>
        simulator.MapGet("/ledger", (World world, Guid? tenantId) => new LedgerAnswer(
            [.. world.Organisations.Where(organisation => tenantId is null || organisation.TenantId == tenantId).Select(Of)]));

    private static OrganisationLedger Of(Organisation organisation)
    {
        lock (organisation.Gate)
        {
            return new(
                organisation.TenantId,
                organisation.Settings.Name,
                [.. organisation.Invoices.All.Select(invoice => new LedgerInvoice(
                    invoice.InvoiceId, invoice.Number, invoice.Status.ToString(), invoice.CurrencyCode, Money(invoice.Total), Money(invoice.AmountDue),
                    invoice.Reference, organisation.Contacts.Find(invoice.ContactId)!.Name, invoice.Date))],
                [.. organisation.Payments.All.Select(payment => new LedgerPayment(
                    payment.PaymentId, payment.InvoiceId, Money(payment.Amount), payment.Reference, payment.AccountCode, payment.Status, payment.Date))],
                organisation.Payments.All.Where(payment => !payment.Deleted).GroupBy(payment => payment.AccountCode)
                    .ToDictionary(account => account.Key, account => Money(account.Sum(payment => payment.BankAmount))),
                [.. organisation.SentAgain]);
        }
    }

    private static string Money(decimal amount) => amount.ToString("0.00", CultureInfo.InvariantCulture);
}

internal sealed record LedgerAnswer(IReadOnlyList<OrganisationLedger> Organisations);

/// <param name="SentAgain">Invoice numbers and payment references that were sent, not replayed by their key, although a live document bore them.</param>
/// <param name="Balances">What live payments brought to each account, in the account's currency.</param>
internal sealed record OrganisationLedger(
    Guid TenantId, string Name, IReadOnlyList<LedgerInvoice> Invoices, IReadOnlyList<LedgerPayment> Payments, IReadOnlyDictionary<string, string> Balances,
    IReadOnlyList<string> SentAgain);

internal sealed record LedgerInvoice(
    Guid InvoiceId, string InvoiceNumber, string Status, string CurrencyCode, string Total, string AmountDue, string? Reference, string ContactName, DateOnly Date);

internal sealed record LedgerPayment(Guid PaymentId, Guid InvoiceId, string Amount, string? Reference, string AccountCode, string Status, DateOnly Date);
