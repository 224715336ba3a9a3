using System.Text.Json.Nodes;
using Npgsql;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Money that another account tells of, and money that names nobody.</summary>
public sealed class MoneyOfOthersTests(PostgresServer server)
{
    [Theory]
    [InlineData("acct_ours", "acct_ours", true)]
    [InlineData("acct_ours", "acct_other", false)]
    [InlineData("acct_ours", null, false)]
    [InlineData("self", null, true)]
    [InlineData("self", "acct_other", false)]
    [InlineData(null, null, true)]
    [InlineData(null, "acct_other", true)]
    public async Task Only_the_organisations_own_Stripe_account_may_name_its_links_when_one_is_set(string? expected, string? told, bool books)
    {
        await using var world = await World.StartAsync(server, connected: false);
        (await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["stripeAccount"] = expected))["booking"]!["stripeAccount"]?.GetValue<string>().ShouldBe(expected);
        var link = await world.LinkAsync(stripePaymentLink: "plink_1");

        foreach (var session in new[] { StripeEvents.Session(link, "pi_1", 12000), StripeEvents.Session(null, "pi_1", 12000, plink: "plink_1") })
        {
            var body = JsonNode.Parse(session)!;
            body["account"] = told;
            (await world.HearAsync(body.ToJsonString())).ShouldBeOneOf(books ? ["COMPLETED", "DUPLICATE"] : ["NEEDS_ACTION payment.account_mismatch", "DUPLICATE payment.account_mismatch"]);
        }

        (await world.RowsAsync(link)).Count.ShouldBe(books ? 2 : 0);
        (await world.GetAsync($"/api/payment-links/{link}"))["status"]!.GetValue<string>().ShouldBe(books ? "PAID" : "OPEN");
        (await world.GetAsync("/api/status"))["eventsWaiting"]!.GetValue<int>().ShouldBe(books ? 0 : 1);
    }

    [Fact]
    public async Task A_person_may_attach_what_another_account_told_or_confirm_it_by_hand()
    {
        await using var world = await World.StartAsync(server);
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["stripeAccount"] = "acct_ours");
        var (attached, byHand) = (await world.LinkAsync(), await world.LinkAsync());
        await world.HearAsync(StripeEvents.Session(attached, "pi_1", 12000));
        var waits = (await world.EventsAsync()).ShouldHaveSingleItem();
        waits.Message!.ShouldContain("account self");
        waits.Message!.ShouldContain("acct_ours");

        (await world.SendAsync(HttpMethod.Post, $"/api/events/{waits.Id}/resolve", new JsonObject { ["action"] = "attach", ["paymentLinkId"] = attached, ["reason"] = "our former account" }))["outcome"]!
            .GetValue<string>().ShouldBe("COMPLETED");
        (await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{byHand}/confirmations",
            new JsonObject { ["provider"] = "STRIPE", ["providerPaymentId"] = "pi_2", ["amount"] = "120.00", ["currency"] = "GBP", ["paidAt"] = "2026-07-30T08:26:41Z", ["reason"] = "seen in the dashboard" }))["outcome"]!
            .GetValue<string>().ShouldBe("COMPLETED");
        await world.DrainAsync();

        (await world.RowsAsync()).Count(row => row.Status == "SUCCESS").ShouldBe(4);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ours")]
    [InlineData("acct_")]
    [InlineData("acct_a:b")]
    [InlineData("acct_ü")]
    public async Task A_Stripe_account_that_cannot_be_one_is_refused(string account)
    {
        await using var world = await World.StartAsync(server, connected: false);
        var body = (await world.GetAsync($"/api/organizations/{world.Organisation}")).AsObject();
        body.Remove("id");
        body["booking"]!["stripeAccount"] = account;

        (await world.SendAsync(HttpMethod.Put, $"/api/organizations/{world.Organisation}", body, expect: 400))["detail"]!.GetValue<string>().ShouldContain("booking.stripeAccount");
    }

    [Fact]
    public async Task A_webhook_that_claims_a_payment_while_money_without_a_link_is_looked_for_holds_up_no_other()
    {
        await using var world = await World.StartAsync(server);
        await world.HearAsync(StripeEvents.Intent(null, "pi_1", 12000));
        await world.HearAsync(StripeEvents.Intent(null, "pi_2", 12000));
        await world.AdvanceAsync(TimeSpan.FromHours(2));
        await using var webhook = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(world.Database.ConnectionString) { Pooling = false }.ConnectionString);
        await webhook.OpenAsync();
        await using var transaction = await webhook.BeginTransactionAsync();
        await using (var confirm = new NpgsqlCommand("SELECT paymentsync.confirm('STRIPE', 'self', 'evt_x', 'checkout.session.completed', 'paid', 'pi_1', 120, 'GBP', paymentsync.now(), $1, $1::text, NULL, ''::bytea)", webhook, transaction) { Parameters = { new() { Value = Guid.NewGuid() } } })
            await confirm.ExecuteNonQueryAsync();

        var job = world.SendAsync(HttpMethod.Post, "/api/jobs/unlinked-payments/run");
        await World.EventuallyAsync(async () => job.IsCompleted
            || await world.Database.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0, "the job waits for the webhook");
        await transaction.CommitAsync();
        await job;

        (await world.EventsAsync()).Select(told => $"{told.Payment} {told.Became}").Order(StringComparer.Ordinal).ToArray().ShouldBe(
            ["pi_1 IGNORED link.not_named", "pi_1 UNMATCHED link.unknown", "pi_2 UNMATCHED payment.no_link"]);
    }
}
