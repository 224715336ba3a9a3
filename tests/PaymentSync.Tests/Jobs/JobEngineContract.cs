using System.Diagnostics;
using System.Net.Http.Json;
using Microsoft.Extensions.Hosting;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Jobs;

/// <summary>What every job engine is: an alarm clock between nodes, and nothing that correctness rests on. Run over each engine of this build.</summary>
public abstract class JobEngineContract(PostgresServer server)
{
    const string AnHour = "01:00:00";

    protected PostgresServer Server { get; } = server;

    /// <summary>Its name in Jobs:Engine.</summary>
    protected abstract string Engine { get; }

    /// <summary>Its tables, those that refer to others first.</summary>
    private protected abstract Task<IReadOnlyList<string>> TablesAsync(World world);

    /// <summary>Wakes that no worker has taken.</summary>
    private protected abstract Task<long> WaitingWakesAsync(World world);

    /// <summary>Has the engine run a recurring job now.</summary>
    private protected abstract Task RunNowAsync(World world, string job);

    /// <summary>Runs of a recurring job that are over, and that the engine means to repeat because they failed; null while none is over.</summary>
    private protected abstract Task<long?> RetriesAsync(World world, string job);

    private protected Dictionary<string, string> Settings(params (string, string)[] more) =>
        more.Append(("Jobs:Engine", Engine)).ToDictionary(setting => setting.Item1, setting => setting.Item2, StringComparer.Ordinal);

    /// <summary>Nothing but the engine can bring such a worker a wake in time.</summary>
    private protected Dictionary<string, string> WithoutSweep => Settings(("Worker:SweepInterval", AnHour), ("Worker:RecoveryInterval", AnHour));

    [Fact]
    public async Task Recurring_jobs_are_listed_with_their_next_run_and_can_be_run_by_name()
    {
        await using var world = await World.StartAsync(Server, worker: true, settings: Settings());
        await ScheduledAsync(world);
        var jobs = (await world.GetAsync("/api/jobs"))["items"]!.AsArray();
        jobs.Select(job => job!["name"]!.GetValue<string>()).ShouldBe(["unlinked-payments", "recovery", "sweep", "oauth-states", "xero-connections", "xero-causes", "legacy-payments", "open-requests", "retention"], ignoreOrder: true);
        (await world.SendAsync(HttpMethod.Post, "/api/jobs/sweep/run"))["result"]!.GetValue<string>().ShouldContain("0 organisations");
        await world.SendAsync(HttpMethod.Post, "/api/jobs/nothing/run", expect: 404);
    }

    [Fact]
    public async Task A_web_only_node_wakes_a_worker_through_the_engine_long_before_its_sweep()
    {
        await using var world = await World.StartAsync(Server, worker: false, settings: Settings());
        await world.StartNodeAsync(worker: true, settings: WithoutSweep);
        var (first, second) = (await world.LinkAsync(), await world.LinkAsync());
        await world.PayAsync(first, "pi_first");
        await World.EventuallyAsync(() => IsBookedAsync(world, first), "the worker was woken by the engine", TimeSpan.FromSeconds(50));

        // The first one came while the engine was still starting.
        var clock = Stopwatch.StartNew();
        await world.PayAsync(second, "pi_second");
        await World.EventuallyAsync(() => IsBookedAsync(world, second), "the worker was woken by the engine again", TimeSpan.FromSeconds(50));
        TestContext.Current.TestOutputHelper?.WriteLine($"{Engine}: booked {clock.ElapsedMilliseconds} ms after the payment was told to another node");
    }

    [Fact]
    public async Task Wakes_of_one_organisation_that_still_wait_are_one_wake()
    {
        // A web-only node alone: nobody takes the wakes, so they can be counted.
        await using var world = await World.StartAsync(Server, worker: false, settings: Settings());
        await HasTablesAsync(world);
        var links = new List<Guid>();
        for (var number = 0; number < 8; number++)
            links.Add(await world.LinkAsync());
        await Task.WhenAll(links.Select((link, number) => world.PayAsync(link, $"pi_{number}")));

        (await WaitingWakesAsync(world)).ShouldBe(1);
    }

