namespace PaymentSync.Tests.Adoption;

/// <summary>A row as the predecessor left it.</summary>
sealed record LegacyRow(Guid Id, Guid Link, string Type, string Status, string? InvoiceId, string? PaymentId, string? Error, int Retries, DateTime CreatedAt);

/// <summary>A payment link of the host application.</summary>
sealed record LegacyLink(Guid Id, Guid Organisation, string ShortCode, string Status, string? Method, decimal Amount, string Currency, string InvoiceCurrency);

/// <summary>What is to become of one row: of one that was there, or (<see cref="Id"/> null) of one that is made.</summary>
/// <param name="Becomes">SUCCESS, or a failure code.</param>
sealed record Fate(Guid? Id, Guid Link, string Type, string Becomes, string? XeroId);
