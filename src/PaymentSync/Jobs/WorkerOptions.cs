using Microsoft.Extensions.Options;
using PaymentSync.Xero;

namespace PaymentSync.Jobs;

/// <summary>Section "Worker".</summary>
sealed class WorkerOptions
{
    /// <summary>False makes a web-only node: it hears and answers, other nodes drain.</summary>
    public bool Enabled { get; set; } = true;
    /// <summary>How often every worker looks for due rows, whatever wakes were lost. At least 100 ms.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(3);
    /// <summary>How often every worker looks for what crashes left behind and what contradicts itself. At least 1 s.</summary>
    public TimeSpan RecoveryInterval { get; set; } = TimeSpan.FromMinutes(1);
    /// <summary>How long a wake waits for company, so that payments that come together go to Xero together. 0 to 1 min.</summary>
    public TimeSpan WakeDelay { get; set; } = TimeSpan.FromMilliseconds(750);
    /// <summary>How long due rows wait for a fuller call when less than a quarter of the day's calls is left. 0 to 10 min.</summary>
    public TimeSpan Linger { get; set; } = TimeSpan.FromSeconds(30);
    /// <summary>A claimed row is ours this long, and again from each intent. At least 2 T + 60 s.</summary>
    public TimeSpan RowLease { get; set; } = TimeSpan.FromMinutes(5);
    /// <summary>An organisation is drained by one worker this long, and again from each renewal. At least T + 30 s.</summary>
    public TimeSpan DrainLease { get; set; } = TimeSpan.FromMinutes(2);
    /// <summary>After which a drain lets the next organisation have its turn.</summary>
    public TimeSpan TimeSlice { get; set; } = TimeSpan.FromSeconds(30);
    /// <summary>Organisations drained at once on this node.</summary>
    public int MaxDrains { get; set; } = 8;
    /// <summary>Calls in flight for one organisation, each with its own claim.</summary>
    public int Lanes { get; set; } = 4;
}

sealed class WorkerOptionsRules(IOptions<XeroOptions> xero) : IValidateOptions<WorkerOptions>
{
    public ValidateOptionsResult Validate(string? name, WorkerOptions options)
    {
        var problems = new List<string>();
        var timeout = xero.Value.CallTimeout;
        if (options.SweepInterval < TimeSpan.FromMilliseconds(100))
            problems.Add("Worker:SweepInterval must be at least 100 ms.");
        if (options.RecoveryInterval < TimeSpan.FromSeconds(1))
            problems.Add("Worker:RecoveryInterval must be at least 1 second.");
        if (options.WakeDelay < TimeSpan.Zero || options.WakeDelay > TimeSpan.FromMinutes(1))
            problems.Add("Worker:WakeDelay must be between 0 and 1 minute.");
        if (options.Linger < TimeSpan.Zero || options.Linger > TimeSpan.FromMinutes(10))
            problems.Add("Worker:Linger must be between 0 and 10 minutes.");
        if (options.RowLease < (2 * timeout) + TimeSpan.FromSeconds(60))
            problems.Add("Worker:RowLease must be at least twice Xero:CallTimeout plus 60 seconds.");
        if (options.DrainLease < timeout + TimeSpan.FromSeconds(30))
            problems.Add("Worker:DrainLease must be at least Xero:CallTimeout plus 30 seconds.");
        if (options.TimeSlice <= TimeSpan.Zero)
            problems.Add("Worker:TimeSlice must be positive.");
        if (options.MaxDrains < 1 || options.Lanes is < 1 or > 5)
            problems.Add("Worker:MaxDrains must be at least 1 and Worker:Lanes between 1 and 5.");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
