using Hangfire;
using Hangfire.AspNetCore;
using Hangfire.Common;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Jobs;

namespace PaymentSync.OfficialSdks.Jobs;

/// <summary>
/// This node's part of Hangfire. All of it in the background: makes the tables, puts the recurring jobs into them, and on a worker runs jobs and listens
/// for new ones. A database that is away, or tables that were emptied, are met by trying again.
/// </summary>
sealed partial class HangfireNode(HangfireStorage hangfire, NpgsqlDataSource database, RecurringJobs jobs, IServiceScopeFactory scopes, IOptions<WorkerOptions> worker,
    IHostApplicationLifetime lifetime, ILogger<HangfireNode> log, bool runsJobs) : BackgroundService
{
    static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(5);
    static readonly TimeSpan LookAfter = TimeSpan.FromSeconds(30);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, lifetime.ApplicationStopping);
        await UntilItWorksAsync(() => hangfire.InstallAsync(stop.Token), stop.Token);
        if (!runsJobs || stop.IsCancellationRequested)
            return;
        using var server = new BackgroundJobServer(new BackgroundJobServerOptions
        {
            Queues = [HangfireStorage.Queue],
            // One for each drain that may run here, and some for the recurring jobs: these shall not wait for a place among drains.
            WorkerCount = worker.Value.MaxDrains + 4,
            FilterProvider = hangfire.Filters,
            Activator = new AspNetCoreJobActivator(scopes),
            // A running job may end: the host waits 25 s for all of us, and a call to Xero that was begun is recorded by its drain.
            StopTimeout = TimeSpan.FromSeconds(20),
            ShutdownTimeout = TimeSpan.FromSeconds(22),
        }, hangfire.Storage);
        await using var stopping = stop.Token.Register(server.SendStop);
        var listening = ListenAsync(stop.Token);
        while (!stop.IsCancellationRequested)
        {
            await UntilItWorksAsync(() => ScheduleAsync(stop.Token), stop.Token);
            await Task.Delay(LookAfter, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await server.WaitForShutdownAsync(CancellationToken.None);
    }

    /// <summary>Puts in what is missing, after a start and after somebody emptied the tables or removed a job through the dashboard.</summary>
    async Task ScheduleAsync(CancellationToken stopping)
    {
        var known = await KnownAsync(stopping);
        foreach (var job in jobs.All.Where(job => !known.Contains(job.Name)))
        {
            await Task.Run(() => hangfire.Recurring.AddOrUpdate(job.Name, Job.FromExpression<HangfireJobs>(run => run.RunAsync(job.Name, CancellationToken.None), HangfireStorage.Queue), Cron(job.Every),
                new RecurringJobOptions { TimeZone = TimeZoneInfo.Utc, MisfireHandling = MisfireHandlingMode.Relaxed }), stopping);
        }
    }

    bool _first = true;

    async Task<HashSet<string>> KnownAsync(CancellationToken stopping)
    {
        // The first time each is written anew: its interval may be another one in this version.
        if (_first)
        {
            _first = false;
            return [];
        }
        await using var command = database.CreateCommand($"SELECT value FROM {HangfireStorage.Schema}.set WHERE key = 'recurring-jobs'");
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var known = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(stopping))
            known.Add(reader.GetString(0));
        return known;
    }

    /// <summary>
    /// The nearest that cron can say, rather more often than less. Hangfire looks every 15 s, which is as often as a job can run; what is needed sooner than
    /// that, due rows above all, is found by the sweep of every worker and not by a job.
    /// </summary>
    internal static string Cron(TimeSpan every)
    {
        static int Divisor(int whole, double most) => Enumerable.Range(1, whole).Last(part => part == 1 || (part <= most && whole % part == 0));
        if (every < TimeSpan.FromMinutes(1))
            return $"*/{Divisor(60, every.TotalSeconds)} * * * * *";
        if (every < TimeSpan.FromHours(1))
            return $"*/{Divisor(60, every.TotalMinutes)} * * * *";
        return every < TimeSpan.FromDays(1) ? $"0 */{Divisor(24, every.TotalHours)} * * *" : "0 0 * * *";
    }

    /// <summary>One connection of the pool hears the bell of all nodes. While it is broken, the workers look for jobs every 15 s and the sweep every few.</summary>
    async Task ListenAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            await UntilItWorksAsync(async () =>
            {
                await using var connection = await database.OpenConnectionAsync(stopping);
                connection.Notification += (_, _) => hangfire.LookForJobs();
                await using (var listen = new NpgsqlCommand($"LISTEN {HangfireStorage.Channel}", connection))
                    await listen.ExecuteNonQueryAsync(stopping);
                hangfire.LookForJobs();
                while (true)
                {
                    // Asked now and then, since a connection that was cut on its way looks like one that has nothing to say.
                    if (!await connection.WaitAsync(LookAfter, stopping))
                    {
                        await using var alive = new NpgsqlCommand("SELECT 1", connection);
                        await alive.ExecuteNonQueryAsync(stopping);
                    }
                }
            }, stopping);
        }
    }

    async Task UntilItWorksAsync(Func<Task> what, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await what();
                return;
            }
            catch (Exception problem) when (!stopping.IsCancellationRequested)
            {
                LogTryingAgain(problem.Message);
            }
            catch (Exception problem)
            {
                LogStopped(problem.Message);
                return;
            }
            await Task.Delay(TryAgainAfter, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Hangfire's tables could not be used ({Problem}); trying again in a few seconds, meanwhile the sweep finds what is due")]
    partial void LogTryingAgain(string problem);

    [LoggerMessage(Level = LogLevel.Debug, Message = "What Hangfire did was broken off by the stop ({Problem}); nothing is lost by it")]
    partial void LogStopped(string problem);
}
