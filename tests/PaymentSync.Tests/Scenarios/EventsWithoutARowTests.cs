using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Money that fits no row is visible, and finds its row later: by another event, by the registration of its link, or by a person.</summary>
public sealed class EventsWithoutARowTests(PostgresServer server)
{
    [Fact]
    public async Task An_event_of_an_unknown_link_waits_visibly_and_a_later_event_of_the_same_payment_takes_it_over()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync(stripePaymentLink: "plink_1");

        (await world.HearAsync(StripeEvents.Session(Guid.NewGuid(), "pi_1", 12000))).ShouldBe("UNMATCHED link.unknown");

        var waiting = (await world.GetAsync("/api/events?status=UNMATCHED"))["items"]!.AsArray().ShouldHaveSingleItem()!;
        (waiting["providerPaymentId"]!.GetValue<string>(), waiting["amount"]!.GetValue<string>(), waiting["reason"]!.GetValue<string>()).ShouldBe(("pi_1", "120.00", "link.unknown"));
        (await world.GetAsync("/api/status"))["eventsWaiting"]!.GetValue<int>().ShouldBe(1);
        (await world.RowsAsync()).ShouldBeEmpty();

        (await world.HearAsync(StripeEvents.Session(null, "pi_1", 12000, plink: "plink_1"))).ShouldBe("COMPLETED");