    [Fact]
    public async Task Nothing_is_lost_when_the_engines_tables_are_emptied()
    {
        await using var world = await World.StartAsync(Server, worker: false, settings: Settings());
        await world.StartNodeAsync(worker: true, settings: Settings());
        await ScheduledAsync(world);
        // Table by table, referring ones first: the engine is at work on them, and one statement over all of them deadlocks with it.
        var tables = await TablesAsync(world);
        tables.Count.ShouldBeGreaterThan(8);
        foreach (var table in tables)
            await world.Database.ExecuteAsync($"DELETE FROM {table}");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await World.EventuallyAsync(() => IsBookedAsync(world, link), "the sweep found what the engine forgot");
        await ScheduledAsync(world);
    }

    [Fact]
    public async Task A_payment_is_taken_and_booked_although_the_engines_tables_are_gone()
    {
        await using var world = await World.StartAsync(Server, worker: false, settings: Settings());
        await HasTablesAsync(world);
        foreach (var table in await TablesAsync(world))
            await world.Database.ExecuteAsync($"DROP TABLE {table} CASCADE");
        var link = await world.LinkAsync();
        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await world.DrainAsync();
        (await IsBookedAsync(world, link)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_job_that_fails_is_not_retried_by_the_engine()
    {
        await using var world = await World.StartAsync(Server, worker: false, settings: Settings());
        // What was counted stays counted when the statement fails: sequences do not roll back.
        await world.Database.ExecuteAsync("""
            CREATE SEQUENCE runs;
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('runs'); RAISE EXCEPTION 'told to fail'; END $$;
            CREATE TRIGGER fail BEFORE DELETE ON paymentsync.oauth_states EXECUTE FUNCTION fail()
            """);
        await world.StartNodeAsync(worker: true, settings: WithoutSweep);
        await ScheduledAsync(world);
        await RunNowAsync(world, "oauth-states");

        await World.EventuallyAsync(async () => await RetriesAsync(world, "oauth-states") is not null, "the job has run", TimeSpan.FromSeconds(60));
        (await RetriesAsync(world, "oauth-states")).ShouldBe(0);
        (await world.Database.ScalarAsync<long>("SELECT last_value FROM runs WHERE is_called")).ShouldBe(1);
    }

    [Fact]
    public async Task A_graceful_stop_lets_a_drain_end()
    {
        await using var world = await World.StartAsync(Server, worker: false, settings: Settings());
        var worker = await world.StartNodeAsync(worker: true, settings: WithoutSweep);
        (await world.Simulator.PatchAsJsonAsync("/simulator/organisations/c0ffee00-0000-4000-8000-00000000de30", new { latencyMilliseconds = 2000 })).EnsureSuccessStatusCode();
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await World.EventuallyAsync(async () => (await world.PairAsync(link)).Invoice.OpenRequest is not null, "its invoice is on its way", TimeSpan.FromSeconds(50));

        await worker.StopAsync(TestContext.Current.CancellationToken);

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(invoice => invoice.Status.ShouldBe("SUCCESS"), invoice => invoice.Attempt.ShouldBe(1));
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.drain_leases")).ShouldBe(0);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.requests WHERE completed_at IS NULL")).ShouldBe(0);
        await world.DrainAsync();
    }

    private protected static async Task<bool> IsBookedAsync(World world, Guid link) => (await world.RowsAsync(link)).All(row => row.Status == "SUCCESS");

    private protected Task HasTablesAsync(World world) => World.EventuallyAsync(async () =>
    {
        // Some make them when they are asked something first.
        using var asked = await world.Api.GetAsync(new Uri("/api/jobs", UriKind.Relative));
        return asked.IsSuccessStatusCode && (await TablesAsync(world)).Count > 8;
    }, "the engine has its tables", TimeSpan.FromSeconds(60));

    /// <summary>Until the engine says of every recurring job when it runs next.</summary>
    private protected static Task ScheduledAsync(World world, TimeSpan? atMost = null) => World.EventuallyAsync(async () =>
    {
        using var answer = await world.Api.GetAsync(new Uri("/api/jobs", UriKind.Relative));
        return answer.IsSuccessStatusCode && (await answer.Content.ReadFromJsonAsync<System.Text.Json.Nodes.JsonNode>())!["items"]!.AsArray().All(job => job!["nextRunAt"] is not null);
    }, "the recurring jobs are scheduled", atMost ?? TimeSpan.FromSeconds(60));
}
