using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Jobs;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>The call budget: a ledger that all nodes share, and that costs no row a retry.</summary>
public sealed class BudgetTests(PostgresServer server)
{
    const string Tenant = "c0ffee00-0000-4000-8000-00000000de30";

    [Fact]
    public async Task No_more_than_sixty_calls_are_made_in_any_minute_and_nearly_all_of_them_are_used()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = "1" });
        for (var number = 0; number < 90; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        for (var minute = 0; minute < 5; minute++)
        {
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        }

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS" && row.Retries == 0);
        var calls = await world.CallsAsync();
        calls["rateLimited"]!.GetValue<int>().ShouldBe(0);
        calls["maxPerMinute"]!.GetValue<int>().ShouldBeInRange(57, 60);
    }

    [Fact]
    public async Task Three_nodes_that_hammer_one_tenant_stay_within_its_limits_together()
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Xero:BatchSize"] = "1" };
        await using var world = await World.StartAsync(server, settings: settings);
        var budget = (await Task.WhenAll(world.StartNodeAsync(settings: settings), world.StartNodeAsync(settings: settings))).Append(world.Service)
            .Select(node => node.Services.GetRequiredService<CallBudget>()).ToList();

        // Far more callers than slots, on three nodes at once, none of them patient.
        var granted = (await Task.WhenAll(Enumerable.Range(0, 60).Select(caller => budget[caller % 3].ReserveAsync(Tenant, $"caller {caller}", forLook: true, CancellationToken.None)))).Count(slot => slot.IsGranted);
        granted.ShouldBe(5, "five in flight");
    }

    [Fact]
    public async Task A_slot_counts_for_a_minute_after_its_answer_and_a_dead_holders_slot_comes_back()
    {
        await using var world = await World.StartAsync(server);
        var budget = world.Service.Services.GetRequiredService<CallBudget>();
        Task<CallSlot> ReserveAsync() => budget.ReserveAsync(Tenant, "test", forLook: true, CancellationToken.None);
        var answer = new XeroReply.Answered(200, [], new XeroHeaders(null, null, null, null, null));

        for (var call = 0; call < 60; call++)
            await budget.AnsweredAsync(await ReserveAsync(), answer, CancellationToken.None);
        (await ReserveAsync()).ShouldSatisfyAllConditions(slot => slot.IsGranted.ShouldBeFalse(), slot => slot.Because.ShouldBe("minute"), slot => slot.Wait!.Value.ShouldBeInRange(TimeSpan.FromSeconds(50), TimeSpan.FromSeconds(60)));
        await world.AdvanceAsync(TimeSpan.FromSeconds(61));

        for (var call = 0; call < 5; call++)
            (await ReserveAsync()).IsGranted.ShouldBeTrue();
        (await ReserveAsync()).Because.ShouldBe("in flight");
        await world.AdvanceAsync(TimeSpan.FromSeconds(93)); // The harness's T is 5 s: gone holders' slots free after T + 90 s.
        (await ReserveAsync()).IsGranted.ShouldBeFalse();
        await world.AdvanceAsync(TimeSpan.FromSeconds(3));
        (await ReserveAsync()).IsGranted.ShouldBeTrue();
        world.SkipAudit();
    }

    [Fact]
    public async Task When_the_apps_own_minute_runs_short_every_tenant_waits_a_moment()
    {
        await using var world = await World.StartAsync(server);
        var budget = world.Service.Services.GetRequiredService<CallBudget>();
        var slot = await budget.ReserveAsync(Tenant, "test", forLook: false, CancellationToken.None);
        await budget.AnsweredAsync(slot, new XeroReply.Answered(200, [], new XeroHeaders(null, null, AppRemainingThisMinute: 150, null, null)), CancellationToken.None);

        (await budget.ReserveAsync("another tenant", "test", forLook: true, CancellationToken.None)).ShouldSatisfyAllConditions(refused => refused.IsGranted.ShouldBeFalse(), refused => refused.Because.ShouldBe("app minute"));
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        (await budget.ReserveAsync("another tenant", "test", forLook: true, CancellationToken.None)).IsGranted.ShouldBeTrue();
    }

    [Fact]
    public async Task A_slot_that_was_not_used_never_counted()
    {
        await using var world = await World.StartAsync(server);
        var budget = world.Service.Services.GetRequiredService<CallBudget>();
        for (var call = 0; call < 100; call++)
        {
            var slot = await budget.ReserveAsync(Tenant, "test", forLook: false, CancellationToken.None);
            slot.IsGranted.ShouldBeTrue();
            await budget.GiveBackAsync(slot, CancellationToken.None);
        }
        (await world.GetAsync("/api/status"))["calls"]![0]!["leftToday"]!.GetValue<int>().ShouldBe(5000);
    }

    [Fact]
    public async Task An_exhausted_day_costs_no_row_a_retry_and_says_when_the_backlog_clears()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = "1", ["Xero:CallsPerDay"] = "20", ["Xero:DayReserve"] = "2" });
        for (var number = 0; number < 15; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        await world.DrainAsync();

        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(18, "the reserve of two is kept");
        (await world.RowsAsync()).ShouldAllBe(row => row.Retries == 0 && (row.Status == "SUCCESS" || row.Status == "PENDING"));
        var status = (await world.GetAsync("/api/status"))["calls"]![0]!;
        status["leftToday"]!.GetValue<int>().ShouldBe(2);
        status["callsNeeded"]!.GetValue<int>().ShouldBe(12);
        status["backlogClearsAt"]!.GetValue<DateTimeOffset>().ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddHours(23));

        await world.AdvanceAsync(TimeSpan.FromHours(26));
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS" && row.Retries == 0);
    }

    [Fact]
    public async Task What_others_use_of_the_day_is_learned_from_Xeros_headers_and_the_reserve_still_looks_up()
    {
        await using var world = await World.StartAsync(server);
        (await world.Simulator.PatchAsJsonAsync($"/simulator/organisations/{Tenant}", new { dayLimit = 52 })).EnsureSuccessStatusCode();
        var first = await world.LinkAsync();
        await world.PayAsync(first);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Payments");
        await world.DrainAsync(); // Two calls later 50 are left: our reserve.
        var second = await world.LinkAsync();
        await world.PayAsync(second, "pi_2");
        await world.AdvanceAsync(TimeSpan.FromSeconds(40));
        await world.DrainAsync();

        (await world.PairAsync(first)).Payment.Status.ShouldBe("SUCCESS", "a look-up may use the reserve");
        (await world.PairAsync(second)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.Retries.ShouldBe(0), row => row.Attempt.ShouldBe(0));
        (await world.CallsAsync())["rateLimited"]!.GetValue<int>().ShouldBe(0);
    }

    [Fact]
    public async Task Rows_wait_for_a_fuller_call_only_while_the_days_calls_run_short()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:CallsPerDay"] = "40", ["Xero:DayReserve"] = "1", ["Worker:Linger"] = "00:00:30" });
        var drain = world.Service.Services.GetRequiredService<Drain>();
        await world.PayAsync(await world.LinkAsync(), "pi_plenty");
        await drain.RunAsync(world.Organisation, CancellationToken.None);
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(2, "with calls to spare nothing waits");

        await world.AsWriterAsync("UPDATE paymentsync.call_hours SET calls = 35");
        await world.PayAsync(await world.LinkAsync(), "pi_short");
        (await drain.RunAsync(world.Organisation, CancellationToken.None)).Wait.ShouldBe(TimeSpan.FromSeconds(30));
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(2);
        await world.AdvanceAsync(TimeSpan.FromSeconds(31));
        await drain.RunAsync(world.Organisation, CancellationToken.None);
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(4);
    }

    [Fact]
    public async Task A_token_that_ends_with_the_minutes_last_call_costs_no_row_its_place()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:CallsPerMinute"] = "3", ["Xero:MinuteReserve"] = "0" });
        await world.PayAsync(await world.LinkAsync(), "pi_1");
        await world.DrainAsync(); // Two calls.
        var link = await world.LinkAsync();
        await world.PayAsync(link, "pi_2");
        await world.FaultAsync("expire-token", resource: "PUT /Invoices");
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.DueAt.ShouldNotBeNull("nobody refused the new token"), row => row.Retries.ShouldBe(0),
            row => row.OpenRequest.ShouldBeNull());
        (await world.Database.QueryAsync("SELECT concat_ws(' ', outcome, http_status) FROM paymentsync.requests ORDER BY sent_at DESC LIMIT 1", reader => reader.GetString(0))).ShouldBe(["REFUSED 401"]);
        await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS" && row.Retries == 0);
    }

    [Fact]
    public async Task A_look_up_whose_token_ends_with_the_minutes_last_call_is_only_a_failed_read()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:CallsPerMinute"] = "1", ["Xero:MinuteReserve"] = "0" });
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        await world.FaultAsync("expire-token", resource: "GET /Invoices");
        var retries = (await world.PairAsync(link)).Invoice.Retries;
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.Code.ShouldBe("xero.look_failed"), row => row.OpenRequest.ShouldNotBeNull(),
            row => row.DueAt.ShouldNotBeNull(), row => row.Retries.ShouldBe(retries, "the budget costs no retry"));
        await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.Status.ShouldBe("SUCCESS");

        // The same for a payment that was never sent: its invoice is read first.
        await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        await world.FaultAsync("expire-token", resource: "GET /Invoices");
        await world.DrainAsync();
        (await world.PairAsync(link)).Payment.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.Code.ShouldBe("xero.look_failed"), row => row.DueAt.ShouldNotBeNull(), row => row.Retries.ShouldBe(0));
    }

    [Theory]
    [InlineData(0, 1000, 0)]
    [InlineData(58, 5000, 1)]
    [InlineData(59, 5000, 2)]
    [InlineData(4950, 5000, 86)]
    [InlineData(4951, 5000, 1441)]
    [InlineData(100, 0, 1442)]
    [InlineData(9900, 0, 2966)]
    public void A_forecast_counts_minutes_today_and_days_after(long needed, int left, int minutes) =>
        CallForecast.TimeFor(needed, left, new XeroOptions()).ShouldBe(TimeSpan.FromMinutes(minutes));
}
