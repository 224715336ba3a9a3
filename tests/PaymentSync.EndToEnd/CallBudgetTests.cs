using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>The call budget is one ledger for all processes: Xero never sees a call too many, and hardly one too few.</summary>
public sealed class CallBudgetTests(PostgresServer server)
{
    // 95 of 100 of the calls that Xero allows in a minute; a few may be kept for look-ups.
    const int MostOfAMinute = 57;

    [Fact]
    public Task Three_workers_on_one_tenant_use_its_calls_up_and_never_one_more() => Deployment.RunAsync(server, async deployment =>
    {
        const int minutes = 4;
        var nodes = await StartThreeAsync(deployment, new(StringComparer.Ordinal) { ["Xero__BatchSize"] = "1" });
        var organisation = await deployment.OrganisationAsync(nodes[0], "Acme", new JsonObject { ["latencyMilliseconds"] = 20 });
        await deployment.PaidAsync(nodes[0], organisation, 150);

        var used = new List<int>();
        for (var minute = 0; minute < minutes; minute++)
        {
            // All but what may be kept for look-ups; then the clock is moved to when they are free again.
            await deployment.EventuallyAsync(() => UsedUpAsync(deployment, organisation), "the minute's calls are used up");
            used.Add((await deployment.CallsAsync(organisation))["inLastMinute"]!.GetValue<int>());
            await deployment.AdvanceAsync(TimeSpan.FromSeconds(60));
        }
        var calls = await deployment.CallsAsync();
        Deployment.Say($"calls in each minute: {string.Join(", ", used)}; at most {calls["maxInFlight"]} in flight and {calls["maxPerMinute"]} in any minute");
        used.ShouldAllBe(count => count >= MostOfAMinute);
        await deployment.UntilBookedAsync();
        await ShouldKeepTheLimitsAsync(deployment);
        (await deployment.RowsAsync()).ShouldAllBe(row => row.Retries == 0);
    });

    [Fact]
    public Task A_day_that_is_used_up_costs_no_row_a_retry() => Deployment.RunAsync(server, async deployment =>
    {
        const int limit = 30;
        const int reserve = 5;
        var nodes = await StartThreeAsync(deployment, new(StringComparer.Ordinal) { ["Xero__BatchSize"] = "1", ["Xero__DayReserve"] = "5" });
        var organisation = await deployment.OrganisationAsync(nodes[0], "Small plan", new JsonObject { ["dayLimit"] = limit });
        await deployment.PaidAsync(nodes[0], organisation, 30);

        JsonNode? status = null;
        await deployment.EventuallyAsync(async () =>
        {
            status = (await Deployment.SendAsync(nodes[0], HttpMethod.Get, "/api/status"))["calls"]!.AsArray().SingleOrDefault(calls => calls!["tenantId"]!.GetValue<string>() == organisation.TenantId);
            return status?["leftToday"]?.GetValue<int>() <= reserve && (await deployment.RowsAsync()).All(row => row.Status != "RETRYING");
        }, "the day is used up but for the reserve, and the status says so");
        var waiting = (await deployment.RowsAsync()).Where(row => row.Status != "SUCCESS").ToList();
        waiting.ShouldNotBeEmpty();
        waiting.ShouldAllBe(row => row.Status == "PENDING" && row.Retries == 0);
        (await deployment.CallsAsync(organisation))["inLastDay"]!.GetValue<int>().ShouldBeInRange(limit - reserve, limit);

        // Before the next day begins: its first answers would tell the small limit, and a figure is only lowered within a day.
        await deployment.ChangeAsync(organisation, "dayLimit", 1000);
        await deployment.AdvanceAsync(TimeSpan.FromHours(26));
        await deployment.UntilBookedAsync();
        (await deployment.RowsAsync()).ShouldAllBe(row => row.Retries == 0);
        await ShouldKeepTheLimitsAsync(deployment);
    });

    [Fact]
    public Task The_slot_of_a_killed_node_is_free_again_after_the_calls_time_and_90_seconds() => Deployment.RunAsync(server, async deployment =>
    {
        // With one call in flight at most, a slot that leaked would stop the organisation for good.
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Xero__CallsInFlight"] = "1",
            ["Xero__CallTimeout"] = "00:00:10",
            ["Worker__RowLease"] = "00:01:20",
            ["Worker__DrainLease"] = "00:00:40",
            ["Xero__BatchSize"] = "2",
        };
        var killed = await deployment.StartNodeAsync("killed", settings: settings);
        var organisation = await deployment.OrganisationAsync(killed, "Acme", new JsonObject { ["latencyMilliseconds"] = 500 });
        await deployment.PaidAsync(killed, organisation, 10);
        await deployment.FreezeInACallAsync(killed);
        await killed.Program.SignalAsync("KILL");
        await killed.Program.ExitAsync(TimeSpan.FromSeconds(30));
        (await LeakedAsync(deployment)).ShouldBe(1);

        await deployment.StartNodeAsync("other", settings: settings);
        await deployment.AdvanceAsync(TimeSpan.FromSeconds(85));
        (await LeakedAsync(deployment)).ShouldBe(1, "Xero may still be at that call");
        await deployment.AdvanceAsync(TimeSpan.FromSeconds(16));
        await deployment.UntilBookedAsync();
        await deployment.EventuallyAsync(async () => await LeakedAsync(deployment) == 0, "no slot is held for nothing");
        await ShouldKeepTheLimitsAsync(deployment);
        (await deployment.CallsAsync())["maxInFlight"]!.GetValue<int>().ShouldBe(1);
    });

    static async Task<Node[]> StartThreeAsync(Deployment deployment, Dictionary<string, string> settings) =>
        await Task.WhenAll(deployment.StartNodeAsync("a", settings: settings), deployment.StartNodeAsync("b", settings: settings), deployment.StartNodeAsync("c", settings: settings));

    static Task<bool> UsedUpAsync(Deployment deployment, Organisation organisation) => deployment.Database.ScalarAsync<bool>("""
        SELECT count(answered_at) >= $2 AND count(*) = count(answered_at) FROM paymentsync.call_slots WHERE tenant_id = $1 AND frees_at > paymentsync.now()
        """, organisation.TenantId, MostOfAMinute);

    static Task<long> LeakedAsync(Deployment deployment) => deployment.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.call_slots WHERE answered_at IS NULL");

    static async Task ShouldKeepTheLimitsAsync(Deployment deployment)
    {
        var calls = await deployment.CallsAsync();
        calls["maxInFlight"]!.GetValue<int>().ShouldBeLessThanOrEqualTo(5);
        calls["maxPerMinute"]!.GetValue<int>().ShouldBeLessThanOrEqualTo(60);
        calls["rateLimited"]!.GetValue<int>().ShouldBe(0);
    }
}
