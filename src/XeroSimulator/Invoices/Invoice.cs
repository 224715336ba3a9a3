using XeroSimulator.Payments;

namespace XeroSimulator.Invoices;

/// <summary>As Xero spells them. DRAFT → SUBMITTED → AUTHORISED → PAID; DELETED only before approval, VOIDED only after it.</summary>
internal enum InvoiceStatus
{
    DRAFT,
    SUBMITTED,
    AUTHORISED,
    PAID,
    VOIDED,
    DELETED,
}

internal sealed record InvoiceLine(
    Guid LineItemId,
    string? Description,
    decimal Quantity,
    decimal UnitAmount,
    string? AccountCode,
    string? TaxType,
    decimal? DiscountRate,
    decimal LineAmount,
    decimal TaxAmount);

/// <summary>A sales invoice. Its totals are derived when it is saved; what is due changes with its payments.</summary>
internal sealed class Invoice
{
    public required Guid InvoiceId { get; init; }

    /// <summary>Rises with every document of the organisation: the order of lists.</summary>
    public required long Sequence { get; init; }

    public required string Number { get; set; }

    public string? Reference { get; set; }

    public required Guid ContactId { get; set; }

    public required DateOnly Date { get; set; }

    public DateOnly? DueDate { get; set; }

    public required InvoiceStatus Status { get; set; }

    public required string LineAmountTypes { get; set; }

    public required string CurrencyCode { get; set; }

    public required decimal CurrencyRate { get; set; }

    public string? Url { get; set; }

    public required IReadOnlyList<InvoiceLine> Lines { get; set; }

    public decimal SubTotal { get; set; }

    public decimal TotalTax { get; set; }

    public decimal Total { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }

    /// <summary>Before this time lists do not show the invoice; asking for it by id does.</summary>
    public DateTimeOffset ListedFrom { get; set; }

    /// <summary>Live payments only: a deleted one leaves this list and stays in the payments' book.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public List<Payment> Payments { get; } = [];

    public decimal AmountPaid => Payments.Sum(payment => payment.Amount);

    public decimal AmountDue => Status is InvoiceStatus.VOIDED or InvoiceStatus.DELETED ? 0 : Total - AmountPaid;

    public bool IsLive => Status is not (InvoiceStatus.VOIDED or InvoiceStatus.DELETED);

    /// <summary>Xero sets PAID, and takes it back when a payment is deleted.</summary>
    public void SettleStatus()
    {
        if (Status is InvoiceStatus.AUTHORISED or InvoiceStatus.PAID)
            Status = AmountDue == 0 ? InvoiceStatus.PAID : InvoiceStatus.AUTHORISED;
    }
}
