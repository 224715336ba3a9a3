using System.Diagnostics;
using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;

namespace PaymentSync.Benchmarks;

/// <param name="Queueing">What is spent, per row, on telling the engine of the work before it begins.</param>
/// <param name="Commands">Round trips of all the service and its engine, queueing included.</param>
sealed record DrainFigures(string Name, int Rows, TimeSpan Queueing, TimeSpan Took, long Commands, long Transactions, int Calls);

/// <summary>
/// Side by side in one run, on one PostgreSQL and against the same simulator without limits and without latency: our set-based drain, and the obvious design, one
/// Hangfire job for each row. Then what each job engine asks of the database while nothing happens.
/// </summary>
static partial class DrainBenchmark
{
    const string Tenant = "c0ffee00-0000-4000-8000-00000000de30";
    const int NoLimit = 1_000_000;
    static readonly TimeSpan Idle = TimeSpan.FromSeconds(30);

    public static async Task RunAsync(PostgresServer server, int rows)
    {
        Console.WriteLine($"{rows} rows of {rows / 2} payments, one organisation; {Environment.ProcessorCount} processors, {(Debugging ? "DEBUG" : "Release")} build; a private cluster of the tests runs without fsync, which favours many small commits.");
        var all = new List<DrainFigures>();
        // Twice, the first time to warm up what both use.
        foreach (var count in new[] { Math.Min(rows, 200), rows })
        {
            all.Clear();
            all.Add(await OursAsync(server, count));
            await AddJobPerRowAsync(server, count, all);
        }
        var idle = new List<(string Engine, double PerSecond)>();
        foreach (var engine in new[] { "None", "Quartz", "Hangfire" }.Where(World.PartsOfThisBuild().JobEngines.ContainsKey))
            idle.Add((engine, await IdleAsync(server, engine)));

        Console.WriteLine();
        Console.WriteLine($"{"",-26}{"rows/s",9}{"commands/row",14}{"transactions/row",18}{"Xero calls/row",16}{"queueing ms/row",17}");
        foreach (var one in all)
            Console.WriteLine($"{one.Name,-26}{one.Rows / one.Took.TotalSeconds,9:0}{(double)one.Commands / one.Rows,14:0.00}{(double)one.Transactions / one.Rows,18:0.00}{(double)one.Calls / one.Rows,16:0.000}{one.Queueing.TotalMilliseconds / one.Rows,17:0.00}");
        if (all is [var ours, var theirs])
            Console.WriteLine($"{"ratio",-26}{ours.Rows / ours.Took.TotalSeconds / (theirs.Rows / theirs.Took.TotalSeconds),8:0.0}x{(double)theirs.Commands / ours.Commands,13:0}x{(double)theirs.Transactions / ours.Transactions,17:0}x{(double)theirs.Calls / ours.Calls,15:0}x");
        else
            Console.WriteLine("One job for each row, and Hangfire's idle load, are measured by the build with the official SDKs (-p:OfficialSdks=true).");

        Console.WriteLine();
        Console.WriteLine($"Idle worker with the intervals of production, over {Idle.TotalSeconds:0} s:");
        foreach (var (engine, perSecond) in idle)
            Console.WriteLine($"{engine,-26}{perSecond,9:0.0} transactions/s{(engine == "None" ? "  (sweep, recovery, clock)" : $"  ({perSecond - idle[0].PerSecond:0.0} of them the engine's)")}");
    }

    static bool Debugging =>
#if DEBUG
        true;
#else
        false;
#endif

    // Implemented by the build with the official SDKs.
    static Task AddJobPerRowAsync(PostgresServer server, int rows, List<DrainFigures> all)
    {
        var adding = Task.CompletedTask;
        MeasureJobPerRow(server, rows, all, ref adding);
        return adding;
    }

    static partial void MeasureJobPerRow(PostgresServer server, int rows, List<DrainFigures> all, ref Task measuring);

    static async Task<DrainFigures> OursAsync(PostgresServer server, int rows)
    {
        await using var world = await PaidAsync(server, rows, "None");
        using var commands = new CommandCounter();
        var transactions = await TransactionsAsync(world);
        var calls = await CallsAsync(world);
        var clock = Stopwatch.StartNew();
        await world.DrainAsync();
        var took = clock.Elapsed;
        await ShouldBeBookedAsync(world, rows);
        return new("our drain", rows, TimeSpan.Zero, took, commands.Count - 1, await TransactionsAsync(world) - transactions, await CallsAsync(world) - calls);
    }

    /// <summary>So many rows, due, and no limit but what there really is to do.</summary>
    static async Task<World> PaidAsync(PostgresServer server, int rows, string engine)
    {
        var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Jobs:Engine"] = engine, ["Logging:LogLevel:Default"] = "Error", ["Xero:CallsPerDay"] = $"{NoLimit}" });
        (await world.Simulator.PatchAsJsonAsync($"/simulator/organisations/{Tenant}", new { minuteLimit = NoLimit, dayLimit = NoLimit })).EnsureSuccessStatusCode();
        // Which the auditor would not let pass.
        world.SkipAudit();
        // No setting allows more than Xero does.
        world.Service.Services.GetRequiredService<IOptions<XeroOptions>>().Value.CallsPerMinute = NoLimit;
        await Parallel.ForAsync(0, rows / 2, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (number, _) => await world.PayAsync(await world.LinkAsync(), $"pi_{number}"));
        await world.Database.ExecuteAsync("ANALYZE");
        await StatisticsAreToldAsync();
        return world;
    }

    static Task<long> TransactionsAsync(World world) => world.Database.ScalarAsync<long>("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()");

    static async Task<int> CallsAsync(World world) => (await world.CallsAsync())["total"]!.GetValue<int>();

    static Task<long> LeftAsync(World world) => world.Database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs WHERE status <> 'SUCCESS'");

    static async Task ShouldBeBookedAsync(World world, int rows)
    {
        if (await LeftAsync(world) is var left and > 0)
            throw new InvalidOperationException($"{left} of {rows} rows were not booked: {(await world.RowsAsync()).First(row => row.Status != "SUCCESS")}");
        await StatisticsAreToldAsync();
    }

    /// <summary>A connection that is idle tells the statistics what it did within ten seconds.</summary>
    static Task StatisticsAreToldAsync() => Task.Delay(TimeSpan.FromSeconds(11));

    static async Task<double> IdleAsync(PostgresServer server, string engine)
    {
        await using var world = await World.StartAsync(server, worker: true, settings: new(StringComparer.Ordinal)
        {
            ["Jobs:Engine"] = engine,
            ["Worker:SweepInterval"] = "00:00:03",
            ["Worker:RecoveryInterval"] = "00:01:00",
            ["Logging:LogLevel:Default"] = "Error",
        });
        // What starting takes is over.
        await Task.Delay(TimeSpan.FromSeconds(10));
        var before = await TransactionsAsync(world);
        var clock = Stopwatch.StartNew();
        await Task.Delay(Idle);
        return (await TransactionsAsync(world) - before) / clock.Elapsed.TotalSeconds;
    }
}

/// <summary>Counts what the driver sends: one activity for each command or batch, which is one round trip.</summary>
sealed class CommandCounter : IDisposable
{
    readonly ActivityListener _listener;
    long _count;

    public CommandCounter()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Npgsql",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                if (activity.GetTagItem("db.query.text") is not null || activity.GetTagItem("db.statement") is not null)
                    Interlocked.Increment(ref _count);
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public long Count => Interlocked.Read(ref _count);

    public void Dispose() => _listener.Dispose();
}
