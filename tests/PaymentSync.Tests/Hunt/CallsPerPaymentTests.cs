using System.Globalization;
using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Jobs;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Hunt;

/// <summary>
/// What a payment costs in calls, the resource that binds. The backlog is confirmed by the service's own statement, without HTTP for each; from there on all is as
/// ever. <c>PAYMENTSYNC_HUNT_PAYMENTS</c> says how many (2,000 otherwise); it is calls that are counted, not time.
/// </summary>
public sealed class CallsPerPaymentTests(PostgresServer server)
{
    static readonly int Payments = int.TryParse(Environment.GetEnvironmentVariable("PAYMENTSYNC_HUNT_PAYMENTS"), CultureInfo.InvariantCulture, out var given) ? given : 2000;

    [Fact]
    public async Task A_clean_backlog_costs_at_most_a_twentieth_of_a_call_for_each_payment() => await DrainAsync(atMost: 0.05m, unknown: 0);

    [Fact]
    public async Task With_a_tenth_of_the_calls_ending_unknown_it_costs_at_most_a_tenth() => await DrainAsync(atMost: 0.1m, unknown: 0.1);

    async Task DrainAsync(decimal atMost, double unknown)
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:CallTimeout"] = "00:00:30", ["Worker:TimeSlice"] = "00:05:00" }, chance: new SeededChance());
        await ConfirmAsync(world);
        if (unknown > 0)
        {
            var probabilities = new Dictionary<string, double>(StringComparer.Ordinal) { ["commit-then-reset"] = unknown / 2, ["reset-before"] = unknown / 2 };
            (await world.Simulator.PostAsJsonAsync("/simulator/chaos", new { seed = 1, probabilities })).EnsureSuccessStatusCode();
        }
        var services = world.Service.Services;
        for (var round = 0; await UnfinishedAsync(world); round++)
        {
            round.ShouldBeLessThan(2000, "it does not come to an end");
            foreach (var organisation in await services.GetRequiredService<Sweep>().RunAsync(CancellationToken.None))
                await services.GetRequiredService<Drain>().RunAsync(organisation, CancellationToken.None);
            await world.AdvanceAsync(TimeSpan.FromSeconds(20));
        }
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        var calls = await world.CallsAsync();
        var each = calls["total"]!.GetValue<decimal>() / Payments;
        TestContext.Current.TestOutputHelper!.WriteLine($"{Payments} payments with {unknown:P0} unknown outcomes: {calls["total"]} calls, {each:0.0000} for each payment; {calls["byResource"]!.ToJsonString()}");
        each.ShouldBeLessThanOrEqualTo(atMost);
    }

    /// <summary>As many links and their confirmations as asked for, some hundred in a transaction.</summary>
    static async Task ConfirmAsync(World world)
    {
        const int atOnce = 500;
        for (var first = 1; first <= Payments; first += atOnce)
        {
            await world.AsWriterAsync("""
                INSERT INTO payment_links (id, organization_id, short_code, status, amount, currency, invoice_currency, description, customer_name, created_at, updated_at)
                SELECT md5('link ' || n)::uuid, $1, 'C' || n, 'OPEN', n / 100.0, 'GBP', 'GBP', 'Order ' || n, 'Payer ' || n % 100, paymentsync.now(), paymentsync.now() FROM generate_series($2::int, $3::int) n
                """, world.Organisation, first, Math.Min(first + atOnce - 1, Payments));
            await world.AsWriterAsync("""
                SELECT paymentsync.confirm('STRIPE', 'self', 'evt_' || n, 'checkout.session.completed', 'paid', 'pi_' || n, n / 100.0, 'GBP', paymentsync.now(), md5('link ' || n)::uuid, md5('link ' || n)::uuid::text, NULL::text, ''::bytea)
                  FROM generate_series($1::int, $2::int) n
                """, first, Math.Min(first + atOnce - 1, Payments));
        }
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs")).ShouldBe(2 * Payments);
    }

    static async Task<bool> UnfinishedAsync(World world) => await world.Database.ScalarAsync<bool>("SELECT EXISTS (SELECT 1 FROM xero_syncs WHERE status <> 'SUCCESS')");
}
