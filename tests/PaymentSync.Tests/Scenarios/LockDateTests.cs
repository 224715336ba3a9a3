using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>lockDatePolicy FirstOpenDay: what is dated in a locked period is booked on the first day after it, and says when the money came.</summary>
public sealed class LockDateTests(PostgresServer server)
{
    static readonly Dictionary<string, string> PreFlight = new(StringComparer.Ordinal) { ["Xero:PreFlight"] = "true" };

    static async Task LockAsync(World world, string? period = null, string? year = null)
    {
        var tenant = (await world.LedgerAsync())["tenantId"]!.GetValue<string>();
        (await world.Simulator.PatchAsJsonAsync($"/simulator/organisations/{tenant}", new { periodLockDate = period, endOfYearLockDate = year })).EnsureSuccessStatusCode();
    }

    static Task<JsonNode> PolicyAsync(World world, string policy) => world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["lockDatePolicy"] = policy);

    static (string Date, string? TrueDate, string? Description) Dated(Row row) => (row.Json.GetProperty("date").GetString()!, row.Json.TryGetProperty("trueDate", out var day) ? day.GetString() : null,
        row.Json.TryGetProperty("lines", out var lines) ? lines[0].GetProperty("description").GetString() : null);

    [Fact]
    public async Task The_invoice_and_its_payment_are_dated_the_first_open_day_with_the_true_date_in_the_line()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await PolicyAsync(world, "FirstOpenDay");
        await LockAsync(world, period: "2026-07-31", year: "2025-12-31");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.Attempt.ShouldBe(1), row => Dated(row).ShouldBe(("2026-08-01", "2026-07-30", "Order 42 (paid on 2026-07-30)")));
        payment.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => Dated(row).ShouldBe(("2026-08-01", "2026-07-30", null)));
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);
    }

    [Fact]
    public async Task What_Xero_refused_as_locked_moves_too_once_the_lock_was_read()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await PolicyAsync(world, "FirstOpenDay");
        await world.PayAsync(await world.LinkAsync(), "pi_before");
        await world.DrainAsync(); // The settings are read: nothing is locked.
        await LockAsync(world, year: "2026-07-30");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.AdvanceAsync(TimeSpan.FromMinutes(3));
        await world.DrainAsync();

        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Invoice.Attempt.ShouldBe(2), pair => Dated(pair.Invoice).Date.ShouldBe("2026-07-31"),
            pair => pair.Payment.Status.ShouldBe("SUCCESS"), pair => Dated(pair.Payment).Date.ShouldBe("2026-07-31"));
    }

    [Fact]
    public async Task A_payment_whose_invoice_is_in_Xero_already_moves_alone()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await PolicyAsync(world, "FirstOpenDay");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await LockAsync(world, period: "2026-07-31");
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => Dated(row).Date.ShouldBe("2026-07-30", "what is in Xero stays as it was sent"));
        payment.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => Dated(row).ShouldBe(("2026-08-01", "2026-07-30", null)));
    }

    [Fact]
    public async Task A_lock_that_moves_again_keeps_the_true_date()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await PolicyAsync(world, "FirstOpenDay");
        await LockAsync(world, period: "2026-07-31");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("429-minute", resource: "PUT /Invoices");
        await world.DrainAsync(); // Moved, and refused for the limit.
        await LockAsync(world, period: "2026-08-31");
        await world.AdvanceAsync(TimeSpan.FromMinutes(31));
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        Dated(invoice).ShouldBe(("2026-09-01", "2026-07-30", "Order 42 (paid on 2026-07-30)"));
        Dated(payment).ShouldBe(("2026-09-01", "2026-07-30", null));
        payment.Status.ShouldBe("SUCCESS");
    }

    [Fact]
    public async Task Nothing_is_dated_into_the_future()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await PolicyAsync(world, "FirstOpenDay");
        await LockAsync(world, period: DateTime.UtcNow.AddDays(3).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.period_locked"), row => Dated(row).Date.ShouldBe("2026-07-30"));
    }

    [Fact]
    public async Task Hold_is_the_default_and_a_change_to_FirstOpenDay_lets_what_waits_go_on()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await LockAsync(world, period: "2026-07-31");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.period_locked"), row => Dated(row).Date.ShouldBe("2026-07-30"), row => row.Message!.ShouldContain("FirstOpenDay"));

        await PolicyAsync(world, "FirstOpenDay");
        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/xero-causes/run");
        await world.DrainAsync();
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => Dated(pair.Invoice).Date.ShouldBe("2026-08-01"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
    }

    [Fact]
    public async Task A_change_to_FirstOpenDay_also_lets_go_on_what_was_last_tried_because_the_organisation_was_connected_again()
    {
        await using var world = await World.StartAsync(server, connected: false, settings: PreFlight);
        for (var number = 0; number < 3; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        await world.DrainAsync();
        (await world.RowsAsync()).Where(row => row.Type == "INVOICE").ShouldAllBe(row => row.Code == "xero.no_connection");
        await LockAsync(world, period: "2026-07-31");
        await world.ConnectAsync();
        await world.DrainAsync();
        (await world.RowsAsync()).Where(row => row.Type == "INVOICE").ShouldAllBe(row => row.Code == "xero.period_locked" && row.DueAt == null);

        await PolicyAsync(world, "FirstOpenDay");
        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/xero-causes/run");
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS" && Dated(row).Date == "2026-08-01");
    }

    [Fact]
    public async Task Without_the_pre_flight_FirstOpenDay_holds_and_is_not_tried_for_ever()
    {
        await using var world = await World.StartAsync(server);
        await PolicyAsync(world, "FirstOpenDay");
        await LockAsync(world, period: "2026-07-31");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        for (var check = 0; check < 4; check++)
        {
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromMinutes(20));
            await world.SendAsync(HttpMethod.Post, "/api/jobs/xero-causes/run");
        }

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.period_locked"), row => row.Attempt.ShouldBe(1), row => Dated(row).Date.ShouldBe("2026-07-30"));
    }
}
