using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.Jobs;

public sealed class QuartzTests(PostgresServer server) : JobEngineContract(server)
{
    protected override string Engine => "Quartz";

    private protected override Task<IReadOnlyList<string>> TablesAsync(World world) => world.Database.QueryAsync(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE tablename LIKE 'qrtz%' ORDER BY tablename LIKE '%triggers' DESC, tablename = 'qrtz_triggers', tablename DESC", reader => reader.GetString(0));

    private protected override Task<long> WaitingWakesAsync(World world) => world.Database.ScalarAsync<long>("SELECT count(*) FROM qrtz_triggers WHERE trigger_group = 'wakes'");

    // It runs each of them when a worker starts, as it did just now.
    private protected override Task RunNowAsync(World world, string job) => Task.CompletedTask;

    private protected override async Task<long?> RetriesAsync(World world, string job)
    {
        if (await world.Database.ScalarAsync<long>("SELECT count(*) FROM runs WHERE is_called") == 0 || await world.Database.ScalarAsync<long>("SELECT count(*) FROM qrtz_fired_triggers WHERE job_name = $1", job) > 0)
            return null;
        // Its next run is that of its interval, and there is no other.
        return await world.Database.ScalarAsync<long>("SELECT count(*) - count(*) FILTER (WHERE next_fire_time > prev_fire_time + 500000) FROM qrtz_triggers WHERE job_name = $1", job);
    }
}
