using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Jobs;

namespace PaymentSync.OfficialSdks.Jobs;

/// <summary>
/// Hangfire, in a schema of its own in the same PostgreSQL and through the service's own data source. Its retries are off, and emptying its tables
/// costs latency only, as with any engine.
/// </summary>
sealed partial class HangfireEngine(HangfireStorage hangfire, RecurringJobs jobs, NpgsqlDataSource database, IOptions<WorkerOptions> worker, IHostApplicationLifetime lifetime, ILogger<HangfireEngine> log)
    : IJobEngine, IDisposable
{
    // Organisations that this node woke a moment ago, and whether they were to be woken again since.
    readonly Dictionary<Guid, bool> _woken = [];

    // Hangfire's API blocks its thread, and takes a handful of statements for each job. One at a time, so that wakes of one organisation cannot pass each other.
    readonly SemaphoreSlim _enqueueing = new(1);

    public static void Add(WebApplicationBuilder builder, bool runsJobs)
    {
        // Types and methods of jobs by their simple names, so that a new version of this assembly still knows what an old one queued. Hangfire keeps this, like little else, for the process.
        GlobalConfiguration.Configuration.SetDataCompatibilityLevel(CompatibilityLevel.Version_180).UseSimpleAssemblyNameTypeSerializer().UseRecommendedSerializerSettings();
        builder.Services.AddSingleton<HangfireLog>();
        builder.Services.AddSingleton<HangfireStorage>();
        builder.Services.AddSingleton<HangfireEngine>();
        builder.Services.AddSingleton<IJobEngine>(services => services.GetRequiredService<HangfireEngine>());
        HangfireDashboard.Add(builder.Services);
        builder.Services.AddHostedService(services => ActivatorUtilities.CreateInstance<HangfireNode>(services, runsJobs));
    }

    /// <exception cref="NpgsqlException">The database, or what Hangfire keeps there, cannot be used.</exception>
    /// <exception cref="BackgroundJobClientException">The same, as Hangfire tells it.</exception>
    public async Task WakeAsync(Guid organisation, CancellationToken cancellationToken)
    {
        // A worker lets a wake wait that long for company, so whatever comes meanwhile goes with it. A job costs some twenty statements, a payment must not.
        lock (_woken)
        {
            if (_woken.ContainsKey(organisation))
            {
                _woken[organisation] = true;
                return;
            }
            _woken[organisation] = false;
        }
        _ = AgainAsync(organisation);
        await QueueAsync(organisation, cancellationToken);
    }

    /// <summary>What came after the wake may have come too late for it: one more for all of that.</summary>
    async Task AgainAsync(Guid organisation)
    {
        await Task.Delay(worker.Value.WakeDelay, lifetime.ApplicationStopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        bool again;
        lock (_woken)
            _woken.Remove(organisation, out again);
        try
        {
            if (again)
                await WakeAsync(organisation, CancellationToken.None);
        }
        catch (Exception problem)
        {
            LogNotWoken(organisation, problem.Message);
        }
    }

    async Task QueueAsync(Guid organisation, CancellationToken cancellationToken)
    {
        if (await WaitsAsync(organisation, cancellationToken))
            return;
        await _enqueueing.WaitAsync(cancellationToken);
        try
        {
            if (await WaitsAsync(organisation, cancellationToken))
                return;
            var argument = organisation.ToString();
            await Task.Run(() => hangfire.Client.Create<HangfireJobs>(job => job.DrainAsync(argument, CancellationToken.None), new EnqueuedState(HangfireStorage.Queue)), cancellationToken);
        }
        finally
        {
            _enqueueing.Release();
        }
    }

    /// <summary>
    /// A job that nobody has fetched begins its drain after all that is committed now, so it serves this wake, too. Two nodes that look in the same
    /// moment may each make one; the second finds nothing to do.
    /// </summary>
    async Task<bool> WaitsAsync(Guid organisation, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT EXISTS (SELECT 1 FROM {HangfireStorage.Schema}.jobqueue q JOIN {HangfireStorage.Schema}.job j ON j.id = q.jobid WHERE q.fetchedat IS NULL AND j.arguments ->> 0 = $1)
            """);
        command.Parameters.AddWithValue($"\"{organisation}\"");
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    public async Task<IReadOnlyList<ScheduledJob>> ListAsync(CancellationToken cancellationToken)
    {
        var next = await Task.Run(() =>
        {
            using var connection = hangfire.Storage.GetConnection();
            return connection.GetRecurringJobs().ToDictionary(job => job.Id, job => job.NextExecution, StringComparer.Ordinal);
        }, cancellationToken);
        return [.. jobs.All.Select(job => new ScheduledJob(job.Name, job.Description, job.Every,
            next.GetValueOrDefault(job.Name) is { } at ? new DateTimeOffset(DateTime.SpecifyKind(at, DateTimeKind.Utc)) : null))];
    }

    public void Dispose() => _enqueueing.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Hangfire did not wake organisation {Organisation} ({Problem}); a sweep will")]
    partial void LogNotWoken(Guid organisation, string problem);
}
