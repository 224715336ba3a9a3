using Microsoft.Extensions.Options;

namespace PaymentSync.Confirmation;

/// <summary>Section "WaitingDocuments": how rows that waited for their organisation's settings get their documents once those are saved.</summary>
sealed class WaitingDocumentsOptions
{
    /// <summary>Rows of one transaction, for whose time the organisation's confirmations wait. 1 to 10,000.</summary>
    public int Slice { get; set; } = 1000;
    /// <summary>After which the request that saves the settings answers and leaves the rest to the sweep. 0 (after one slice) to 20 s.</summary>
    public TimeSpan RequestTime { get; set; } = TimeSpan.FromSeconds(3);
}

sealed class WaitingDocumentsOptionsRules : IValidateOptions<WaitingDocumentsOptions>
{
    public ValidateOptionsResult Validate(string? name, WaitingDocumentsOptions options)
    {
        if (options.Slice is < 1 or > 10_000)
            return ValidateOptionsResult.Fail("WaitingDocuments:Slice must be between 1 and 10000.");
        return options.RequestTime < TimeSpan.Zero || options.RequestTime > TimeSpan.FromSeconds(20)
            ? ValidateOptionsResult.Fail("WaitingDocuments:RequestTime must be between 0 and 20 seconds.")
            : ValidateOptionsResult.Success;
    }
}
