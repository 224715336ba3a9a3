namespace PaymentSync.Recovery;

/// <summary>What can be found, as reports and items name it.</summary>
static class Kinds
{
    public const string LeaseExpired = "lease.expired";
    public const string RequestUnfinished = "request.unfinished";
    public const string RequestMissing = "request.missing";
    public const string JournalAhead = "journal.ahead";
    public const string SuccessWithoutId = "success.without_id";
    public const string AdoptedWithoutId = "legacy.success_without_id";
    public const string AdoptedUnknown = "legacy.unknown_outcome";
    public const string IdWithoutSuccess = "id.without_success";
    public const string InvoiceBehindPayment = "invoice.behind_payment";
    public const string PaymentWaitsNeedlessly = "payment.waits_needlessly";
    public const string ConnectionIsBack = "connection.is_back";
    public const string NotDue = "sync.not_due";
    public const string DocumentMissing = "document.missing";
    public const string DocumentUnreadable = "document.unreadable";
    public const string LinkKnown = "event.link_known";
    public const string CancelledAfterInvoice = "link.cancelled_after_invoice";
    public const string DrainLeaseExpired = "drain_lease.expired";
    public const string CallSlotAbandoned = "call_slot.abandoned";
    public const string OAuthStateExpired = "oauth_state.expired";
    public const string RunUnfinished = "recovery_run.unfinished";
}

/// <summary>Labels as in the database's check on recovery_items.decision.</summary>
enum RecoveryAction { RESUME, MARK_FAILED, REBUILD, MANUAL_REVIEW, CLEAN_UP }

/// <summary>What the journal holds of Xero's answer about one row.</summary>
abstract record JournalAnswer
{
    /// <summary>There is none, or it says nothing of this row that could be adopted.</summary>
    public sealed record Nothing : JournalAnswer;

    /// <summary>Exactly this document, under our number or reference, over the row's amount and currency.</summary>
    /// <param name="Response">The small copy that the row keeps.</param>
    public sealed record Document(string XeroId, string Response, string? TenantId, Guid RequestId) : JournalAnswer;
}

/// <summary>Something that is not as it should be, with all that its decision rests on.</summary>
/// <param name="Subject">What it is about, as one text: sync:…, event:…, link:…, request:…</param>
/// <param name="Attempt">With <paramref name="UpdatedAt"/> the state that was judged: whoever finds another one changes nothing.</param>
/// <param name="OwnXeroId">The id of its own document, when the row has it.</param>
/// <param name="WasSent">It was part of a request at some time, whatever came of that.</param>
/// <param name="Tries">How often recovery brought it back for this reason within <c>Recovery:Timeout</c>.</param>
/// <param name="FirstTryAgo">How long ago recovery first did so since a worker last finished a try; null: never.</param>
/// <param name="KnownXeroId">For <see cref="Kinds.InvoiceBehindPayment"/>: the invoice that the payment is on.</param>
/// <param name="IsHeld">Only a person releases it: brought back, it is held as before.</param>
sealed record Finding(string Kind, string Subject, Guid? SyncId = null, Guid? PaymentLinkId = null, Guid? EventId = null, Guid? OrganisationId = null, string? SyncType = null, string? Status = null,
    string? FailureCode = null, int Attempt = 0, DateTime UpdatedAt = default, Guid? OpenRequestId = null, string? OwnXeroId = null, bool WasSent = false, int Tries = 0, TimeSpan? FirstTryAgo = null,
    string? KnownXeroId = null, bool IsHeld = false)
{
    public JournalAnswer Journal { get; init; } = new JournalAnswer.Nothing();
    public bool MayBeInXero => OpenRequestId is not null || OwnXeroId is not null || WasSent;
}

/// <summary>What is to be done about a finding, and why, in a sentence for the operator.</summary>
/// <param name="Hold">With MANUAL_REVIEW: the code under which the row is taken out of the queue until a person decides; null: it stays as it is.</param>
sealed record RecoveryDecision(RecoveryAction Action, string Why, string? Hold = null);
