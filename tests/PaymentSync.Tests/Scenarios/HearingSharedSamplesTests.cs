using System.Globalization;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Realistic event bodies posted as they lie: the bytes unchanged, signed as Stripe signs.</summary>
public sealed class HearingSharedSamplesTests(PostgresServer server)
{
    const string CardLink = "plink_1SampleA000000000000001";
    const string DebitLink = "plink_1SampleB000000000000001";
    const string NothingBooked = "IGNORED Events of this type book nothing.";

    /// <summary>What a fresh world with both links registered answers to each file alone; whatever is not here books nothing.</summary>
    static readonly Dictionary<string, string> Answers = new(StringComparer.Ordinal)
    {
        ["checkout.session.completed.json"] = "IGNORED link.not_named",
        ["checkout.session.async_payment_succeeded.json"] = "COMPLETED",
        ["checkout.session.async_payment_failed.json"] = "COMPLETED",
        ["checkout.session.expired.json"] = "COMPLETED",
        ["payment_intent.succeeded.json"] = "IGNORED link.not_named",
        ["payment_intent.payment_failed.json"] = "IGNORED link.not_named",
        ["modern/A2.payment_intent.succeeded.json"] = "IGNORED link.not_named",
        ["modern/A3.checkout.session.completed.json"] = "COMPLETED",
        ["modern/B1.checkout.session.completed.unpaid.json"] = "COMPLETED",
        ["modern/B9.checkout.session.expired.json"] = "COMPLETED",
    };

    [Fact]
    public async Task A_payment_intent_that_names_no_link_before_its_session_makes_one_invoice_and_one_payment()
    {
        var (intent, session) = (Sample("modern/A2.payment_intent.succeeded.json"), Sample("modern/A3.checkout.session.completed.json"));
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync(stripePaymentLink: CardLink);

        (await world.HearAsync(intent)).ShouldBe("IGNORED link.not_named");
        (await world.RowsAsync()).ShouldBeEmpty("an event without a link claims nothing");
        (await world.HearAsync(session)).ShouldBe("COMPLETED");
        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Payment, invoice.Amount, payment.Payment, payment.Amount).ShouldBe(("pi_3SampleA0000000000000001", 120.00m, "pi_3SampleA0000000000000001", 120.00m));
        await world.DrainAsync();

