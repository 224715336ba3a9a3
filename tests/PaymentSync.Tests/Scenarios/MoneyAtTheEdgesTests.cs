using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Amounts that cannot be, accounts that are missing, days that are not everybody's.</summary>
public sealed class MoneyAtTheEdgesTests(PostgresServer server)
{
    [Theory]
    [InlineData("-12000")]
    [InlineData("-0")]
    [InlineData("1e3")]
    [InlineData("12000.0")]
    [InlineData("0.1")]
    [InlineData("1000000000000000000")]
    [InlineData("999999999999999999999999999999")]
    [InlineData("\"12000\"")]
    [InlineData("[12000]")]
    [InlineData("true")]
    [InlineData("null")]
    public async Task An_amount_that_is_no_amount_is_quarantined_and_never_a_number_in_the_books(string amount)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();

        var session = StripeEvents.Session(link, "pi_1", 12000).Replace("\"amount_total\": 12000", $"\"amount_total\": {amount}", StringComparison.Ordinal);
        var intent = StripeEvents.Intent(link, "pi_2", 12000).Replace("\"amount_received\": 12000", $"\"amount_received\": {amount}", StringComparison.Ordinal)
            .Replace("\"amount\": 12000", $"\"amount\": {amount}", StringComparison.Ordinal);

