namespace PaymentSync.Jobs;

/// <summary>A job with a name that runs every so often. It may run 0, 1 or n times, late or twice at once.</summary>
/// <param name="Run">Returns a sentence that says what it did.</param>
sealed record RecurringJob(string Name, string Description, TimeSpan Every, Func<CancellationToken, Task<string>> Run);

/// <summary>The named jobs, each told by the stage whose work it is. An engine runs them by name, and so does <c>POST /api/jobs/{name}/run</c>.</summary>
sealed class RecurringJobs(IEnumerable<RecurringJob> jobs)
{
    public IReadOnlyList<RecurringJob> All { get; } = [.. jobs];

    public RecurringJob? Find(string name) => All.FirstOrDefault(job => job.Name == name);
}

static class RecurringJobsSetup
{
    public static void AddRecurringJob<T>(this IServiceCollection services, string name, TimeSpan every, string description, Func<T, CancellationToken, Task<string>> run) where T : notnull =>
        services.AddSingleton(provider => new RecurringJob(name, description, every, cancellationToken => run(provider.GetRequiredService<T>(), cancellationToken)));
}
