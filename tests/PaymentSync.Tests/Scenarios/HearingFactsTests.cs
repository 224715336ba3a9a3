using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>What a payment's facts do to each other, in every order: paid &gt; failed = expired &gt; unpaid.</summary>
public sealed class HearingFactsTests(PostgresServer server)
{
    const string Succeeded = "checkout.session.async_payment_succeeded";
    const string Failed = "checkout.session.async_payment_failed";
    const string Expired = "checkout.session.expired";

    static string Told(string fact, Guid link, string payment = "pi_1") => fact switch
    {
        "paid" => StripeEvents.Session(link, payment, 12000, type: Succeeded),
        "unpaid" => StripeEvents.Session(link, payment, 12000, paymentStatus: "unpaid"),
        "failed" => StripeEvents.Session(link, payment, 12000, type: Failed, paymentStatus: "unpaid"),
        "intent failed" => StripeEvents.Intent(link, payment, 12000, type: "payment_intent.payment_failed"),
        "expired" => StripeEvents.Session(link, payment, 12000, type: Expired, paymentStatus: "unpaid"),
        _ => throw new ArgumentOutOfRangeException(nameof(fact)),
    };

    static readonly (string Order, string Expected)[] Orders =
    [
        ("unpaid,paid", "paid COMPLETED|unpaid SUPERSEDED fact.superseded"),
        ("paid,unpaid", "paid COMPLETED|unpaid SUPERSEDED"),
        ("paid,failed", "failed SUPERSEDED|paid COMPLETED"),
        ("failed,paid", "failed SUPERSEDED fact.superseded|paid COMPLETED"),
        ("paid,expired", "expired SUPERSEDED|paid COMPLETED"),
        ("unpaid,failed", "failed COMPLETED|unpaid SUPERSEDED fact.superseded"),
        ("failed,unpaid", "failed COMPLETED|unpaid SUPERSEDED"),
        ("failed,expired", "expired COMPLETED|failed COMPLETED"),
        ("unpaid,intent failed,failed,paid,unpaid,failed,expired", "expired SUPERSEDED|failed SUPERSEDED fact.superseded|paid COMPLETED|unpaid SUPERSEDED fact.superseded"),
    ];

    [Fact]
    public async Task A_lower_fact_undoes_nothing_and_a_higher_one_supersedes_it()
    {
        await using var world = await World.StartAsync(server);
        var links = new Dictionary<string, Guid>(StringComparer.Ordinal);
        foreach (var (order, _) in Orders)
        {
            links[order] = await world.LinkAsync();
            foreach (var fact in order.Split(','))
                await world.HearAsync(Told(fact, links[order], $"pi_{order.Replace(',', '_').Replace(' ', '_')}"));
        }

        var events = await world.EventsAsync();
        foreach (var (order, expected) in Orders)
            string.Join('|', events.Where(told => told.Link == links[order]).Select(told => $"{told.Fact} {told.Became}").Order(StringComparer.Ordinal)).ShouldBe(expected, order);
        await world.DrainAsync();
        var rows = await world.RowsAsync();
        rows.ShouldAllBe(row => row.Status == "SUCCESS");
        foreach (var (order, link) in links)
            rows.Count(row => row.Link == link).ShouldBe(order.Split(',').Contains("paid", StringComparer.Ordinal) ? 2 : 0, order);

        // Everything once more, after it was booked.
        foreach (var (order, link) in links)
        {
            foreach (var fact in order.Split(','))
                (await world.HearAsync(Told(fact, link, $"pi_{order.Replace(',', '_').Replace(' ', '_')}"))).Split(' ')[0].ShouldBe("DUPLICATE", order);
        }
        (await world.RowsAsync()).ShouldBe(rows);
        (await world.EventsAsync()).ShouldBe(events);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public async Task All_facts_of_many_payments_at_once_end_the_same(int seed)
    {
        await using var world = await World.StartAsync(server);
        var links = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => world.LinkAsync()));
        var deliveries = links.SelectMany((link, number) => new[] { "paid", "paid", "unpaid", "failed", "intent failed", "expired" }.Select(fact => Told(fact, link, $"pi_{number}"))).ToArray();
        new Random(seed).Shuffle(deliveries);

