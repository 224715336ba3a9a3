using System.Globalization;
using System.Numerics;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>
/// What was charged is what the invoice totals and what the payment pays, for whatever currency, amount, policy and tax. Compared as digits with an exact implementation of
/// its own, which knows whole minor units and where Stripe puts the point, and shares nothing with the service.
/// </summary>
public sealed class MoneyTests(PostgresServer server)
{
    const int Rounds = 5;
    const int PaymentsOfARound = 110;

    static readonly string[] NoDecimals = ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
    static readonly string[] ThreeDecimals = ["BHD", "JOD", "KWD", "OMR", "TND"];
    /// <summary>Those that other tables get wrong (ISO 4217, or a payout's rules), and ordinary ones.</summary>
    static readonly string[] TwoDecimals = ["GBP", "USD", "EUR", "ISK", "UGX", "HUF", "TWD", "AED", "IDR"];
    static readonly string[] Currencies = [.. NoDecimals, .. ThreeDecimals, .. TwoDecimals];

    /// <param name="Minor">As Stripe sends it.</param>
    /// <param name="Asked">What the link asks for, in minor units.</param>
    sealed record Sale(Guid Link, string Payment, string Currency, BigInteger Minor, BigInteger Asked)
    {
        public bool Differs => Minor != Asked;
    }

    [Fact]
    public async Task Posted_totals_are_what_was_charged_whatever_the_currency_amount_policy_and_tax()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("PAYMENTSYNC_TEST_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}; PAYMENTSYNC_TEST_SEED={seed} plays it again");
        var random = new Random(seed);
        await using var world = await World.StartAsync(server);
        await OpenAccountsAsync(world);
        var sales = new List<Sale>();
        for (var round = 0; round < Rounds; round++)
        {
            var asCharged = round % 2 == 1;
            await world.PutOrganisationAsync(world.Organisation, body => Settings(body, asCharged, random));
            var those = Enumerable.Range(0, PaymentsOfARound).Select(number => Draw(random, $"pi_{round}_{number}")).ToList();
            await Parallel.ForEachAsync(those, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (sale, _) =>
            {
                await world.LinkAsync(Digits(sale.Asked, sale.Currency), sale.Currency, id: sale.Link);
                (await world.HearAsync(StripeEvents.Session(sale.Link, sale.Payment, (long)sale.Minor, sale.Currency.ToLowerInvariant()))).ShouldBe("COMPLETED", $"seed {seed}: {sale}");
            });
            if (!asCharged)
                await BookAsChargedAsync(world, those, seed);
            sales.AddRange(those);
        }

        await world.DrainAsync();

