namespace XeroSimulator.Payments;

/// <summary>Money received for one invoice. Never edited: deleting is the only change it allows.</summary>
internal sealed class Payment
{
    public required Guid PaymentId { get; init; }

    public required Guid InvoiceId { get; init; }

    public required string AccountCode { get; init; }

    public required DateOnly Date { get; init; }

    /// <summary>In the invoice's currency.</summary>
    public required decimal Amount { get; init; }

    /// <summary>In the account's currency: what arrived there.</summary>
    public required decimal BankAmount { get; init; }

    public required decimal CurrencyRate { get; init; }

    public string? Reference { get; init; }

    public bool IsReconciled { get; init; }

    public bool Deleted { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }

    /// <summary>Before this time lists do not show the payment, and show its invoice without it.</summary>
    public DateTimeOffset ListedFrom { get; init; }

    public string Status => Deleted ? "DELETED" : "AUTHORISED";
}
