using System.Diagnostics;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>What only processes can show of a job engine; the rest of its contract is in PaymentSync.Tests.</summary>
public sealed class JobEngineTests(PostgresServer server)
{
    public static TheoryData<string> Engines =>
#if OFFICIAL_SDKS
        ["Quartz", "Hangfire"];
#else
        ["Quartz"];
#endif

    [Theory]
    [MemberData(nameof(Engines))]
    public Task The_recurring_jobs_go_on_when_one_of_two_workers_is_killed(string engine) => Deployment.RunAsync(server, async deployment =>
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Jobs__Engine"] = engine };
        var killed = await deployment.StartNodeAsync("killed", settings: settings);
        await deployment.EventuallyAsync(async () => await NextSweepAsync(killed) is not null, "the first worker has scheduled the jobs");
        var other = await deployment.StartNodeAsync("other", settings: settings);

        await killed.Program.SignalAsync("KILL");
        (await killed.Program.ExitAsync(TimeSpan.FromSeconds(30))).ShouldBe(128 + 9);
        var clock = Stopwatch.StartNew();
        var next = (await NextSweepAsync(other)).ShouldNotBeNull();

        // The shortest interval is a minute, on the engine's own clock; what a killed node may have locked is free a minute later.
        await deployment.EventuallyAsync(async () => await NextSweepAsync(other) > next, "the other worker ran it and knows when it runs again", TimeSpan.FromMinutes(5));
        Deployment.Say($"{engine}: the other worker ran it {clock.Elapsed.TotalSeconds:0} s after the kill; it was due {(next - DateTimeOffset.UtcNow).TotalSeconds + clock.Elapsed.TotalSeconds:0} s after it");
    });

    static async Task<DateTimeOffset?> NextSweepAsync(Node node)
    {
        var jobs = await Deployment.SendAsync(node, HttpMethod.Get, "/api/jobs");
        return jobs["items"]!.AsArray().Single(job => job!["name"]!.GetValue<string>() == "sweep")!["nextRunAt"]?.GetValue<DateTimeOffset>();
    }
}
