namespace PaymentSync.Jobs;

/// <summary>
/// The alarm clock between nodes. It may ring late, twice or not at all: the sweep of every worker finds due rows by itself, so an
/// engine changes latency and nothing else.
/// </summary>
interface IJobEngine
{
    /// <summary>Wakes an organisation on some worker node; calls for the same one that are still waiting are one call.</summary>
    Task WakeAsync(Guid organisation, CancellationToken cancellationToken);

    /// <summary>The recurring jobs as the engine has them.</summary>
    Task<IReadOnlyList<ScheduledJob>> ListAsync(CancellationToken cancellationToken);
}

/// <param name="NextRunAt">Null: the engine does not know, or it is not scheduled.</param>
sealed record ScheduledJob(string Name, string Description, TimeSpan Every, DateTimeOffset? NextRunAt);

/// <summary>No engine (Jobs:Engine = None): one node that sweeps needs none. Recurring jobs are run by hand through the API.</summary>
sealed class NoJobEngine(RecurringJobs jobs) : IJobEngine
{
    public Task WakeAsync(Guid organisation, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<IReadOnlyList<ScheduledJob>> ListAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<ScheduledJob>>([.. jobs.All.Select(job => new ScheduledJob(job.Name, job.Description, job.Every, NextRunAt: null))]);
}
