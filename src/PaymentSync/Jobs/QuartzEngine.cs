using Npgsql;
using PaymentSync.Database;
using Quartz;

namespace PaymentSync.Jobs;

/// <summary>Quartz.NET, persistent and clustered on the same PostgreSQL, in tables of its own prefix. Job names and their one argument are persisted: renaming them breaks what is queued.</summary>
sealed partial class QuartzEngine([FromKeyedServices(QuartzEngine.Scheduler)] ISchedulerFactory schedulers, RecurringJobs jobs) : IJobEngine
{
    const string Scheduler = "PaymentSync";
    const string Recurring = "recurring";
    const string Wakes = "wakes";
    const string Argument = "argument";

    public static void Add(WebApplicationBuilder builder, bool runsJobs)
    {
        var connectionString = DatabaseSetup.ConnectionString(builder.Configuration);
        builder.Services.AddQuartz(Scheduler, quartz =>
        {
            quartz.ConfigureScheduler(scheduler => scheduler.GenerateInstanceId = true);
            quartz.UsePersistentStore(store =>
            {
                store.UsePostgres(NpgsqlFactory.Instance, connectionString);
                store.UseClustering(_ => { });
                store.UseSystemTextJsonSerializer(_ => { });
                store.ProvisionSchema();
            });
        });
        builder.Services.AddSingleton<IJobEngine, QuartzEngine>();
        builder.Services.AddTransient<RunRecurringJob>();
        builder.Services.AddTransient<WakeOrganisation>();
        if (!runsJobs)
            return;
        builder.Services.AddQuartzHostedService(service => service.WaitForJobsToComplete = true);
        builder.Services.AddHostedService<ScheduleRecurringJobs>();
    }

    public async Task WakeAsync(Guid organisation, CancellationToken cancellationToken)
    {
        var scheduler = await schedulers.GetScheduler(cancellationToken);
        var key = new JobKey(organisation.ToString(), Wakes);
        var job = JobBuilder.Create<WakeOrganisation>().WithIdentity(key).UsingJobData(Argument, organisation.ToString()).Build();
        // One trigger for an organisation: a wake that still waits is replaced, not doubled.
        var trigger = TriggerBuilder.Create().ForJob(key).WithIdentity(key.Name, Wakes).StartNow().Build();
        await scheduler.ScheduleJob(job, [trigger], ScheduleJobOptions.Replacing, cancellationToken);
    }

    public async Task<IReadOnlyList<ScheduledJob>> ListAsync(CancellationToken cancellationToken)
    {
        var scheduler = await schedulers.GetScheduler(cancellationToken);
        var scheduled = new List<ScheduledJob>();
        foreach (var job in jobs.All)
        {
            var trigger = await scheduler.GetTrigger(new TriggerKey(job.Name, Recurring), cancellationToken);
            scheduled.Add(new ScheduledJob(job.Name, job.Description, job.Every, trigger?.NextFireTimeUtc));
        }
        return scheduled;
    }

    /// <summary>Puts the recurring jobs into the store: all of them at start-up, since their intervals may be others in this version, and later what is missing, since somebody may have emptied the tables.</summary>
    sealed partial class ScheduleRecurringJobs([FromKeyedServices(Scheduler)] ISchedulerFactory schedulers, RecurringJobs jobs, ILogger<QuartzEngine> log) : BackgroundService
    {
        static readonly TimeSpan LookAfter = TimeSpan.FromSeconds(30);

        public override async Task StartAsync(CancellationToken cancellationToken)
        {
            await ScheduleAsync(jobs.All, cancellationToken);
            await base.StartAsync(cancellationToken);
        }

        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            while (true)
            {
                await Task.Delay(LookAfter, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (stoppingToken.IsCancellationRequested)
                    return;
                try
                {
                    var scheduler = await schedulers.GetScheduler(stoppingToken);
                    var known = await scheduler.GetTriggerKeys(GroupMatcher<TriggerKey>.GroupEquals(Recurring), stoppingToken);
                    await ScheduleAsync(jobs.All.Where(job => !known.Contains(new TriggerKey(job.Name, Recurring))), stoppingToken);
                }
                catch (Exception) when (stoppingToken.IsCancellationRequested)
                {
                    return;
                }
                catch (Exception problem)
                {
                    LogNotScheduled(problem.Message);
                }
            }
        }

        async Task ScheduleAsync(IEnumerable<RecurringJob> missing, CancellationToken cancellationToken)
        {
            var scheduler = await schedulers.GetScheduler(cancellationToken);
            foreach (var recurring in missing)
            {
                var key = new JobKey(recurring.Name, Recurring);
                var job = JobBuilder.Create<RunRecurringJob>().WithIdentity(key).WithDescription(recurring.Description).UsingJobData(Argument, recurring.Name).StoreDurably().Build();
                var trigger = TriggerBuilder.Create().ForJob(key).WithIdentity(key.Name, Recurring).StartNow()
                    .WithSimpleSchedule(schedule => schedule.WithInterval(recurring.Every).RepeatForever().WithMisfireInstruction(SimpleTriggerMisfireInstruction.NextWithRemainingCount)).Build();
                await scheduler.ScheduleJob(job, [trigger], ScheduleJobOptions.Replacing, cancellationToken);
            }
        }

        [LoggerMessage(Level = LogLevel.Warning, Message = "Quartz's tables could not be looked at ({Problem}); the recurring jobs that they may lack are put in at the next look")]
        partial void LogNotScheduled(string problem);
    }

    [DisallowConcurrentExecution]
    internal sealed class RunRecurringJob(RecurringJobs jobs) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
        {
            if (jobs.Find(context.MergedJobDataMap.GetString(Argument)!) is { } job)
                context.Result = await job.Run(cancellationToken);
        }
    }

    internal sealed class WakeOrganisation(Wakes wakes) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
        {
            wakes.Wake(Guid.Parse(context.MergedJobDataMap.GetString(Argument)!));
            return ValueTask.CompletedTask;
        }
    }
}
