using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OfficialSdks.Jobs;
using PaymentSync.Tests.Jobs;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.OfficialSdks;

public sealed class HangfireTests(PostgresServer server) : JobEngineContract(server)
{
    protected override string Engine => "Hangfire";

    private protected override Task<IReadOnlyList<string>> TablesAsync(World world) => world.Database.QueryAsync(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'hangfire' AND tablename <> 'schema' ORDER BY tablename IN ('state', 'jobparameter', 'jobqueue') DESC, tablename", reader => reader.GetString(0));

    private protected override Task<long> WaitingWakesAsync(World world) => world.Database.ScalarAsync<long>("SELECT count(*) FROM hangfire.jobqueue");

    private protected override Task RunNowAsync(World world, string job)
    {
        world.Service.Services.GetRequiredService<HangfireStorage>().Recurring.Trigger(job);
        return Task.CompletedTask;
    }

    private protected override async Task<long?> RetriesAsync(World world, string job) =>
        (await world.Database.QueryAsync("SELECT statename FROM hangfire.job WHERE arguments ->> 0 = $1", reader => reader.Nullable<string>(0), $"\"{job}\"")).Single() switch
        {
            "Failed" => 0,
            "Scheduled" => 1,
            _ => null,
        };

    [Fact]
    public async Task Payments_that_come_within_a_wakes_delay_cost_one_job_even_when_a_worker_took_it()
    {
        // Longer than the test: what comes after the first payment goes with its wake, or with one more that is not due yet.
        await using var world = await World.StartAsync(Server, worker: false, settings: Settings(("Worker:WakeDelay", "00:01:00")));
        await world.StartNodeAsync(worker: true, settings: Settings());
        await ScheduledAsync(world);
        for (var number = 0; number < 10; number++)
        {
            var link = await world.LinkAsync();
            await world.PayAsync(link, $"pi_{number}");
            await World.EventuallyAsync(() => IsBookedAsync(world, link), "a wake or the sweep found it");
        }
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM hangfire.job WHERE arguments ->> 0 = $1", $"\"{world.Organisation}\"")).ShouldBe(1);
    }

    [Fact]
    public async Task Nodes_that_start_at_once_make_its_tables_once()
    {
        await using var world = await World.StartAsync(Server, settings: new(StringComparer.Ordinal) { ["Jobs:Engine"] = "None" });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(number => Task.Run(() => world.StartNodeAsync(worker: number < 2, settings: Settings()))));
        await World.EventuallyAsync(async () => (await world.Database.ScalarAsync<long>("SELECT count(*) FROM pg_tables WHERE schemaname = 'hangfire'")) >= 12
            && await world.Database.ScalarAsync<int>("SELECT version FROM hangfire.schema") == 23
            && await world.Database.ScalarAsync<long>("SELECT count(*) FROM hangfire.set WHERE key = 'recurring-jobs'") == 9
            && await world.Database.ScalarAsync<long>("SELECT count(*) FROM hangfire.server") == 2, "all nodes are at work", TimeSpan.FromSeconds(60));
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).ShouldBe(0);
    }

    [Fact]
    public async Task Tables_that_cannot_be_made_hold_up_nothing_and_are_made_later()
    {
        await using var world = await World.StartAsync(Server, settings: new(StringComparer.Ordinal) { ["Jobs:Engine"] = "None" });
        await world.Database.ExecuteAsync("CREATE SCHEMA hangfire; CREATE TABLE hangfire.schema (other text)");
        await world.StartNodeAsync(worker: true, settings: Settings());
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await World.EventuallyAsync(() => IsBookedAsync(world, link), "it was booked without an engine");

        await world.Database.ExecuteAsync("DROP SCHEMA hangfire CASCADE");
        await World.EventuallyAsync(async () => await world.Database.ScalarAsync<string>("SELECT to_regclass('hangfire.set')::text") is not null
            && await world.Database.ScalarAsync<long>("SELECT count(*) FROM hangfire.set WHERE key = 'recurring-jobs'") == 9, "the engine is at work", TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Recurring_jobs_that_were_removed_come_back_by_themselves()
    {
        await using var world = await World.StartAsync(Server, worker: true, settings: Settings());
        await ScheduledAsync(world);
        foreach (var table in await TablesAsync(world))
            await world.Database.ExecuteAsync($"DELETE FROM {table}");
        await ScheduledAsync(world, TimeSpan.FromMinutes(3));
    }

    [Fact]
    public async Task Its_connections_are_the_services_own_and_keep_the_search_path()
    {
        await using var world = await World.StartAsync(Server, worker: true, settings: Settings());
        await ScheduledAsync(world);
        (await world.Database.QueryAsync("SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()", reader => reader.GetString(0)))
            .ShouldNotContain(name => name != "PaymentSync" && name.Length > 0);
        await using var command = world.Service.Services.GetRequiredService<Npgsql.NpgsqlDataSource>().CreateCommand("SELECT current_setting('search_path') || ' ' || current_setting('paymentsync.writer')");
        (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)).ShouldBe("public on");
    }

    [Fact]
    public async Task Every_interval_in_use_is_kept_exactly()
    {
        await using var world = await World.StartAsync(Server);
        foreach (var job in world.Service.Services.GetRequiredService<RecurringJobs>().All)
            HangfireNode.Cron(job.Every).ShouldBeOneOf($"*/{job.Every.TotalMinutes:0} * * * *", $"0 */{job.Every.TotalHours:0} * * *");
    }

    [Theory]
    [InlineData("00:00:05", "*/5 * * * * *")]
    [InlineData("00:00:45", "*/30 * * * * *")]
    [InlineData("00:01:00", "*/1 * * * *")]
    [InlineData("00:07:00", "*/6 * * * *")]
    [InlineData("01:00:00", "0 */1 * * *")]
    [InlineData("05:00:00", "0 */4 * * *")]
    [InlineData("1.00:00:00", "0 0 * * *")]
    [InlineData("7.00:00:00", "0 0 * * *")]
    public void What_cron_cannot_say_is_run_rather_more_often(string every, string cron) => HangfireNode.Cron(TimeSpan.Parse(every, System.Globalization.CultureInfo.InvariantCulture)).ShouldBe(cron);
}
