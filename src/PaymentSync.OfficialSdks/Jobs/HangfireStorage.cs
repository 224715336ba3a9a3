using System.Data;
using Hangfire;
using Hangfire.Common;
using Hangfire.PostgreSql;
using Hangfire.States;
using Hangfire.Storage;
using Npgsql;

namespace PaymentSync.OfficialSdks.Jobs;

/// <summary>Where Hangfire keeps its jobs, and how we want them kept. An object of its own for each service, not Hangfire's one for the process.</summary>
sealed class HangfireStorage
{
    public const string Schema = "hangfire";
    /// <summary>The one queue there is: jobs are few, and whoever asks for a queue it does not know gets this one.</summary>
    public const string Queue = EnqueuedState.DefaultQueue;
    /// <summary>Rung, with the transaction that queues a job.</summary>
    public const string Channel = "paymentsync_jobs";
    // Any number: it names the lock under which one node makes the tables.
    const long InstallLock = 0x5079_4861_6e67;

    readonly NpgsqlDataSource _database;
    readonly RingingQueue _queue;

    public HangfireStorage(NpgsqlDataSource database, HangfireLog log)
    {
        log.Use();
        _database = database;
        var options = new PostgreSqlStorageOptions
        {
            SchemaName = Schema,
            // By InstallAsync, in the background: made here, a database that is away would hold up the start for half a minute.
            PrepareSchemaIfNecessary = false,
            // What a killed node had fetched comes back after a minute; what still runs is kept by sliding it.
            UseSlidingInvisibilityTimeout = true,
            InvisibilityTimeout = TimeSpan.FromMinutes(1),
            // Locks are rows: those of a killed node hold up the recurring jobs this long.
            DistributedLockTimeout = TimeSpan.FromMinutes(1),
            // Jobs are told of by NOTIFY (RingingQueue): this is for what was not heard. Hangfire's own long polling takes a connection for each of its threads, beside the pool and without its password.
            QueuePollInterval = TimeSpan.FromSeconds(15),
        };
        Storage = new PostgreSqlStorage(new SharedConnections(database), options) { JobExpirationTimeout = TimeSpan.FromDays(1) };
        _queue = new RingingQueue((PostgreSqlStorage)Storage);
        ((PostgreSqlStorage)Storage).QueueProviders.Add(_queue, [Queue]);
        Client = new BackgroundJobClient(Storage, Filters);
        Recurring = new RecurringJobManager(Storage, Filters);
    }

    public JobStorage Storage { get; }
    public BackgroundJobClient Client { get; }
    public RecurringJobManager Recurring { get; }

    /// <summary>
    /// In place of Hangfire's global ones, of which AutomaticRetry would run a failed job ten more times. There is one retry policy and it is that of the rows;
    /// here a failure is shown, kept a week, and the next wake or interval is the next try.
    /// </summary>
    public IJobFilterProvider Filters { get; } = new JobFilterProviderCollection(
        new JobFilterCollection { new StatisticsHistoryAttribute(), new AutomaticRetryAttribute { Attempts = 0 }, new ForgetFailures() }, new JobFilterAttributeFilterProvider());

    /// <summary>Makes the schema or brings it to this version; one node at a time. Needs the right to create a schema, or one that is there and ours.</summary>
    public async Task InstallAsync(CancellationToken cancellationToken)
    {
        await using var connection = await _database.OpenConnectionAsync(cancellationToken);
        await LockAsync("pg_advisory_lock", cancellationToken);
        try
        {
            await Task.Run(() => PostgreSqlObjectsInstaller.Install(connection, Schema), cancellationToken);
        }
        finally
        {
            // Not left to the pool, which clears a connection only when it is used again.
            await LockAsync("pg_advisory_unlock", CancellationToken.None);
        }

        async Task LockAsync(string function, CancellationToken stopping)
        {
            await using var command = new NpgsqlCommand($"SELECT {function}($1)", connection) { Parameters = { new() { Value = InstallLock } } };
            await command.ExecuteNonQueryAsync(stopping);
        }
    }

    /// <summary>Has one idle worker of this node look for jobs.</summary>
    public void LookForJobs() => _queue.LookForJobs();

    sealed class SharedConnections(NpgsqlDataSource database) : IConnectionFactory
    {
        public NpgsqlConnection GetOrCreateConnection() => database.CreateConnection();
    }

    /// <summary>Hangfire's queue, which also rings a bell on every node. One object for all workers, so that a bell wakes one of them.</summary>
    sealed class RingingQueue(PostgreSqlStorage storage) : IPersistentJobQueue, IPersistentJobQueueProvider, IPersistentJobQueueMonitoringApi
    {
        readonly PostgreSqlJobQueue _queue = new(storage);
        readonly IPersistentJobQueueMonitoringApi _monitoring = storage.QueueProviders.First().GetJobQueueMonitoringApi();

        public IPersistentJobQueue GetJobQueue() => this;
        public IPersistentJobQueueMonitoringApi GetJobQueueMonitoringApi() => this;

        public IFetchedJob Dequeue(string[] queues, CancellationToken cancellationToken) => _queue.Dequeue(queues, cancellationToken);

        public void Enqueue(IDbConnection connection, string queue, string jobId)
        {
            _queue.Enqueue(connection, queue, jobId);
            using var ring = connection.CreateCommand();
            ring.CommandText = $"NOTIFY {Channel}";
            ring.ExecuteNonQuery();
        }

        public void LookForJobs() => _queue.FetchNextJob();

        // The storage's first provider lists them already.
        public IEnumerable<string> GetQueues() => [];
        public IEnumerable<long> GetEnqueuedJobIds(string queue, int from, int perPage) => _monitoring.GetEnqueuedJobIds(queue, from, perPage);
        public IEnumerable<long> GetFetchedJobIds(string queue, int from, int perPage) => _monitoring.GetFetchedJobIds(queue, from, perPage);
        public EnqueuedAndFetchedCountDto GetEnqueuedAndFetchedCount(string queue) => _monitoring.GetEnqueuedAndFetchedCount(queue);
    }

    /// <summary>Hangfire keeps failed jobs for ever, for somebody to retry. Ours are retried by the next wake or interval.</summary>
    sealed class ForgetFailures : JobFilterAttribute, IApplyStateFilter
    {
        public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
            if (context.NewState is FailedState)
                transaction.ExpireJob(context.BackgroundJob.Id, TimeSpan.FromDays(7));
        }

        public void OnStateUnapplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
            if (context.OldStateName == FailedState.StateName)
                transaction.PersistJob(context.BackgroundJob.Id);
        }
    }
}
