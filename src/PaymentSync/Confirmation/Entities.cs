namespace PaymentSync.Confirmation;

sealed class Organisation
{
    public Guid Id { get; init; }
    public string ClerkOrgId { get; init; } = "";
    public string Name { get; set; } = "";
}

/// <summary>How an organisation books: read when documents are frozen, never afterwards.</summary>
sealed class BookingSettings
{
    public Guid OrganizationId { get; init; }
    public string TimeZone { get; set; } = "UTC";
    public string SalesAccountCode { get; set; } = "";
    public string TaxType { get; set; } = "";
    public string LineAmountTypes { get; set; } = "";
    /// <summary>JSON: provider → currency → account code.</summary>
    public string ClearingAccounts { get; set; } = "{}";
    public string InvoicePrefix { get; set; } = "";
    public string Contacts { get; set; } = "";
    public string SharedContact { get; set; } = "";
    public string AmountPolicy { get; set; } = "";
    public string LockDatePolicy { get; set; } = "";
    public string? StripeAccount { get; set; }
}

sealed class PaymentLink
{
    public Guid Id { get; init; }
    public Guid OrganizationId { get; set; }
    public string ShortCode { get; init; } = "";
    public string Status { get; init; } = "";
    public decimal Amount { get; set; }
    public string Currency { get; set; } = "";
    public string InvoiceCurrency { get; set; } = "";
    public string Description { get; set; } = "";
    public string? InvoiceReference { get; set; }
    public string? CustomerEmail { get; set; }
    public string? CustomerName { get; set; }
}

sealed class PaymentLinkSettings
{
    public Guid PaymentLinkId { get; init; }
    public string? StripePaymentLink { get; set; }
}

sealed class PaymentEvent
{
    public Guid Id { get; init; }
    public string? RunKey { get; init; }
    public string Provider { get; init; } = "";
    public string Account { get; init; } = "";
    public string SourceEventId { get; init; } = "";
    public string EventType { get; init; } = "";
    public string? Fact { get; init; }
    public string? ProviderPaymentId { get; init; }
    public decimal? Amount { get; init; }
    public string? Currency { get; init; }
    public string? LinkReference { get; init; }
    public string? StripePaymentLink { get; init; }
    public Guid? PaymentLinkId { get; init; }
    public string Status { get; init; } = "";
    public string? Reason { get; init; }
    public string? Message { get; init; }
    public DateTime? OccurredAt { get; init; }
    public DateTime ReceivedAt { get; init; }
    public DateTime UpdatedAt { get; init; }
}
