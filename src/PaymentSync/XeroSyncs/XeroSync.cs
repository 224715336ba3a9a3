namespace PaymentSync.XeroSyncs;

/// <summary>What Xero must be told. Labels as in the database type "XeroSyncType".</summary>
public enum XeroSyncType { INVOICE, PAYMENT }

/// <summary>Labels as in the database type "XeroSyncStatus". RETRYING means exactly one thing: claimed by a live lease.</summary>
public enum XeroSyncStatus { PENDING, SUCCESS, FAILED, RETRYING }

/// <summary>Why a sync is not SUCCESS, and with it who moves next: time, a look at Xero, or a person.</summary>
public enum FailureKind { TRANSIENT, UNCERTAIN, NEEDS_ACTION, PERMANENT }

/// <summary>One row of xero_syncs as the API reads it. Who writes which column, and when, is said in the schema's comments.</summary>
sealed class XeroSync
{
    public Guid Id { get; init; }
    public Guid PaymentLinkId { get; init; }
    public XeroSyncType SyncType { get; init; }
    public Guid? OrganizationId { get; init; }
    public XeroSyncStatus Status { get; init; }
    public string? Provider { get; init; }
    public string? ProviderPaymentId { get; init; }
    public decimal? Amount { get; init; }
    public string? Currency { get; init; }
    public string? DocumentNumber { get; init; }
    public string RequestPayload { get; init; } = "{}";
    public string? ResponsePayload { get; init; }
    public string? TenantId { get; init; }
    public Guid? OpenRequestId { get; init; }
    public string[] Released { get; init; } = [];
    public string? XeroInvoiceId { get; init; }
    public string? XeroPaymentId { get; init; }
    public string? FailureKind { get; init; }
    public string? FailureCode { get; init; }
    public string? ErrorMessage { get; init; }
    public int RetryCount { get; init; }
    public DateTime? NextRetryAt { get; init; }
    public int Attempt { get; init; }
    public string? LeaseOwner { get; init; }
    public DateTime? LeaseExpiresAt { get; init; }
    public DateTime CreatedAt { get; init; }
    public DateTime UpdatedAt { get; init; }
}

/// <summary>One try, written when it ended.</summary>
sealed class SyncAttempt
{
    public long Id { get; init; }
    public Guid SyncId { get; init; }
    public int Attempt { get; init; }
    public string Trigger { get; init; } = "";
    public string Worker { get; init; } = "";
    public string Stage { get; init; } = "";
    public DateTime StartedAt { get; init; }
    public DateTime EndedAt { get; init; }
    public string Outcome { get; init; } = "";
    public string? FailureKind { get; init; }
    public string? FailureCode { get; init; }
    public string? Message { get; init; }
    public int? HttpStatus { get; init; }
    public string? CorrelationId { get; init; }
    public Guid? RequestId { get; init; }
}