        await CheckLedgerAsync(world, sales, seed);
    }

    static async Task BookAsChargedAsync(World world, IEnumerable<Sale> sales, int seed)
    {
        foreach (var sale in sales.Where(sale => sale.Differs))
        {
            var invoice = (await world.PairAsync(sale.Link)).Invoice;
            invoice.Code.ShouldBe("payment.amount_mismatch", $"seed {seed}: {sale}");
            invoice.Message!.ShouldContain($"{Digits(sale.Minor, sale.Currency)} {sale.Currency}");
            invoice.Message!.ShouldContain($"{Digits(sale.Asked, sale.Currency)} {sale.Currency}");
            await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "bookAsCharged", ["reason"] = "agreed" }, expect: 202);
        }
    }

    static async Task CheckLedgerAsync(World world, List<Sale> sales, int seed)
    {
        (await world.RowsAsync()).Where(row => row.Status != "SUCCESS").Select(row => $"{row.Document} {row.Code} {row.Message}").ShouldBeEmpty($"seed {seed}");
        var ledger = await world.LedgerAsync();
        var invoices = ledger["invoices"]!.AsArray().ToDictionary(invoice => invoice!["invoiceId"]!.GetValue<string>(), StringComparer.Ordinal);
        var payments = ledger["payments"]!.AsArray().ToDictionary(payment => payment!["reference"]!.GetValue<string>(), StringComparer.Ordinal);
        (invoices.Count, payments.Count).ShouldBe((sales.Count, sales.Count), $"seed {seed}");
        foreach (var sale in sales)
        {
            var payment = payments[sale.Payment]!;
            var invoice = invoices[payment["invoiceId"]!.GetValue<string>()]!;
            var charged = Digits(sale.Minor, sale.Currency);
            (Text(invoice, "total"), Text(invoice, "amountDue"), Text(invoice, "status"), Text(invoice, "currencyCode"), Text(payment, "amount"), Text(payment, "accountCode"))
                .ShouldBe((charged, "0.00", "PAID", sale.Currency, charged, sale.Currency), $"seed {seed}: {sale}");
        }
        foreach (var account in sales.GroupBy(sale => sale.Currency, StringComparer.Ordinal))
            ledger["balances"]![account.Key]!.GetValue<string>().ShouldBe(Digits(account.Aggregate(BigInteger.Zero, (sum, sale) => sum + sale.Minor), account.Key), $"seed {seed}: the sum of {account.Key}");
        sales.Select(sale => sale.Currency).Distinct(StringComparer.Ordinal).Count().ShouldBeGreaterThan(20, $"seed {seed}: the draw is wide");
    }

    /// <summary>Every currency has a clearing account of its own, whose code is its own.</summary>
    static async Task OpenAccountsAsync(World world)
    {
        var tenant = (await world.LedgerAsync())["tenantId"]!.GetValue<string>();
        var order = new JsonObject
        {
            ["currencies"] = new JsonArray([.. Currencies.Select(currency => JsonValue.Create(currency))]),
            ["accounts"] = new JsonArray([.. Currencies.Select(currency => (JsonNode)new JsonObject { ["code"] = currency, ["type"] = "BANK", ["currencyCode"] = currency })]),
        };
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"/simulator/organisations/{tenant}") { Content = System.Net.Http.Json.JsonContent.Create(order) };
        using var answer = await world.Simulator.SendAsync(request);
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync());
    }

    static void Settings(JsonObject body, bool asCharged, Random random)
    {
        var booking = body["booking"]!.AsObject();
        booking["amountPolicy"] = asCharged ? "AsCharged" : "MustEqualLink";
        booking["lineAmountTypes"] = random.Next(2) == 0 ? "Inclusive" : "NoTax";
        booking["taxType"] = new[] { "OUTPUT2", "RROUTPUT", "ZERORATEDOUTPUT", "EXEMPTOUTPUT", "NONE" }[random.Next(5)];
        var accounts = new JsonObject();
        foreach (var currency in Currencies)
            accounts[currency] = currency;
        booking["clearingAccounts"] = new JsonObject { ["STRIPE"] = accounts };
    }

    static Sale Draw(Random random, string payment)
    {
        var currency = Currencies[random.Next(Currencies.Length)];
        var (minor, other) = (Minor(random, currency), Minor(random, currency));
        return new Sale(Guid.NewGuid(), payment, currency, minor, random.Next(8) == 0 ? other : minor);
    }

    /// <summary>From the smallest to the largest that Stripe charges: as many small ones as large ones. Three-decimal currencies are charged in tens.</summary>
    static BigInteger Minor(Random random, string currency)
    {
        var step = ThreeDecimals.Contains(currency, StringComparer.Ordinal) ? 10 : 1;
        var most = 999_999_999_999 / step;
        return step * random.Next(12) switch
        {
            0 => 1,
            1 => most,
            var digits => random.NextInt64(1, Math.Min(most, (long)BigInteger.Pow(10, digits)) + 1),
        };
    }

    /// <summary>Minor units with Stripe's point in them, to Xero's two decimals; by moving digits, not by dividing.</summary>
    static string Digits(BigInteger minor, string currency)
    {
        var decimals = NoDecimals.Contains(currency, StringComparer.Ordinal) ? 0 : ThreeDecimals.Contains(currency, StringComparer.Ordinal) ? 3 : 2;
        var text = minor.ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        var (whole, part) = (text[..^decimals], text[^decimals..].PadRight(2, '0'));
        part.Skip(2).ShouldAllBe(digit => digit == '0', "a third decimal cannot be booked");
        return $"{whole}.{part[..2]}";
    }

    static string? Text(JsonNode node, string name) => node[name]?.GetValue<string>();
}
