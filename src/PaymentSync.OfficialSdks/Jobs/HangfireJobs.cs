using Hangfire;
using PaymentSync.Jobs;

namespace PaymentSync.OfficialSdks.Jobs;

/// <summary>What Hangfire runs. The names of this type, its namespace, its assembly, its methods and their parameters' types are stored with every queued job: renaming any of them breaks what is queued.</summary>
sealed class HangfireJobs(RecurringJobs jobs, Wakes wakes)
{
    /// <summary>Has this node's worker drain an organisation, and ends with that drain, so that Hangfire gives a busy node no more than it can do.</summary>
    /// <returns>A sentence for the dashboard.</returns>
    [JobDisplayName("Drain organisation {0}")]
    public async Task<string> DrainAsync(string organisation, CancellationToken stopping)
    {
        // Only one of an organisation waits here: others would keep this node from whoever else is due.
        if (!wakes.Wake(Guid.Parse(organisation), out var drained))
            return "It goes with another wake that waits for its turn.";
        try
        {
            return await drained.WaitAsync(stopping) switch
            {
                { More: true } => "There is more; it has another turn.",
                { Wait: { } wait } => $"Xero's limits say wait; it goes on in {wait.TotalSeconds:0} s.",
                _ => "Nothing is left to do now.",
            };
        }
        catch (OperationCanceledException)
        {
            return "This node stops; the sweep of another one goes on.";
        }
    }

    [JobDisplayName("{0}")]
    public async Task<string> RunAsync(string job, CancellationToken stopping) =>
        jobs.Find(job) is { } known ? await known.Run(stopping) : $"This version knows no job \"{job}\".";
}