        (await world.HearAsync(session)).ShouldStartWith("QUARANTINED amount_total ");
        (await world.HearAsync(intent)).ShouldStartWith("QUARANTINED amount");
        (await world.RowsAsync()).ShouldBeEmpty();
        (await world.EventsAsync()).ShouldAllBe(told => told.Status == "QUARANTINED" && told.HasBody);
    }

    [Fact]
    public async Task A_third_decimal_is_held_with_a_sentence_and_never_rounded()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync("1.23", "KWD");

        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 1234, "kwd"))).ShouldBe("QUARANTINED The amount has three decimals; books are kept with two, and Stripe charges such currencies in tens only.");

        (await world.RowsAsync()).ShouldBeEmpty();
        (await world.GetAsync("/api/status"))["eventsWaiting"]!.GetValue<int>().ShouldBe(1);
        var byHand = new JsonObject { ["provider"] = "HEDERA", ["providerPaymentId"] = "0.0.1", ["amount"] = "1.234", ["currency"] = "KWD", ["paidAt"] = "2026-07-30T08:26:41Z", ["reason"] = "paid" };
        await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/confirmations", byHand, expect: 400);
        var refused = await Should.ThrowAsync<Npgsql.PostgresException>(() => world.AsWriterAsync(
            "SELECT paymentsync.confirm('STRIPE', 'self', 'evt_1', 'test', 'paid', 'pi_2', 1.234, 'KWD', paymentsync.now(), $1, $1::text, NULL, ''::bytea)", link));
        refused.SqlState.ShouldBe("22003", "whoever calls: the columns would round it in silence");
        (await world.HearAsync(StripeEvents.Session(link, "pi_3", 1230, "kwd"))).ShouldBe("COMPLETED");
        (await world.PairAsync(link)).Invoice.Amount.ShouldBe(1.23m);
    }

    [Fact]
    public async Task A_payment_in_a_currency_without_a_clearing_account_waits_visibly_for_the_setting_of_its_provider()
    {
        await using var world = await World.StartAsync(server);
        var (card, coin) = (await world.LinkAsync(currency: "EUR"), await world.LinkAsync(currency: "EUR"));
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["clearingAccounts"]!["STRIPE"]!.AsObject().Remove("EUR"));
        await world.PayAsync(card, "pi_1", currency: "eur");
        await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{coin}/confirmations",
            new JsonObject { ["provider"] = "HEDERA", ["providerPaymentId"] = "0.0.1@1", ["amount"] = "120.00", ["currency"] = "EUR", ["paidAt"] = "2026-07-30T08:26:41Z", ["reason"] = "paid in coin" });
        await world.DrainAsync();

        foreach (var (link, provider) in new[] { (card, "STRIPE"), (coin, "HEDERA") })
        {
            var invoice = (await world.PairAsync(link)).Invoice;
            (invoice.Status, invoice.Kind, invoice.Code).ShouldBe(("FAILED", "NEEDS_ACTION", "settings.clearing_account_missing"));
            invoice.Message!.ShouldContain($"booking.clearingAccounts.{provider}.EUR");
        }
        await world.PutOrganisationAsync(world.Organisation);
        await world.DrainAsync();

        (await world.RowsAsync(card)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.PairAsync(coin)).Invoice.Code.ShouldBe("settings.clearing_account_missing", "an account of one provider is none of another's");
        (await world.LedgerAsync())["balances"]!["092"]!.GetValue<string>().ShouldBe("120.00");
    }

    [Fact]
    public async Task A_clearing_account_that_can_hold_neither_currency_leaves_the_payment_visible_with_Xeros_words()
    {
        await using var world = await World.StartAsync(server);
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["clearingAccounts"]!["STRIPE"]!["USD"] = "092");
        var link = await world.LinkAsync(currency: "USD");
        await world.PayAsync(link, currency: "usd");

        await world.DrainAsync();

        (await world.LedgerAsync())["payments"]!.AsArray().ShouldBeEmpty();
        var stuck = (await world.RowsAsync(link)).Where(row => row.Status == "FAILED").ToList().ShouldHaveSingleItem();
        stuck.DueAt.ShouldBeNull("time does not mend it");
        stuck.Message!.ShouldContain("USD");
    }

    [Fact]
    public async Task What_is_sent_is_exact_decimal_text()
    {
        await using var world = await World.StartAsync(server);
        var amounts = new[] { "9999999999999999.99", "9007199254740993.01", "0.01", "0.10", "1.15", "100000000000000.00" };
        foreach (var (amount, number) in amounts.Select((amount, number) => (amount, number)))
        {
            var link = await world.LinkAsync(amount);
            await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/confirmations",
                new JsonObject { ["provider"] = "HEDERA", ["providerPaymentId"] = $"pay_{number}", ["amount"] = amount, ["currency"] = "GBP", ["paidAt"] = "2026-07-30T08:26:41Z", ["reason"] = "paid" });
        }
        await world.DrainAsync();

        var bodies = string.Concat(await SentAsync(world));
        foreach (var amount in amounts)
        {
            bodies.ShouldContain($"\"UnitAmount\":{amount},");
            bodies.ShouldContain($"\"Amount\":{amount},");
        }
        bodies.ShouldNotContain("CurrencyRate", customMessage: "no provider told one");
        (await world.LedgerAsync())["balances"]!["090"]!.GetValue<string>().ShouldBe("19107199254740994.26");
    }

    [Fact]
    public async Task Documents_bear_the_day_of_the_first_event_that_told_of_the_payment()
    {
        await using var world = await World.StartAsync(server);
        await world.PutOrganisationAsync(world.Organisation, body => body["timeZone"] = "UTC");
        var (early, late) = (Guid.NewGuid(), Guid.NewGuid());

        // 2026-07-30T23:59:59Z, and a second later, before the link is known.
        (await world.HearAsync(StripeEvents.Session(early, "pi_1", 12000, created: 1785455999))).ShouldBe("UNMATCHED link.unknown");
        await world.LinkAsync(id: early, organisation: world.Organisation);
        await world.HearAsync(StripeEvents.Intent(early, "pi_1", 12000, created: 1785456000));
        (await world.HearAsync(StripeEvents.Session(late, "pi_2", 12000, created: 1785455999))).ShouldBe("UNMATCHED link.unknown");
        await world.Database.ExecuteAsync("INSERT INTO payment_links (id, organization_id, short_code, status, amount, currency, invoice_currency, description, updated_at) VALUES ($1, $2, 'HOSTMADE', 'OPEN', 120, 'GBP', 'GBP', 'x', paymentsync.now())", late, world.Organisation);
        (await world.HearAsync(StripeEvents.Intent(late, "pi_2", 12000, created: 1785456000))).ShouldBe("COMPLETED", "it takes the waiting event over");

        foreach (var link in new[] { early, late })
        {
            var (invoice, payment) = await world.PairAsync(link);
            (invoice.Json.GetProperty("date").GetString(), payment.Json.GetProperty("date").GetString()).ShouldBe(("2026-07-30", "2026-07-30"));
        }
        await world.DrainAsync();
        var ledger = await world.LedgerAsync();
        ledger["invoices"]!.AsArray().Concat(ledger["payments"]!.AsArray()).ShouldAllBe(document => document!["date"]!.GetValue<string>() == "2026-07-30");
        (string.Concat(await SentAsync(world)).Split("\"Date\":\"2026-07-30\",\"DueDate\":\"2026-07-30\"").Length - 1).ShouldBe(2);
    }

    /// <summary>The bodies of all requests to Xero, as they were journalled and sent.</summary>
    internal static Task<IReadOnlyList<string>> SentAsync(World world) => world.Database.QueryAsync("SELECT body FROM paymentsync.requests ORDER BY sent_at, id", reader =>
    {
        using var unpacked = new BrotliStream(new MemoryStream(reader.GetFieldValue<byte[]>(0)), CompressionMode.Decompress);
        using var text = new StreamReader(unpacked, Encoding.UTF8);
        return text.ReadToEnd();
    });
}
