namespace PaymentSync.XeroSyncs;

/// <summary>Why a try did not succeed: who moves next, a stable code, and a sentence an operator can act on.</summary>
sealed record Failure(FailureKind Kind, string Code, string Message)
{
    /// <summary>How long Xero asked us to wait; it wins over our own back-off.</summary>
    public TimeSpan? RetryAfter { get; init; }
    /// <summary>Throttling and disconnection cost a row no retry.</summary>
    public bool CountsAsRetry { get; init; } = true;

    public static Failure NoConnection => new(FailureKind.NEEDS_ACTION, FailureCodes.NoConnection, "No active Xero connection for organization") { CountsAsRetry = false };
}

/// <summary>Stable codes, as shown by the API and the metrics. Validation texts have theirs in Xero/Refusals.cs.</summary>
static class FailureCodes
{
    public const string NoConnection = "xero.no_connection";
    public const string WaitingForInvoice = "waiting.invoice";
    public const string LinkCancelled = "link.cancelled";
    public const string TenantChanged = "xero.tenant_changed";
    public const string Throttled = "xero.throttled";
    public const string Unreachable = "xero.unreachable";
    public const string Unauthorised = "xero.unauthorized";
    public const string NoToken = "xero.no_token";
    public const string Forbidden = "xero.forbidden";
    public const string Refused = "xero.refused";
    public const string BatchRefused = "xero.batch_refused";
    public const string TimedOut = "xero.timed_out";
    public const string ConnectionLost = "xero.connection_lost";
    public const string ServerError = "xero.server_error";
    public const string AnswerUnreadable = "xero.answer_unreadable";
    public const string NotMentioned = "xero.not_mentioned";
    public const string ZeroId = "xero.zero_id";
    public const string KeyReused = "xero.key_reused";
    public const string NumberTaken = "xero.number_taken";
    public const string AlreadyPaid = "xero.already_paid";
    public const string LookFailed = "xero.look_failed";
    public const string NotSeenYet = "xero.not_seen_yet";
    public const string TotalDiffers = "xero.total_differs";
    public const string DocumentMismatch = "xero.document_mismatch";
    public const string DocumentVoided = "xero.document_voided";
    public const string DocumentMissing = "xero.document_missing";
    public const string SeveralMatches = "xero.several_matches";
    public const string AlreadyThere = "payment.already_there";
    public const string LegacyPaymentUnknown = "legacy.payment_unknown";
    public const string LegacySharedId = "legacy.shared_id";
    public const string MarkedFailed = "operator.marked_failed";
}