        await Task.WhenAll(deliveries.Select(world.HearAsync));

        var events = await world.EventsAsync();
        events.Count.ShouldBe(8 * 4);
        events.ShouldAllBe(told => told.Status == (told.Fact == "paid" ? "COMPLETED" : "SUPERSEDED"), $"seed {seed}");
        (await world.RowsAsync()).Count.ShouldBe(16);
    }

    [Fact]
    public async Task Nothing_owed_is_completed_and_books_nothing()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();

        (await world.HearAsync(StripeEvents.Session(link, payment: null, 0, paymentStatus: "no_payment_required", session: "cs_free"))).ShouldBe("COMPLETED nothing_to_book");
        (await world.HearAsync(StripeEvents.Session(link, "pi_zero", 0))).ShouldBe("COMPLETED nothing_to_book");
        (await world.HearAsync(StripeEvents.Session(link, "pi_zero", 0))).ShouldBe("DUPLICATE nothing_to_book");

        (await world.RowsAsync()).ShouldBeEmpty();
        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe("COMPLETED");
        (await world.RowsAsync(link)).Count.ShouldBe(2, "a later real payment is booked");
    }

    [Fact]
    public async Task Money_told_after_nothing_for_the_same_payment_is_booked()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.HearAsync(StripeEvents.Session(link, "pi_1", 0));

        (await world.HearAsync(StripeEvents.Intent(link, "pi_1", 12000))).ShouldBe("COMPLETED");

        (await world.RowsAsync(link)).Count.ShouldBe(2);
        (await world.EventsAsync()).ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            told => told.Became.ShouldBe("COMPLETED"),
            told => told.Amount.ShouldBe(120.00m));
    }

    [Theory]
    [InlineData("subscription")]
    [InlineData("setup")]
    public async Task Sessions_of_other_modes_are_of_no_interest(string mode)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();

        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000, mode: mode))).ShouldStartWith("IGNORED Only checkout sessions in payment mode are booked");

        (await world.RowsAsync()).ShouldBeEmpty();
        (await world.EventsAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Events_of_the_other_mode_are_ignored_and_stay_so(bool livemode)
    {
        await using var world = await World.StartAsync(server, settings: new() { ["Stripe:Livemode"] = livemode ? "true" : "false" });
        var link = await world.LinkAsync();
        var other = StripeEvents.Session(link, "pi_1", 12000, livemode: !livemode);

        (await world.HearAsync(other)).ShouldBe("IGNORED event.other_mode");
        (await world.HearAsync(other)).ShouldBe("IGNORED event.other_mode");

        (await world.RowsAsync()).ShouldBeEmpty();
        (await world.EventsAsync()).ShouldHaveSingleItem().Became.ShouldBe("IGNORED event.other_mode");
        await world.AdvanceAsync(TimeSpan.FromHours(2));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/unlinked-payments/run");
        (await world.EventsAsync()).ShouldHaveSingleItem().Status.ShouldBe("IGNORED", "no real money");
        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000, livemode: livemode))).ShouldBe("COMPLETED");
    }

    [Theory]
    [InlineData("jpy", 500, "500.00", "095")]
    [InlineData("usd", 12050, "120.50", "091")]
    public async Task Minor_units_are_read_by_Stripes_table(string currency, long minor, string amount, string account)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync(amount, currency.ToUpperInvariant());

        await world.HearAsync(StripeEvents.Session(link, "pi_1", minor, currency));
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Json.GetProperty("total").GetString(), payment.Json.GetProperty("amount").GetString(), payment.Json.GetProperty("accountCode").GetString()).ShouldBe((amount, amount, account));
    }

    [Fact]
    public async Task The_longest_ids_that_Stripe_may_send_are_booked()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        var payment = "pi_" + new string('x', 252);
        var body = JsonNode.Parse(StripeEvents.Session(link, payment, 12000, session: "cs_" + new string('y', 252)))!;
        body["account"] = "acct_" + new string('z', 250);
        body["id"] = "evt_" + new string('w', 251);

        (await world.HearAsync(body.ToJsonString())).ShouldBe("COMPLETED");

        (await world.PairAsync(link)).Payment.Number.ShouldBe(payment);
    }
}
