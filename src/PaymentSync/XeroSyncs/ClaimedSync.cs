using System.Text.Json;

namespace PaymentSync.XeroSyncs;

/// <summary>A row that this worker holds. <see cref="Attempt"/> is its fence: every write about it names it.</summary>
sealed record ClaimedSync
{
    public required Guid Id { get; init; }
    public required Guid PaymentLinkId { get; init; }
    public required XeroSyncType SyncType { get; init; }
    public required int Attempt { get; init; }
    /// <summary>Major units.</summary>
    public required decimal Amount { get; init; }
    public required string Currency { get; init; }
    /// <summary>Our own number of an invoice, our own reference of a payment: how Xero's answers are matched.</summary>
    public required string DocumentNumber { get; init; }
    /// <summary>The frozen document.</summary>
    public required JsonElement Document { get; init; }
    /// <summary>Where its document, or the invoice that it pays, is or may be; null while there is no such thing, whatever tenant refused it before.</summary>
    public required string? TenantId { get; init; }
    public required Guid? OpenRequestId { get; init; }
    /// <summary>From when on a look that does not find the document says something; null without an open request.</summary>
    public required DateTime? AbsentCountsFrom { get; init; }
    public required DateTime? AbsentSince { get; init; }
    public required IReadOnlyList<string> Released { get; init; }
    /// <summary>Its own on an INVOICE row; that of its invoice, once SUCCESS, on a PAYMENT row.</summary>
    public required string? XeroInvoiceId { get; init; }
    public required string? XeroPaymentId { get; init; }
    public required int RetryCount { get; init; }
    /// <summary>Why it was not SUCCESS when it was claimed.</summary>
    public required string? FailureCode { get; init; }
    /// <summary>Xero refused the open request because its number is taken: while nothing of that number is shown, it may be ours from an earlier request.</summary>
    public bool NumberIsTaken { get; init; }
    /// <summary>
    /// Every request of it so far was refused, the open one because its number is taken: whatever bears that number, we did not make it.
    /// </summary>
    public required bool NumberIsAStrangers { get; init; }
    /// <summary>A payment whose invoice rows of other links name, too, in an adopted database.</summary>
    public bool InvoiceIsShared { get; init; }
    public required bool LinkCancelled { get; init; }
    public required string Trigger { get; init; }
    public required DateTime ClaimedAt { get; init; }

    public string? OwnXeroId => SyncType == XeroSyncType.INVOICE ? XeroInvoiceId : XeroPaymentId;
    /// <summary>Its document may exist in Xero already: it is looked up and never sent blindly.</summary>
    public bool MustLookFirst => OpenRequestId is not null || OwnXeroId is not null;
    public bool IsReleased(string code) => Released.Contains(code, StringComparer.Ordinal);
}

/// <summary>How one claimed row's try ended. Made by <see cref="Outcomes"/> only.</summary>
sealed record SyncResult(ClaimedSync Sync, XeroSyncStatus Status, string Outcome)
{
    public FailureKind? FailureKind { get; init; }
    public string? FailureCode { get; init; }
    public string? Message { get; init; }
    /// <summary>When it is due again, counted from now; null: it needs an event or a person.</summary>
    public TimeSpan? DueIn { get; init; }
    public bool CountsAsRetry { get; init; }
    /// <summary>Whether the open request's outcome for this row is now known.</summary>
    public bool SettlesOpenRequest { get; init; }
    /// <summary>The look that began at the claim did not find the document and may be counted.</summary>
    public bool AbsentSeen { get; init; }
    public string? XeroInvoiceId { get; init; }
    public string? XeroPaymentId { get; init; }
    /// <summary>Small: id, number, status, totals and warnings of Xero's last answer.</summary>
    public string? Response { get; init; }
    public string Stage { get; init; } = "";
    public int? HttpStatus { get; init; }
    public string? CorrelationId { get; init; }
}
