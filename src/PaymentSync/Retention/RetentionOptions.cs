using Microsoft.Extensions.Options;

namespace PaymentSync.Retention;

/// <summary>
/// Section "Retention": how long what is over is kept. What waits for a person is not over, however old it is, and the audit log, the
/// archive and the sync rows themselves are kept for ever.
/// </summary>
sealed class RetentionOptions
{
    /// <summary>Events that changed nothing (SUPERSEDED, IGNORED), from when they were settled. At least 1 day.</summary>
    public TimeSpan SupersededEvents { get; set; } = TimeSpan.FromDays(7);
    /// <summary>Events that made rows (COMPLETED), and those a person resolved. At least 4 days: Stripe tells an event again for three.</summary>
    public TimeSpan CompletedEvents { get; set; } = TimeSpan.FromDays(30);
    /// <summary>Requests to Xero with their answers, and attempts, of syncs that are over. At least 7 days.</summary>
    public TimeSpan Journal { get; set; } = TimeSpan.FromDays(90);
    /// <summary>Recovery reports and the items in them that are done or resolved. At least 7 days.</summary>
    public TimeSpan Reports { get; set; } = TimeSpan.FromDays(90);
    /// <summary>Totals by hour (then added up to one figure), and counts of a host application's writes: a year and a month, to compare with last year. At least 31 days.</summary>
    public TimeSpan Totals { get; set; } = TimeSpan.FromDays(400);
    /// <summary>Rows that one statement looks at, 1 to 5,000. It holds locks on no others.</summary>
    public int BatchSize { get; set; } = 500;
    /// <summary>After which a run leaves the rest to the next one. 1 s to 1 h.</summary>
    public TimeSpan RunTime { get; set; } = TimeSpan.FromMinutes(5);
}

sealed class RetentionOptionsRules : IValidateOptions<RetentionOptions>
{
    static readonly TimeSpan Longest = TimeSpan.FromDays(3653);

    public ValidateOptionsResult Validate(string? name, RetentionOptions options)
    {
        var problems = new List<string>();
        void Bound(string option, TimeSpan value, int days)
        {
            if (value < TimeSpan.FromDays(days) || value > Longest)
                problems.Add($"Retention:{option} must be between {days} and {Longest.TotalDays:0} days (\"{days}.00:00:00\" is the shortest).");
        }
        Bound(nameof(options.SupersededEvents), options.SupersededEvents, 1);
        Bound(nameof(options.CompletedEvents), options.CompletedEvents, 4);
        Bound(nameof(options.Journal), options.Journal, 7);
        Bound(nameof(options.Reports), options.Reports, 7);
        Bound(nameof(options.Totals), options.Totals, 31);
        if (options.BatchSize is < 1 or > 5000)
            problems.Add("Retention:BatchSize must be between 1 and 5000.");
        if (options.RunTime < TimeSpan.FromSeconds(1) || options.RunTime > TimeSpan.FromHours(1))
            problems.Add("Retention:RunTime must be between 1 second and 1 hour.");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
