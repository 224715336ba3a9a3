using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Jobs;

/// <summary>The default engine: an alarm clock between nodes, and nothing that correctness rests on.</summary>
public sealed class QuartzTests(PostgresServer server)
{
    static Dictionary<string, string> Quartz(params (string, string)[] more) =>
        more.Append(("Jobs:Engine", "Quartz")).ToDictionary(setting => setting.Item1, setting => setting.Item2, StringComparer.Ordinal);

    [Fact]
    public async Task Recurring_jobs_are_listed_with_their_next_run_and_can_be_run_by_name()
    {
        await using var world = await World.StartAsync(server, worker: true, settings: Quartz());
        var jobs = (await world.GetAsync("/api/jobs"))["items"]!.AsArray();
        jobs.Select(job => job!["name"]!.GetValue<string>()).ShouldBeSubsetOf(["unlinked-payments", "recovery", "sweep", "oauth-states", "xero-connections", "xero-causes", "legacy-payments", "open-requests", "retention"]);
        jobs.Count.ShouldBeGreaterThanOrEqualTo(3);
        jobs.ShouldAllBe(job => job!["nextRunAt"] != null);
        (await world.SendAsync(HttpMethod.Post, "/api/jobs/sweep/run"))["result"]!.GetValue<string>().ShouldContain("0 organisations");
        await world.SendAsync(HttpMethod.Post, "/api/jobs/nothing/run", expect: 404);
    }

    [Fact]
    public async Task A_web_only_node_wakes_a_worker_through_the_engine_long_before_its_sweep()
    {
        // The worker sweeps once an hour: only the engine can bring it the wake in time.
        await using var world = await World.StartAsync(server, worker: false, settings: Quartz());
        await world.StartNodeAsync(worker: true, settings: Quartz(("Worker:SweepInterval", "01:00:00"), ("Worker:RecoveryInterval", "01:00:00")));
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await World.EventuallyAsync(async () => (await world.RowsAsync(link)).All(row => row.Status == "SUCCESS"), "the worker was woken by the engine", TimeSpan.FromSeconds(50));
    }

    [Fact]
    public async Task Wakes_of_one_organisation_that_still_wait_are_one_wake()
    {
        // A web-only node alone: nobody takes the wakes, so they can be counted.
        await using var world = await World.StartAsync(server, worker: false, settings: Quartz());
        for (var number = 0; number < 5; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");

        var table = await world.Database.ScalarAsync<string>("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE tablename = 'qrtz_triggers'");
        (await world.Database.ScalarAsync<long>($"SELECT count(*) FROM {table} WHERE trigger_group = 'wakes'")).ShouldBe(1);
    }

    [Fact]
    public async Task Nothing_is_lost_when_the_engines_tables_are_emptied()
    {
        await using var world = await World.StartAsync(server, worker: false, settings: Quartz());
        await world.StartNodeAsync(worker: true, settings: Quartz());
        // Table by table, referring ones first: the engine is at work on them, and one statement over all of them deadlocks with it.
        var tables = await world.Database.QueryAsync("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE tablename LIKE 'qrtz%' ORDER BY tablename LIKE '%triggers' DESC, tablename = 'qrtz_triggers', tablename DESC", reader => reader.GetString(0));
        tables.Count.ShouldBeGreaterThan(8);
        foreach (var table in tables)
            await world.Database.ExecuteAsync($"DELETE FROM {table}");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await World.EventuallyAsync(async () => (await world.RowsAsync(link)).All(row => row.Status == "SUCCESS"), "the sweep found what the engine forgot");
    }
}
