using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Retention;

/// <summary>Storage is bounded: a year and more of steady traffic, with the job run daily.</summary>
public sealed class YearOfTrafficTests(PostgresServer server)
{
    const int Days = 470;
    const int PaymentsADay = 100;

    [Fact]
    public async Task After_a_year_and_more_of_steady_traffic_no_table_grows_but_the_syncs_themselves()
    {
        await using var world = await World.StartAsync(server);
        IReadOnlyDictionary<string, long> steady = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var day = 1; day <= Days; day++)
        {
            await world.AdvanceAsync(TimeSpan.FromDays(1));
            await Traffic.OfADayAsync(world, PaymentsADay);
            await Traffic.PurgeAsync(world);
            // The totals are kept longest: 400 days.
            if (day == 430)
                steady = await Traffic.CountsAsync(world);
        }

        var after = await Traffic.CountsAsync(world);
        foreach (var (table, rows) in after.Where(entry => entry.Key is not "audit_log"))
            rows.ShouldBeLessThanOrEqualTo(steady[table] + 5, table);
        // None of it because there was nothing: so many days of each.
        after["events"].ShouldBeInRange(PaymentsADay * 36, PaymentsADay * 39);
        after["sync_attempts"].ShouldBeInRange(2 * PaymentsADay * 89, 2 * PaymentsADay * 92);
        after["requests"].ShouldBeInRange(89 * 2 * PaymentsADay / 50, 92 * 4 * PaymentsADay / 50);
        after["recovery_reports"].ShouldBeInRange(89, 92);
        after["sync_totals"].ShouldBeInRange(24 * 399, 25 * 402);
        after["host_writes"].ShouldBeInRange(399, 402);
        after["call_hours"].ShouldBeLessThan(24 * 4);
        // The overview still counts all of them.
        (await world.GetAsync("/api/status"))["syncs"]!["SUCCESS"]!.GetValue<long>().ShouldBe(PaymentsADay * Days);
        (await world.RowsAsync()).Count.ShouldBe(2 * PaymentsADay * Days);
        world.SkipAudit();
    }
}
