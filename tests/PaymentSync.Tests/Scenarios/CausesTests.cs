using System.Net.Http.Json;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>What an organisation is set to in Xero: looked at before a call is spent, and again until what was wrong is mended.</summary>
public sealed class CausesTests(PostgresServer server)
{
    static readonly Dictionary<string, string> PreFlight = new(StringComparer.Ordinal) { ["Xero:PreFlight"] = "true" };
    const string Today = "2026-07-30"; // Of the payments that StripeEvents makes.

    static async Task SetAsync(World world, object change)
    {
        var tenant = (await world.LedgerAsync())["tenantId"]!.GetValue<string>();
        (await world.Simulator.PatchAsJsonAsync($"/simulator/organisations/{tenant}", change)).EnsureSuccessStatusCode();
    }

    static object Account(string code, string status = "ACTIVE", string? type = null) => new { accounts = new[] { new { code, status, type } } };

    static Task<JsonNode> CheckAsync(World world) => world.SendAsync(HttpMethod.Post, "/api/jobs/xero-causes/run");

    /// <summary>A cause by name: how it is made, what the rows then say, how it is mended, and which call shows that.</summary>
    static (Func<World, Task> Break, string Code, string FailedType, Func<World, Task> Mend, string Read) Cause(string name) => name switch
    {
        "period locked" => (world => SetAsync(world, new { periodLockDate = Today }), "xero.period_locked", "INVOICE", world => SetAsync(world, new { periodLockDate = (string?)null }), "GET /Organisation"),
        "year locked" => (world => SetAsync(world, new { endOfYearLockDate = Today }), "xero.year_locked", "INVOICE", world => SetAsync(world, new { endOfYearLockDate = "2026-07-29" }), "GET /Organisation"),
        "currency" => (world => SetAsync(world, new { currencies = new[] { "GBP", "EUR" } }), "xero.currency_not_subscribed", "INVOICE", world => SetAsync(world, new { currencies = new[] { "GBP", "EUR", "USD" } }), "GET /Currencies"),
        "sales account archived" => (world => SetAsync(world, Account("200", "ARCHIVED")), "xero.account_archived", "INVOICE", world => SetAsync(world, Account("200")), "GET /Accounts"),
        "sales account missing" => (world => world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["salesAccountCode"] = "777"), "xero.account_invalid", "INVOICE",
            world => SetAsync(world, Account("777", type: "REVENUE")), "GET /Accounts"),
        "clearing account archived" => (world => SetAsync(world, Account("091", "ARCHIVED")), "xero.account_missing", "PAYMENT", world => SetAsync(world, Account("091")), "GET /Accounts"),
        "clearing account takes no payments" => (world => SetAsync(world, Account("091", type: "CURRENT")), "xero.account_invalid", "PAYMENT",
            world => SetAsync(world, new { accounts = new[] { new { code = "091", type = "BANK", currencyCode = "USD" } } }), "GET /Accounts"),
        "neither side in base currency" => (world => SetAsync(world, new { accounts = new[] { new { code = "091", type = "BANK", currencyCode = "EUR" } } }), "xero.account_currency", "PAYMENT",
            world => SetAsync(world, new { accounts = new[] { new { code = "091", type = "BANK", currencyCode = "USD" } } }), "GET /Accounts"),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };

    [Theory]
    [InlineData("period locked")]
    [InlineData("year locked")]
    [InlineData("currency")]
    [InlineData("sales account archived")]
    [InlineData("sales account missing")]
    [InlineData("clearing account archived")]
    [InlineData("clearing account takes no payments")]
    [InlineData("neither side in base currency")]
    public async Task What_must_be_refused_is_not_sent_and_goes_on_by_itself_when_it_is_mended(string name)
    {
        var cause = Cause(name);
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await cause.Break(world);
        var link = await world.LinkAsync(currency: "USD");
        await world.PayAsync(link, currency: "usd");
        await world.DrainAsync();

        var put = cause.FailedType == "INVOICE" ? "PUT /Invoices" : "PUT /Payments";
        (await world.CallsAsync(put)).ShouldBe(0, "no call is spent on it");
        var held = (await world.RowsAsync(link)).Single(row => row.Type == cause.FailedType);
        held.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Code.ShouldBe(cause.Code), row => row.DueAt.ShouldBeNull(), row => row.Retries.ShouldBe(0),
            row => row.Message!.ShouldContain("goes on by itself"));

        // Nothing is mended: the check looks and lets it wait.
        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        var looked = await world.CallsAsync(cause.Read);
        await CheckAsync(world);
        (await world.CallsAsync(cause.Read)).ShouldBe(looked + 1);
        await world.DrainAsync();
        (await world.RowsAsync(link)).Single(row => row.Type == cause.FailedType).Attempt.ShouldBe(held.Attempt);

        await cause.Mend(world);
        await CheckAsync(world); // Too soon to look again.
        (await world.CallsAsync(cause.Read)).ShouldBe(looked + 1);
        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await CheckAsync(world);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync(put)).ShouldBe(1);
    }

    [Theory]
    [InlineData("period locked")]
    [InlineData("currency")]
    [InlineData("sales account archived")]
    [InlineData("clearing account archived")]
    [InlineData("neither side in base currency")]
    public async Task What_Xero_refused_without_a_pre_flight_goes_on_by_itself_too(string name)
    {
        var cause = Cause(name);
        await using var world = await World.StartAsync(server);
        await cause.Break(world);
        var link = await world.LinkAsync(currency: "USD");
        await world.PayAsync(link, currency: "usd");
        await world.DrainAsync();
        var refused = (await world.RowsAsync(link)).Single(row => row.Type == cause.FailedType);
        refused.ShouldSatisfyAllConditions(row => row.Code.ShouldBe(cause.Code), row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Attempt.ShouldBe(1), row => row.OpenRequest.ShouldBeNull());

        await cause.Mend(world);
        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await CheckAsync(world);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Settings_are_read_once_in_half_an_hour_whatever_is_sent_and_shared_by_all_nodes()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        var second = await world.StartNodeAsync(settings: PreFlight);
        for (var number = 0; number < 6; number++)
        {
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
            await world.DrainAsync(number % 2 == 0 ? world.Service : second);
            await world.AdvanceAsync(TimeSpan.FromMinutes(4));
        }

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        foreach (var read in new[] { "GET /Organisation", "GET /Currencies", "GET /Accounts" })
            (await world.CallsAsync(read)).ShouldBe(1);
        await world.AdvanceAsync(TimeSpan.FromMinutes(10));
        await world.DrainAsync();
        (await world.CallsAsync("GET /Accounts")).ShouldBe(1, "nothing is to be sent, so nothing is read");
        await world.PayAsync(await world.LinkAsync(), "pi_later");
        await world.DrainAsync();
        (await world.CallsAsync("GET /Accounts")).ShouldBe(2);
    }

    [Fact]
    public async Task A_clean_backlog_costs_two_calls_for_fifty_payments_and_three_for_the_settings()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        for (var number = 0; number < 200; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(4);
        (await world.CallsAsync("PUT /Payments")).ShouldBe(4);
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(11);
    }

    [Theory]
    [InlineData("status-503")]
    [InlineData("truncated-200")]
    [InlineData("reset-before")]
    public async Task Settings_that_cannot_be_read_keep_nothing_back(string fault)
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        foreach (var read in new[] { "GET /Organisation", "GET /Currencies", "GET /Accounts" })
            await world.FaultAsync(fault, next: 100, resource: read);
        for (var number = 0; number < 3; number++)
        {
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
            await world.DrainAsync();
        }

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("GET /Accounts")).ShouldBe(1, "what gave no answer is not asked again by every drain");
    }

    [Fact]
    public async Task What_was_read_a_while_ago_refuses_nothing_it_is_read_again_first()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await SetAsync(world, new { currencies = new[] { "GBP" } });
        await world.PayAsync(await world.LinkAsync(), "pi_gbp");
        await world.DrainAsync();
        await SetAsync(world, new { currencies = new[] { "GBP", "USD" } });
        await world.AdvanceAsync(TimeSpan.FromMinutes(20));
        await world.PayAsync(await world.LinkAsync(currency: "USD"), "pi_usd", currency: "usd");
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS" && row.Attempt == 1);
        (await world.CallsAsync("GET /Currencies")).ShouldBe(2);
    }

    [Fact]
    public async Task A_replay_is_sent_whatever_was_read_before()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await SetAsync(world, new { periodLockDate = Today });
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        await SetAsync(world, new { periodLockDate = (string?)null });
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = (await world.PairAsync(link)).Invoice.Id, ["reason"] = "unlocked" }, expect: 202);
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.Status.ShouldBe("SUCCESS", "an operator who has just mended it need not wait for the next read");
    }

    [Fact]
    public async Task A_refusal_that_contradicts_what_was_read_makes_it_read_again_and_the_next_ones_are_not_sent()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await world.PayAsync(await world.LinkAsync(), "pi_1");
        await world.DrainAsync();
        await SetAsync(world, Account("200", "ARCHIVED"));
        await world.PayAsync(await world.LinkAsync(), "pi_2");
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await world.DrainAsync();
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(2);
        (await world.CallsAsync("GET /Accounts")).ShouldBe(2);

        var third = await world.LinkAsync();
        await world.PayAsync(third, "pi_3");
        await world.DrainAsync();
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(2);
        (await world.PairAsync(third)).Invoice.Code.ShouldBe("xero.account_archived");
    }

    [Fact]
    public async Task A_contact_that_was_archived_lets_its_invoice_go_on_when_it_is_restored()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await world.PayAsync(await world.LinkAsync(), "pi_1");
        await world.DrainAsync();
        var contact = (await world.LedgerAsync())["invoices"]![0]!["contactName"]!.GetValue<string>();
        await world.HumanAsync("archiveContact", new JsonObject { ["contactName"] = contact });
        var link = await world.LinkAsync();
        await world.PayAsync(link, "pi_2");
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.contact_archived"), row => row.Message!.ShouldContain("goes on by itself"));
        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await CheckAsync(world);
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.Attempt.ShouldBe(1);

        await world.HumanAsync("restoreContact", new JsonObject { ["contactName"] = contact });
        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await CheckAsync(world);
        await world.DrainAsync();
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
        (await world.CallsAsync("GET /Contacts")).ShouldBeLessThanOrEqualTo(3);
    }

    [Fact]
    public async Task A_plan_limit_is_probed_by_one_row_a_day_and_when_that_goes_through_the_others_follow()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await SetAsync(world, new { invoiceLimit = 0 });
        for (var number = 0; number < 5; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        await world.DrainAsync();
        (await world.RowsAsync()).Where(row => row.Type == "INVOICE").ShouldAllBe(row => row.Code == "xero.plan_limit" && row.Message!.Contains("tried each day"));
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);

        foreach (var day in new[] { 2, 3 })
        {
            await CheckAsync(world);
            await world.AdvanceAsync(TimeSpan.FromHours(25));
            await CheckAsync(world);
            await CheckAsync(world);
            await world.DrainAsync();
            (await world.CallsAsync("PUT /Invoices")).ShouldBe(day, "one row, once a day");
        }
        await SetAsync(world, new { invoiceLimit = (int?)null });
        await world.AdvanceAsync(TimeSpan.FromHours(25));
        await CheckAsync(world);
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(5, "the one of the day, and the other four together");
    }

    [Fact]
    public async Task What_is_refused_although_the_settings_look_fine_is_tried_again_once_and_then_once_a_day()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        world.Proxy.OnRequest = (called, _) => called == "PUT /Invoices"
            ? (400, """{"Type":"ValidationException","Message":"A validation exception occurred","Elements":[{"ValidationErrors":[{"Message":"Account code '200' is not a valid code for this document."}]}]}""") : null;
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        for (var check = 0; check < 12; check++)
        {
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromHours(1));
            await CheckAsync(world);
        }
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.account_invalid"), row => row.Attempt.ShouldBe(2));
        await world.AdvanceAsync(TimeSpan.FromHours(25));
        await CheckAsync(world);
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.Attempt.ShouldBe(3);
    }

    [Fact]
    public async Task A_long_wait_costs_at_most_one_call_an_hour()
    {
        await using var world = await World.StartAsync(server, settings: PreFlight);
        await SetAsync(world, new { periodLockDate = Today });
        await world.PayAsync(await world.LinkAsync());
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromHours(8));
        var before = (await world.CallsAsync())["total"]!.GetValue<int>();
        for (var check = 0; check < 36; check++) // Three hours, a check every five minutes as the engine does.
        {
            await CheckAsync(world);
            await world.AdvanceAsync(TimeSpan.FromMinutes(5));
        }

        ((await world.CallsAsync())["total"]!.GetValue<int>() - before).ShouldBeInRange(3, 4);
    }

    [Theory]
    [InlineData(0, 5)]
    [InlineData(20, 5)]
    [InlineData(60, 15)]
    [InlineData(240, 60)]
    [InlineData(100_000, 60)]
    public void The_longer_nobody_mends_it_the_rarer_it_is_looked_at(int minutesSince, int minutes) => Causes.Patience(TimeSpan.FromMinutes(minutesSince)).ShouldBe(TimeSpan.FromMinutes(minutes));
}
