using System.Globalization;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Cli;

public sealed class DemoTests(PostgresServer server)
{
    // As in production: payments that come within it go to Xero together.
    static readonly Dictionary<string, string> Unhurried = OAuthBrowser.Settings(("Worker:WakeDelay", "00:00:00.75"));

    [Fact]
    public async Task The_demo_brings_every_paid_link_to_SUCCESS_and_the_books_agree_to_the_cent_twice_on_the_same_data()
    {
        await using var world = await World.StartAsync(server, connected: false, worker: true, Unhurried);

        foreach (var run in new[] { 1, 2 })
        {
            var played = await DemoAsync(world, "--json");

            played.Error.ShouldBeEmpty();
            played.ExitCode.ShouldBe(0);
            var figures = JsonNode.Parse(played.Output)!;
            Count(figures, "deliveries").ShouldBeGreaterThanOrEqualTo(240);
            Count(figures, "refused").ShouldBe(10);
            Count(figures, "duplicates").ShouldBeGreaterThan(20);
            figures["rows"]!.AsArray().Select(row => $"{row!["status"]} {row["syncType"]} {row["rows"]}").ShouldBe(["FAILED INVOICE 1", "PENDING PAYMENT 1", "SUCCESS INVOICE 120", "SUCCESS PAYMENT 120"]);
            // 9 for 120 when nothing else keeps the machine busy: three reads of the settings, and six batches.
            decimal.Parse(figures["callsPerPayment"]!.ToJsonString(), CultureInfo.InvariantCulture).ShouldBeLessThan(0.5m);

            var ledger = await world.LedgerAsync();
            ledger["invoices"]!.AsArray().Count.ShouldBe(120 * run);
            ledger["payments"]!.AsArray().Count.ShouldBe(120 * run);
            (await BookedAsync(world)).ShouldBe(ledger["balances"]!.AsObject().ToDictionary(balance => balance.Key, balance => decimal.Parse(balance.Value!.GetValue<string>(), CultureInfo.InvariantCulture), StringComparer.Ordinal), ignoreOrder: true);
        }
    }

    [Fact]
    public async Task The_demo_says_in_plain_lines_what_came_of_it_and_with_which_command_the_rest_is_settled()
    {
        await using var world = await World.StartAsync(server, connected: false, worker: true, Unhurried);

        var played = await DemoAsync(world);

        played.ExitCode.ShouldBe(0, played.Error);
        played.Output.ShouldNotContain("\u001b");
        played.Output.ShouldContain("120 of 120 invoices and 120 of 120 payments are SUCCESS");
        played.Output.ShouldContain("10, all refused with 400");
        var held = (await world.RowsAsync()).Single(row => row.Code == "payment.amount_mismatch");
        played.Output.ShouldContain($"paymentsync resolve {held.Id} bookAsCharged --reason");
        var second = (await world.GetAsync("/api/events?status=NEEDS_ACTION"))["items"]!.AsArray().ShouldHaveSingleItem()!;
        var settled = $"events resolve {second["id"]} settledElsewhere --reason";
        played.Output.ShouldContain($"paymentsync {settled}");

        (await Paymentsync.RunAsync(world, [.. settled.Split(' '), "refunded in Stripe"])).ExitCode.ShouldBe(0);
        (await world.GetAsync("/api/events?status=NEEDS_ACTION"))["items"]!.AsArray().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_payment_that_Xero_has_and_no_row_knows_is_said_and_fails_the_demo()
    {
        await using var world = await World.StartAsync(server, connected: false, worker: true, Unhurried);
        (await DemoAsync(world)).ExitCode.ShouldBe(0);
        world.SkipAudit();
        await world.Database.ExecuteAsync("ALTER TABLE xero_syncs DISABLE TRIGGER ALL");
        await world.Database.ExecuteAsync("UPDATE xero_syncs SET amount = amount + 0.01 WHERE id = (SELECT id FROM xero_syncs WHERE sync_type = 'PAYMENT' AND status = 'SUCCESS' AND currency = 'EUR' LIMIT 1)");

        var again = await DemoAsync(world, "--patience", "2");

        again.ExitCode.ShouldBe(1);
        again.Error.ShouldContain("Clearing account 092 has");
    }

    static Task<Paymentsync.Result> DemoAsync(World world, params string[] more) =>
        Paymentsync.RunAsync(world, ["demo", "--simulator", world.Simulator.BaseAddress!.ToString(), "--stripe-secret", World.WebhookSecret, .. more]);

    static int Count(JsonNode figures, string name) => figures[name]!.GetValue<int>();

    static async Task<Dictionary<string, decimal>> BookedAsync(World world) => (await world.Database.QueryAsync(
        "SELECT request_payload ->> 'accountCode', sum(amount) FROM xero_syncs WHERE sync_type = 'PAYMENT' AND status = 'SUCCESS' GROUP BY 1",
        reader => (Account: reader.GetString(0), Sum: reader.GetDecimal(1)))).ToDictionary(booked => booked.Account, booked => booked.Sum, StringComparer.Ordinal);
}
