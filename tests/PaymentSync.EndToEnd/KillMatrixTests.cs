using System.Diagnostics;
using System.Globalization;
using PaymentSync.EndToEnd.Killing;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>
/// kill -9 at every point. The quick part runs with all other tests; <c>./dev kill-matrix</c> runs every point, as often as it is told
/// (PAYMENTSYNC_KILL_ROUNDS), with another order and other hits in each round (PAYMENTSYNC_KILL_SEED).
/// </summary>
public sealed class KillMatrixTests(PostgresServer server)
{
    const int LivesToEnumerate = 4;
    /// <summary>Of the quick part. What it does not come to, it names.</summary>
    static readonly TimeSpan Quick = TimeSpan.FromSeconds(75);
    static readonly int Seed = Number("PAYMENTSYNC_KILL_SEED") ?? 20261121;
    static readonly int? Rounds = Number("PAYMENTSYNC_KILL_ROUNDS");

    [Fact]
    public async Task A_service_killed_at_every_statement_and_call_books_each_payment_once()
    {
        for (var round = 0; round < (Rounds ?? 1); round++)
            await RoundAsync(Seed + round);
    }

    Task RoundAsync(int seed) => Deployment.RunAsync(server, async deployment =>
    {
        var clock = Stopwatch.StartNew();
        await using var gate = new KillGate(deployment.Database.ConnectionString, deployment.Simulator.BaseAddress!);
        var run = new KillRun(deployment, gate, new Random(seed));
        await run.PrepareAsync();
        for (var life = 0; life < LivesToEnumerate; life++)
            await run.CycleAsync(point: null, hit: 0, tokensEnded: life == 2);
        Say(clock, $"seed {seed}: {gate.Points.Count} points in {LivesToEnumerate} lives that nobody cut short");

        await run.KillEverywhereAsync(Rounds is null ? Quick : null);
        Say(clock, $"{run.Kills} kills; settling what they left");
        await run.SettleAsync();

        foreach (var point in run.NotReached)
            Deployment.Say($"    no process came there again: {point}");
        foreach (var point in run.LeftOut)
            Deployment.Say($"    left to ./dev kill-matrix: {point}");
        Say(clock, $"seed {seed}: {gate.Points.Count} points, {run.Kills} kills, {run.KillsDuringRecovery} of them during the recovery from an earlier one; {run.Told} payments, each booked once");
        (await deployment.DocumentsAsync()).ShouldBe((run.Told, run.Told));
        (await deployment.RowsAsync()).Count.ShouldBe(2 * run.Told);
        // Whatever the moment of death, what left had been written down.
        var journalled = await deployment.Database.QueryAsync("SELECT idempotency_key FROM paymentsync.requests", reader => reader.GetString(0));
        gate.Keys.ShouldBeSubsetOf(journalled);
        run.KillsDuringRecovery.ShouldBeGreaterThan(0);
        if (Rounds is not null)
            run.NotReached.ShouldNotContain(point => point.Kind == PointKind.Call || point.Kind == PointKind.Change);
    });

    static void Say(Stopwatch clock, string sentence) => Deployment.Say(string.Create(CultureInfo.InvariantCulture, $"{clock.Elapsed.TotalSeconds:0} s: {sentence}"));

    static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var given) ? given : null;
}
