using Microsoft.Extensions.Options;

namespace PaymentSync.Recovery;

/// <summary>Section "Recovery". How often it runs is <c>Worker:RecoveryInterval</c>.</summary>
sealed class RecoveryOptions
{
    /// <summary>Rows that one statement finds, and one transaction changes. 1 to 10,000.</summary>
    public int BatchSize { get; set; } = 500;
    /// <summary>Rows of one organisation that become due in the same wave; the next wave follows 10 s later. 1 to 10,000.</summary>
    public int MaxConcurrent { get; set; } = 500;
    /// <summary>A row that was never sent is given up so long after recovery first tried to bring it back. At least 1 min.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromHours(24);
    /// <summary>While more rows than this are being recovered, replays are refused. At least 1.</summary>
    public int ModeThreshold { get; set; } = 1000;
}

sealed class RecoveryOptionsRules : IValidateOptions<RecoveryOptions>
{
    public ValidateOptionsResult Validate(string? name, RecoveryOptions options)
    {
        var problems = new List<string>();
        if (options.BatchSize is < 1 or > 10_000 || options.MaxConcurrent is < 1 or > 10_000)
            problems.Add("Recovery:BatchSize and Recovery:MaxConcurrent must be between 1 and 10000.");
        if (options.Timeout < TimeSpan.FromMinutes(1))
            problems.Add("Recovery:Timeout must be at least 1 minute.");
        if (options.ModeThreshold < 1)
            problems.Add("Recovery:ModeThreshold must be at least 1.");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