        (await world.RowsAsync(link)).Count.ShouldBe(2);
        (await world.EventsAsync()).ShouldHaveSingleItem().Became.ShouldBe("COMPLETED");
        (await world.GetAsync("/api/status"))["eventsWaiting"]!.GetValue<int>().ShouldBe(0);
    }

    [Theory]
    [InlineData("D")]
    [InlineData("N")]
    [InlineData("upper")]
    [InlineData("plink")]
    public async Task Registering_the_link_makes_the_rows_of_the_payment_that_came_before(string named)
    {
        await using var world = await World.StartAsync(server);
        var link = Guid.NewGuid();
        var reference = named switch { "N" => link.ToString("N"), "upper" => link.ToString().ToUpperInvariant(), _ => link.ToString() };
        var body = named == "plink" ? StripeEvents.Session(null, "pi_1", 12000, plink: "plink_later") : StripeEvents.Session(link, "pi_1", 12000).Replace(link.ToString(), reference, StringComparison.Ordinal);
        (await world.HearAsync(body)).ShouldBe("UNMATCHED link.unknown");

        await world.LinkAsync(id: link, stripePaymentLink: "plink_later");

        (await world.PairAsync(link)).Invoice.Payment.ShouldBe("pi_1");
        (await world.HearAsync(body)).ShouldBe("DUPLICATE");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Two_events_of_one_payment_that_name_different_unknown_links_find_either()
    {
        await using var world = await World.StartAsync(server);
        var link = Guid.NewGuid();
        await world.HearAsync(StripeEvents.Intent(link, "pi_1", 12000));
        (await world.HearAsync(StripeEvents.Session(null, "pi_1", 12000, plink: "plink_never_registered"))).ShouldBe("UNMATCHED link.unknown");

        await world.LinkAsync(id: link);

        (await world.RowsAsync(link)).Count.ShouldBe(2);
        (await world.EventsAsync()).ShouldHaveSingleItem().Became.ShouldBe("COMPLETED");
    }

    [Fact]
    public async Task Replaying_an_event_hears_it_again_and_says_what_became_of_it()
    {
        await using var world = await World.StartAsync(server);
        var link = Guid.NewGuid();
        await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000));
        var waiting = (await world.EventsAsync()).ShouldHaveSingleItem();

        (await ReplayAsync(world, waiting.Id))["outcome"]!.GetValue<string>().ShouldBe("UNMATCHED");
        // As a host application makes its links: nobody tells us.
        await world.Database.ExecuteAsync("""
            INSERT INTO payment_links (id, organization_id, short_code, status, amount, currency, invoice_currency, description, updated_at)
            VALUES ($1, $2, 'HOSTLINK', 'OPEN', 120, 'GBP', 'GBP', 'Order', now())
            """, link, world.Organisation);
        (await ReplayAsync(world, waiting.Id))["outcome"]!.GetValue<string>().ShouldBe("COMPLETED");

        (await world.RowsAsync(link)).Count.ShouldBe(2);
        await world.SendAsync(HttpMethod.Post, $"/api/events/{waiting.Id}/replay", new JsonObject(), expect: 409);
        await world.SendAsync(HttpMethod.Post, $"/api/events/{Guid.NewGuid()}/replay", new JsonObject(), expect: 404);
    }

    [Fact]
    public async Task Attaching_an_event_to_a_link_books_it_there()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.HearAsync(StripeEvents.Session(Guid.NewGuid(), "pi_1", 12000));
        var waiting = (await world.EventsAsync()).ShouldHaveSingleItem();

        await ResolveAsync(world, waiting.Id, "attach", link: Guid.NewGuid(), expect: 400);
        await ResolveAsync(world, waiting.Id, "attach", expect: 400);
        await ResolveAsync(world, waiting.Id, "attach", link: link, reason: " ", expect: 400);
        await ResolveAsync(world, Guid.NewGuid(), "attach", link: link, expect: 404);
        (await ResolveAsync(world, waiting.Id, "attach", link: link))["outcome"]!.GetValue<string>().ShouldBe("COMPLETED");
        await ResolveAsync(world, waiting.Id, "attach", link: link, expect: 409);

        (await world.EventsAsync()).ShouldHaveSingleItem().Link.ShouldBe(link);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Theory]
    [InlineData("settledElsewhere")]
    [InlineData("ignore")]
    public async Task What_a_person_settled_stays_settled_whatever_comes_again(string action)
    {
        await using var world = await World.StartAsync(server);
        var link = Guid.NewGuid();
        await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000));
        var waiting = (await world.EventsAsync()).ShouldHaveSingleItem();

        await ResolveAsync(world, waiting.Id, action);
        await ResolveAsync(world, waiting.Id, action, expect: 409);
        await world.LinkAsync(id: link);
        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe($"DUPLICATE resolved.{action}");

        (await world.RowsAsync()).ShouldBeEmpty();
        (await world.EventsAsync()).ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            told => told.Became.ShouldBe($"IGNORED resolved.{action}"),
            told => told.Message.ShouldBe("checked with the bank"));
        (await world.GetAsync("/api/status"))["eventsWaiting"]!.GetValue<int>().ShouldBe(0);
    }

    [Fact]
    public async Task A_quarantined_event_can_be_ignored_but_not_attached()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.HearAsync("{}");
        var kept = (await world.EventsAsync()).ShouldHaveSingleItem();

        await ResolveAsync(world, kept.Id, "attach", link: link, expect: 409);
        (await world.EventsAsync()).ShouldHaveSingleItem().Status.ShouldBe("QUARANTINED");
        await ResolveAsync(world, kept.Id, "ignore");
        (await world.HearAsync("{}")).ShouldStartWith("QUARANTINED");
        (await world.EventsAsync()).ShouldHaveSingleItem().Status.ShouldBe("IGNORED", "a person saw this body already");
    }

    [Fact]
    public async Task Money_without_a_link_is_made_visible_after_an_hour_and_a_later_session_takes_it_over()
    {
        await using var world = await World.StartAsync(server);
        (await world.HearAsync(StripeEvents.Intent(null, "pi_1", 12000))).ShouldBe("IGNORED link.not_named");
        await world.HearAsync(StripeEvents.Intent(null, "pi_1", 12000));
        await world.HearAsync(StripeEvents.Intent(null, "pi_2", 0));
        await world.HearAsync(StripeEvents.Intent(null, "pi_3", 500, type: "payment_intent.payment_failed"));

        await world.AdvanceAsync(TimeSpan.FromMinutes(59));
        await MarkAsync(world);
        (await world.EventsAsync()).ShouldAllBe(told => told.Status == "IGNORED");
        await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        await MarkAsync(world);
        await MarkAsync(world);

        var visible = (await world.GetAsync("/api/events?status=UNMATCHED"))["items"]!.AsArray().ShouldHaveSingleItem("one for the payment, not one for each event")!;
        visible["reason"]!.GetValue<string>().ShouldBe("payment.no_link");
        visible["message"]!.GetValue<string>().ShouldContain("pi_1 of 120.00 GBP");
        var id = visible["id"]!.GetValue<Guid>();
        (await ReplayAsync(world, id))["outcome"]!.GetValue<string>().ShouldBe("UNMATCHED", "it still names no link");
        (await world.EventsAsync()).Count(told => told.Payment == "pi_1").ShouldBe(2, "hearing it again makes no event");

        var link = await world.LinkAsync(stripePaymentLink: "plink_1");
        (await world.HearAsync(StripeEvents.Session(null, "pi_1", 12000, plink: "plink_1"))).ShouldBe("COMPLETED");

        (await world.RowsAsync(link)).Count.ShouldBe(2);
        (await world.EventsAsync()).Single(told => told.Id == id).Became.ShouldBe("COMPLETED");
        await world.AdvanceAsync(TimeSpan.FromHours(3));
        await MarkAsync(world);
        (await world.EventsAsync()).ShouldNotContain(told => told.Status == "UNMATCHED");
    }

    [Fact]
    public async Task Money_without_a_link_whose_payment_is_known_otherwise_is_not_reported()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync(stripePaymentLink: "plink_1");
        await world.HearAsync(StripeEvents.Intent(null, "pi_1", 12000));
        await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000));
        await world.HearAsync(StripeEvents.Intent(null, "pi_2", 12000));
        await world.HearAsync(StripeEvents.Session(Guid.NewGuid(), "pi_2", 12000));
        await world.AdvanceAsync(TimeSpan.FromHours(2));
        await MarkAsync(world);

        (await world.EventsAsync()).Select(told => $"{told.Payment} {told.Became}").Order(StringComparer.Ordinal).ToArray().ShouldBe(
            ["pi_1 COMPLETED", "pi_1 IGNORED link.not_named", "pi_2 IGNORED link.not_named", "pi_2 UNMATCHED link.unknown"]);
    }

    [Theory]
    [InlineData("unpaid")]
    [InlineData("failed")]
    public async Task A_claimed_fact_that_books_nothing_does_not_hide_money_without_a_link(string fact)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.HearAsync(fact == "unpaid" ? StripeEvents.Session(link, "pi_1", 12000, paymentStatus: "unpaid") : StripeEvents.Intent(link, "pi_1", 12000, type: "payment_intent.payment_failed"));
        await world.HearAsync(StripeEvents.Intent(null, "pi_1", 12000));

        await world.AdvanceAsync(TimeSpan.FromHours(2));
        await MarkAsync(world);

        (await world.EventsAsync()).ShouldContain(told => told.Became == "UNMATCHED payment.no_link" && told.Payment == "pi_1");
    }

    [Fact]
    public async Task A_second_real_payment_on_a_link_needs_a_person_changes_no_row_and_can_be_attached_elsewhere()
    {
        await using var world = await World.StartAsync(server);
        var (link, other) = (await world.LinkAsync(), await world.LinkAsync());
        await world.PayAsync(link);
        await world.DrainAsync();
        var rows = await world.RowsAsync(link);

        (await world.HearAsync(StripeEvents.Session(link, "pi_2", 12000))).ShouldBe("NEEDS_ACTION payment.second_payment");
        (await world.HearAsync(StripeEvents.Session(link, "pi_2", 12000))).ShouldBe("DUPLICATE payment.second_payment");
        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe("DUPLICATE");

        (await world.RowsAsync(link)).ShouldBe(rows);
        var second = (await world.EventsAsync()).Single(told => told.Status == "NEEDS_ACTION");
        second.Message!.ShouldContain("pi_1");
        second.Message!.ShouldContain("pi_2");
        second.HasBody.ShouldBeTrue();
        await world.SendAsync(HttpMethod.Post, $"/api/events/{second.Id}/replay", new JsonObject(), expect: 409);

        (await ResolveAsync(world, second.Id, "attach", link: link))["outcome"]!.GetValue<string>().ShouldBe("NEEDS_ACTION", "that link is still paid by the other");
        (await ResolveAsync(world, second.Id, "attach", link: other))["outcome"]!.GetValue<string>().ShouldBe("COMPLETED");
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldBe(rows);
        (await world.PairAsync(other)).Payment.ShouldSatisfyAllConditions(row => row.Payment.ShouldBe("pi_2"), row => row.Status.ShouldBe("SUCCESS"));
        (await world.LedgerAsync())["balances"]!["090"]!.GetValue<string>().ShouldBe("240.00");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Two_links_that_one_payment_names_need_a_person_and_only_the_first_is_booked(bool sameOrganisation)
    {
        await using var world = await World.StartAsync(server);
        var elsewhere = sameOrganisation ? world.Organisation : Guid.NewGuid();
        await world.PutOrganisationAsync(elsewhere);
        var (link, other) = (await world.LinkAsync(), await world.LinkAsync(stripePaymentLink: "plink_1", organisation: elsewhere));

        (await world.HearAsync(StripeEvents.Intent(link, "pi_1", 12000))).ShouldBe("COMPLETED");
        (await world.HearAsync(StripeEvents.Session(null, "pi_1", 12000, plink: "plink_1"))).ShouldBe("NEEDS_ACTION payment.number_in_use");
        (await world.HearAsync(StripeEvents.Session(null, "pi_1", 12000, plink: "plink_1"))).ShouldStartWith("DUPLICATE");

        (await world.RowsAsync(link)).Count.ShouldBe(2);
        (await world.RowsAsync(other)).ShouldBeEmpty();
        var told = (await world.EventsAsync()).ShouldHaveSingleItem();
        told.Became.ShouldBe("NEEDS_ACTION payment.number_in_use");
        told.Message!.ShouldContain(link.ToString());
        told.Message!.ShouldContain(other.ToString());
        (await ResolveAsync(world, told.Id, "attach", link: other))["outcome"]!.GetValue<string>().ShouldBe("NEEDS_ACTION");
        (await ResolveAsync(world, told.Id, "attach", link: link))["outcome"]!.GetValue<string>().ShouldBe("COMPLETED");
        (await world.RowsAsync(other)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Two_accounts_that_tell_the_same_payment_of_two_links_are_never_a_5xx()
    {
        await using var world = await World.StartAsync(server);
        var (link, other) = (await world.LinkAsync(), await world.LinkAsync());
        var connected = JsonNode.Parse(StripeEvents.Session(other, "pi_1", 12000))!;
        connected["account"] = "acct_1";

        var answers = await Task.WhenAll(world.HearAsync(StripeEvents.Session(link, "pi_1", 12000)), world.HearAsync(connected.ToJsonString()));

        answers.Order(StringComparer.Ordinal).ToArray().ShouldBe(["COMPLETED", "NEEDS_ACTION payment.number_in_use"]);
        (await world.RowsAsync()).Count.ShouldBe(2);
    }

    [Fact]
    public async Task The_list_of_events_pages_filters_and_refuses_what_it_does_not_know()
    {
        await using var world = await World.StartAsync(server);
        for (var number = 0; number < 7; number++)
            await world.HearAsync(StripeEvents.Session(Guid.NewGuid(), $"pi_{number}", 12000));

        var seen = new List<Guid>();
        string? cursor = null;
        do
        {
            var page = await world.GetAsync($"/api/events?limit=3{(cursor is null ? "" : $"&cursor={cursor}")}");
            seen.AddRange(page["items"]!.AsArray().Select(item => item!["id"]!.GetValue<Guid>()));
            cursor = page["nextCursor"]?.GetValue<string>();
        }
        while (cursor is not null);

        seen.Distinct().Count().ShouldBe(7);
        seen.Count.ShouldBe(7);
        (await world.GetAsync("/api/events?q=pi_3"))["items"]!.AsArray().ShouldHaveSingleItem();
        (await world.GetAsync("/api/events?reason=link.unknown&limit=200"))["items"]!.AsArray().Count.ShouldBe(7);
        foreach (var query in new[] { "limit=0", "limit=201", "limit=x", "cursor=%21%21", "cursor=AAAA", "status=unmatched", "q=%00" })
            await world.SendAsync(HttpMethod.Get, $"/api/events?{query}", expect: 400);
    }

    static Task<JsonNode> ReplayAsync(World world, Guid id) => world.SendAsync(HttpMethod.Post, $"/api/events/{id}/replay", new JsonObject { ["reason"] = "looked at it" });

    static Task<JsonNode> MarkAsync(World world) => world.SendAsync(HttpMethod.Post, "/api/jobs/unlinked-payments/run");

    static Task<JsonNode> ResolveAsync(World world, Guid id, string action, Guid? link = null, string reason = "checked with the bank", int? expect = null) =>
        world.SendAsync(HttpMethod.Post, $"/api/events/{id}/resolve", new JsonObject { ["action"] = action, ["paymentLinkId"] = link, ["reason"] = reason }, expect);
}
