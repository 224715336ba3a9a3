using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>Several processes on one database, some of which die or freeze. PAYMENTSYNC_E2E_PAYMENTS sets how many payments (1,000).</summary>
public sealed class SeveralNodesTests(PostgresServer server)
{
    const int Organisations = 20;
    static readonly int Payments = int.TryParse(Environment.GetEnvironmentVariable("PAYMENTSYNC_E2E_PAYMENTS"), CultureInfo.InvariantCulture, out var given) ? given : 1000;

    [Fact]
    public Task Payments_through_three_nodes_of_which_one_is_killed_and_one_frozen_past_its_lease_are_each_booked_once() => Deployment.RunAsync(server, async deployment =>
    {
        // Small batches keep each organisation busy for longer than a minute's calls, so that there is a middle to be killed in.
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Xero__BatchSize"] = Math.Clamp(Payments / 200, 1, 50).ToString(CultureInfo.InvariantCulture) };
        var clock = Stopwatch.StartNew();
        var nodes = await Task.WhenAll(deployment.StartNodeAsync("web", worker: false), deployment.StartNodeAsync("first", settings: settings), deployment.StartNodeAsync("second", settings: settings));
        var (web, first, second) = (nodes[0], nodes[1], nodes[2]);
        var payments = new List<Payment>();
        for (var number = 0; number < Organisations; number++)
        {
            var organisation = await deployment.OrganisationAsync(web, $"Organisation {number:00}", new JsonObject { ["latencyMilliseconds"] = 100 });
            // Two large ones have half of all payments.
            var count = number < 2 ? Payments / 4 : ((Payments / 2) + number - 2) / (Organisations - 2);
            payments.AddRange(await Deployment.LinksAsync([web], organisation, count));
        }
        payments.Count.ShouldBe(Payments);
        Deployment.Say($"{clock.Elapsed.TotalSeconds:0.0} s: {payments.Count} links of {Organisations} organisations registered");

        // Every third one is told twice, by another node; the order is not that of the organisations.
        var chance = new Random(20260730);
        var told = payments.Concat(payments.Where((_, number) => number % 3 == 0)).ToArray();
        chance.Shuffle(told);
        var telling = Deployment.AtOnceAsync(told.Select((payment, number) => (payment, number)), entry =>
            deployment.PayAsync(entry.payment, nodes[entry.number % 3], nodes[(entry.number + 1) % 3], nodes[(entry.number + 2) % 3]));

        await deployment.FreezeInACallAsync(first);
        await first.Program.SignalAsync("KILL");
        (await first.Program.ExitAsync(TimeSpan.FromSeconds(30))).ShouldBe(128 + 9);
        Deployment.Say($"{clock.Elapsed.TotalSeconds:0.0} s: the first worker was killed in a call");
        var again = await deployment.StartNodeAsync("first", settings: settings);
        await telling;
        Deployment.Say($"{clock.Elapsed.TotalSeconds:0.0} s: {told.Length} events told");

        // Calls are left for a new minute, whatever was done while the events came.
        await deployment.AdvanceAsync(TimeSpan.FromSeconds(61));
        var frozen = await deployment.FreezeInACallAsync(second, again);
        Deployment.Say($"{clock.Elapsed.TotalSeconds:0.0} s: {frozen.Program.Name} is frozen in a call");
        await deployment.AdvanceAsync(TimeSpan.FromMinutes(16));
        await deployment.EventuallyAsync(async () => (await LostAsync(deployment, frozen)) > 0, "what the frozen worker held is given back");
        await frozen.Program.SignalAsync("CONT");

        var minutes = await deployment.UntilBookedAsync();
        var calls = await deployment.CallsAsync();
        Deployment.Say($"{clock.Elapsed.TotalSeconds:0.0} s: all booked in {calls["total"]} calls, at most {calls["maxInFlight"]} in flight and {calls["maxPerMinute"]} a minute; the clock was moved {minutes} minutes for it");
        (await deployment.DocumentsAsync()).ShouldBe((Payments, Payments));
        (await LostAsync(deployment, first)).ShouldBeGreaterThan(0, "the killed worker held rows");
        calls["rateLimited"]!.GetValue<int>().ShouldBe(0);
        (await deployment.RowsAsync()).Count.ShouldBe(2 * Payments);
        // The frozen one goes on, as does the one that was started anew.
        second.Program.HasExited.ShouldBeFalse();
        again.Program.HasExited.ShouldBeFalse();
        Deployment.Say($"outcomes of tries: {string.Join(", ", (await deployment.OutcomesAsync()).Select(pair => $"{pair.Key} {pair.Value}"))}");
    });

    [Fact]
    public Task Small_organisations_do_not_wait_until_the_backlog_of_large_ones_is_done() => Deployment.RunAsync(server, async deployment =>
    {
        const int large = 100;
        const int small = 3;
        // As many large organisations as places: who is not fair lets them keep both until they are done. Their calls fit into one minute.
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Xero__BatchSize"] = "4", ["Worker__MaxDrains"] = "1", ["Worker__TimeSlice"] = "00:00:00.5" };
        var web = await deployment.StartNodeAsync("web", worker: false);
        var slow = new JsonObject { ["latencyMilliseconds"] = 200 };
        var large1 = await deployment.OrganisationAsync(web, "Large 1", slow);
        var large2 = await deployment.OrganisationAsync(web, "Large 2", slow);
        await deployment.PaidAsync(web, large1, large);
        await deployment.PaidAsync(web, large2, large);
        var others = new List<Organisation>();
        for (var number = 0; number < 6; number++)
        {
            others.Add(await deployment.OrganisationAsync(web, $"Small {number}", slow));
            await deployment.PaidAsync(web, others[^1], small);
        }
        await Task.WhenAll(deployment.StartNodeAsync("first", settings: settings), deployment.StartNodeAsync("second", settings: settings));
        await deployment.UntilBookedAsync();

        var smallDone = await deployment.Database.ScalarAsync<DateTime>(
            "SELECT max(a.ended_at) FROM paymentsync.sync_attempts a JOIN xero_syncs s ON s.id = a.sync_id WHERE s.organization_id = ANY($1)", others.Select(other => other.Id).ToArray());
        foreach (var organisation in new[] { large1, large2 })
        {
            var done = await deployment.Database.ScalarAsync<long>("""
                SELECT count(*) FROM paymentsync.sync_attempts a JOIN xero_syncs s ON s.id = a.sync_id
                 WHERE s.organization_id = $1 AND s.sync_type = 'PAYMENT' AND a.outcome = 'SUCCESS' AND a.ended_at <= $2
                """, organisation.Id, smallDone);
            Deployment.Say($"when all of the small ones were booked, {done} of {large} payments of a large one were");
            done.ShouldBeLessThan(large * 3 / 4);
        }
    });

    static Task<long> LostAsync(Deployment deployment, Node node) =>
        deployment.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.sync_attempts WHERE outcome = 'LOST' AND worker LIKE $1", $"%:{node.Program.Id}:%");
}