        var ledger = await world.LedgerAsync();
        ledger["invoices"]!.AsArray().ShouldHaveSingleItem()!["total"]!.GetValue<string>().ShouldBe("120.00");
        ledger["payments"]!.AsArray().ShouldHaveSingleItem()!["reference"]!.GetValue<string>().ShouldBe("pi_3SampleA0000000000000001");
        ledger["balances"]!["090"]!.GetValue<string>().ShouldBe("120.00");
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(20, false)]
    [InlineData(300, false)]
    [InlineData(4000, false)]
    [InlineData(5, true)]
    [InlineData(6, true)]
    public async Task Any_order_of_the_modern_set_makes_the_same_rows(int seed, bool atOnce)
    {
        var files = Files().Where(file => file.StartsWith("modern/", StringComparison.Ordinal) && !file.StartsWith("modern/api/", StringComparison.Ordinal)).ToArray();
        files.Length.ShouldBe(15);
        // Everything comes twice, the second time anywhere.
        var deliveries = files.Concat(files).ToArray();
        new Random(seed).Shuffle(deliveries);
        await using var world = await World.StartAsync(server);
        var (card, debit) = await LinksAsync(world);

        if (atOnce)
            await Task.WhenAll(deliveries.Select(file => world.HearAsync(Sample(file))));
        else
        {
            foreach (var file in deliveries)
                await world.HearAsync(Sample(file));
        }

        (await world.RowsAsync()).Select(row => $"{row.Type} {row.Status} {row.Number} {row.Payment} {row.Amount} {row.Json.GetProperty("date")} {row.Code}").ShouldBe(
        [
            "INVOICE PENDING PL-CARD pi_3SampleA0000000000000001 120.00 2026-07-30 ",
            "PAYMENT PENDING pi_3SampleA0000000000000001 pi_3SampleA0000000000000001 120.00 2026-07-30 waiting.invoice",
        ], customMessage: $"seed {seed}");
        (await world.EventsAsync()).Select(told => $"{told.Fact} {told.Payment} {told.Became} {(told.Link == card ? "card" : told.Link == debit ? "debit" : "-")}").Order(StringComparer.Ordinal).ToArray().ShouldBe(
        [
            "expired cs_test_SampleB00000000000000000000000000000000000000000000000002 COMPLETED debit",
            "paid pi_3SampleA0000000000000001 COMPLETED card",
            "paid pi_3SampleA0000000000000001 IGNORED link.not_named -",
            "unpaid pi_3SampleB0000000000000001 COMPLETED debit",
        ], customMessage: $"seed {seed}");
        await world.DrainAsync();
        (await world.RowsAsync(card)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Every_sample_is_answered_200_leaves_the_right_rows_and_changes_nothing_the_second_time()
    {
        var files = Files();
        Answers.Keys.Except(files, StringComparer.Ordinal).ShouldBeEmpty();
        await using var world = await World.StartAsync(server);
        var (card, debit) = await LinksAsync(world);
        // The one debit payment fails and succeeds in these samples; which comes first changes who is SUPERSEDED, so the order is fixed here.
        var wrong = new List<string>();
        foreach (var file in files.OrderByDescending(file => file.Contains("async_payment_failed", StringComparison.Ordinal)).ThenByDescending(file => file.StartsWith("modern", StringComparison.Ordinal)))
        {
            var heard = await world.HearAsync(Sample(file));
            var expected = file.StartsWith("modern/api/", StringComparison.Ordinal) ? "QUARANTINED This is an object of Stripe's, but no event."
                : Answers.GetValueOrDefault(file, NothingBooked);
            // The same facts and event ids lie in several files.
            expected = file switch
            {
                "modern/B1.checkout.session.completed.unpaid.json" => "SUPERSEDED",
                "checkout.session.expired.json" or "payment_intent.payment_failed.json" or "payment_intent.succeeded.json" => "DUPLICATE*",
                _ => expected,
            };
            if (heard != expected && !(expected == "DUPLICATE*" && heard.StartsWith("DUPLICATE", StringComparison.Ordinal)))
                wrong.Add($"{file}: {heard}, not {expected}");
        }
        wrong.ShouldBeEmpty();
        var (rows, events) = (await world.RowsAsync(), await world.EventsAsync());
        rows.Select(row => string.Create(CultureInfo.InvariantCulture, $"{(row.Link == card ? "card" : "debit")} {row.Type} {row.Status} {row.Payment} {row.Amount}")).Order(StringComparer.Ordinal).ToArray().ShouldBe(
        [
            "card INVOICE PENDING pi_3SampleA0000000000000001 120.00",
            "card PAYMENT PENDING pi_3SampleA0000000000000001 120.00",
            "debit INVOICE PENDING pi_3SampleB0000000000000001 30.00",
            "debit PAYMENT PENDING pi_3SampleB0000000000000001 30.00",
        ]);
        events.Where(told => told.Status != "QUARANTINED").Select(told => $"{told.Fact} {told.Payment} {told.Became}").Order(StringComparer.Ordinal).ToArray().ShouldBe(
        [
            "expired cs_test_SampleB00000000000000000000000000000000000000000000000002 COMPLETED",
            "failed pi_3SampleB0000000000000001 SUPERSEDED fact.superseded",
            "paid pi_000000000000000000000000 IGNORED link.not_named",
            "paid pi_3SampleA0000000000000001 COMPLETED",
            "paid pi_3SampleA0000000000000001 IGNORED link.not_named",
            "paid pi_3SampleB0000000000000001 COMPLETED",
            "unpaid pi_3SampleB0000000000000001 SUPERSEDED",
        ]);
        events.Count(told => told.Status == "QUARANTINED").ShouldBe(files.Count(file => file.StartsWith("modern/api/", StringComparison.Ordinal)));

        foreach (var file in files)
            await world.HearAsync(Sample(file));

        (await world.RowsAsync()).ShouldBe(rows);
        (await world.EventsAsync()).ShouldBe(events);
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    static async Task<(Guid Card, Guid Debit)> LinksAsync(World world) => (
        await world.LinkAsync(stripePaymentLink: CardLink, change: link => link["shortCode"] = "CARD"),
        await world.LinkAsync("30.00", "EUR", DebitLink, change: link => link["shortCode"] = "DEBIT"));

    static string[] Files()
    {
        var folder = Path.Combine(SharedData.RequireFolder(), "stripe-events");
        return [.. Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/')).Order(StringComparer.Ordinal)];
    }

    static byte[] Sample(string file) => File.ReadAllBytes(Path.Combine(SharedData.RequireFolder(), "stripe-events", file));
}
