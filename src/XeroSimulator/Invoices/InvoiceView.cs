using XeroSimulator.Payments;

namespace XeroSimulator.Invoices;

/// <summary>An invoice as one answer shows it. A list that lags behind shows it as it was before its unseen payments.</summary>
internal sealed record InvoiceView(Invoice Invoice, InvoiceStatus Status, decimal AmountPaid, decimal AmountDue, IReadOnlyList<Payment> Payments)
{
    public static InvoiceView Now(Invoice invoice) => new(invoice, invoice.Status, invoice.AmountPaid, invoice.AmountDue, invoice.Payments);

    public static InvoiceView Listed(Invoice invoice, DateTimeOffset now)
    {
        if (invoice.Payments.TrueForAll(payment => payment.ListedFrom <= now))
            return Now(invoice);
        var seen = invoice.Payments.Where(payment => payment.ListedFrom <= now).ToList();
        var paid = seen.Sum(payment => payment.Amount);
        return new(invoice, InvoiceStatus.AUTHORISED, paid, invoice.Total - paid, seen);
    }
}
