using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Jobs;

public sealed class QuartzEngineTests(PostgresServer server)
{
    [Fact]
    public async Task The_service_starts_with_its_default_engine_and_schedules_the_recurring_jobs()
    {
        await using var world = await World.StartAsync(server, worker: true, settings: new(StringComparer.Ordinal) { ["Jobs:Engine"] = "Quartz" });

        var jobs = (await world.GetAsync("/api/jobs"))["items"]!.AsArray();

        jobs.Count.ShouldBeGreaterThan(0);
        jobs.ShouldAllBe(job => job!["nextRunAt"] != null);
    }
}
