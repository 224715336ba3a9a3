using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

public sealed class IdleLoadTests(PostgresServer server)
{
    static readonly TimeSpan Window = TimeSpan.FromSeconds(15);
    const long Most = 20;

    [Fact]
    public Task A_node_with_nothing_to_do_asks_the_database_only_a_few_things_a_second() => Deployment.RunAsync(server, async deployment =>
    {
        // The intervals of production: sweep, recovery, clock and the clustered engine's check-ins.
        await deployment.StartNodeAsync("idle", settings: new(StringComparer.Ordinal) { ["Worker__SweepInterval"] = "00:00:03", ["Worker__RecoveryInterval"] = "00:01:00" });
        var before = await TransactionsAsync(deployment);
        using var window = new PeriodicTimer(Window);
        await window.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        var seconds = (long)Window.TotalSeconds;
        var made = await TransactionsAsync(deployment) - before;

        Deployment.Say($"idle node: {made} transactions in {seconds} s, {(decimal)made / seconds:0.0} a second");
        made.ShouldBeGreaterThan(0, "it sweeps");
        (made / seconds).ShouldBeLessThan(Most);
    });

    static async Task<long> TransactionsAsync(Deployment deployment) =>
        await deployment.Database.ScalarAsync<long>("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()");
}
