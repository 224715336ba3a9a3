using System.Net;
using System.Text;
using Npgsql;
using PaymentSync.Tests.StripeWebhooks;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Bookkeeping may fail open, money must fail closed: without its events table the service says yes only to a payment that its rows hold.</summary>
public sealed class HearingBrokenDatabaseTests(PostgresServer server)
{
    const string Renamed = "ALTER TABLE paymentsync.events RENAME COLUMN run_key TO was_run_key";
    const string Dropped = "DROP TABLE paymentsync.events";
    const string Refusing = "ALTER TABLE paymentsync.events ADD CONSTRAINT nothing_more CHECK (false) NOT VALID";

    [Theory]
    [InlineData(Renamed)]
    [InlineData(Dropped)]
    [InlineData(Refusing)]
    public async Task Without_its_events_table_a_payment_is_still_booked_and_everything_else_is_answered_503(string damage)
    {
        await using var world = await World.StartAsync(server);
        var (link, held) = (await world.LinkAsync(), await world.LinkAsync("99.00"));
        await world.Database.ExecuteAsync(damage);
        world.SkipAudit();

        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe("COMPLETED");
        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe("COMPLETED", "again: the rows hold it");
        (await world.HearAsync(StripeEvents.Session(held, "pi_2", 12000))).ShouldBe("COMPLETED", "its amount is held back, but it is remembered");
        (await world.HearAsync(StripeEvents.Intent(null, "pi_1", 12000))).ShouldBe("IGNORED link.not_named", "it claims nothing, and the rows hold it");

        await ExpectAsync(world, HttpStatusCode.ServiceUnavailable, [
            ("a second payment", StripeEvents.Session(link, "pi_3", 12000)),
            ("another amount", StripeEvents.Session(link, "pi_1", 11999)),
            ("another currency", StripeEvents.Session(link, "pi_1", 12000, "usd")),
            ("an unknown link", StripeEvents.Session(Guid.NewGuid(), "pi_4", 12000)),
            ("no link", StripeEvents.Intent(null, "pi_5", 12000)),
            ("no link, another amount", StripeEvents.Intent(null, "pi_1", 11999)),
            ("a failure", StripeEvents.Session(link, "pi_6", 12000, type: "checkout.session.async_payment_failed")),
            ("nothing owed", StripeEvents.Session(link, "pi_7", 0)),
            ("the other mode", StripeEvents.Session(link, "pi_8", 12000, livemode: true)),
            ("unusable", "{}"),
        ]);

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.Payment, payment.Payment).ShouldBe(("PENDING", "pi_1", "pi_1"));
        (await world.PairAsync(held)).Invoice.Code.ShouldBe("payment.amount_mismatch");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_redelivery_after_the_events_table_was_mended_records_the_fact_and_changes_no_row()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.Database.ExecuteAsync(Renamed);
        await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000));
        var rows = await world.RowsAsync(link);
        await world.Database.ExecuteAsync("ALTER TABLE paymentsync.events RENAME COLUMN was_run_key TO run_key");

        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe("COMPLETED");

        (await world.RowsAsync(link)).ShouldBe(rows);
        (await world.EventsAsync()).ShouldHaveSingleItem().Became.ShouldBe("COMPLETED");
    }

    [Fact]
    public async Task A_database_that_is_away_is_answered_503_and_the_redelivery_succeeds()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.Database.SealAsync();
        try
        {
            await ExpectAsync(world, HttpStatusCode.ServiceUnavailable, [
                ("paid", StripeEvents.Session(link, "pi_1", 12000)),
                ("no link", StripeEvents.Intent(null, "pi_5", 12000)),
                ("unusable", "{}"),
            ]);
            (await world.SendAsync(HttpMethod.Get, "/api/syncs", expect: 503))["code"]!.GetValue<string>().ShouldBe("database.unavailable");
            using var keyless = World.Client(world.Service, key: null);
            using var uninteresting = await SendAsync(keyless, StripeEvents.Session(link, "pi_1", 12000, mode: "subscription"));
            uninteresting.StatusCode.ShouldBe(HttpStatusCode.OK, "needs no database");
        }
        finally
        {
            await using var admin = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(world.Database.ConnectionString) { Database = "postgres", Pooling = false }.ConnectionString);
            await admin.OpenAsync();
            await using var open = new NpgsqlCommand($"ALTER DATABASE {world.Database.Name} ALLOW_CONNECTIONS true", admin);
            await open.ExecuteNonQueryAsync();
        }

        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe("COMPLETED");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_deadlock_victim_is_answered_503_not_500()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.Database.ExecuteAsync("""
            CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'chosen as the victim' USING ERRCODE = '40P01'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON xero_syncs FOR EACH ROW EXECUTE FUNCTION public.refuse();
            """);

        await ExpectAsync(world, HttpStatusCode.ServiceUnavailable, [("paid", StripeEvents.Session(link, "pi_1", 12000))]);

        (await world.EventsAsync()).ShouldBeEmpty("the claim went with the rows");
        await world.Database.ExecuteAsync("DROP TRIGGER refuse ON xero_syncs");
        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe("COMPLETED");
    }

    static async Task<HttpResponseMessage> SendAsync(HttpClient client, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/webhooks/stripe") { Content = new StringContent(body) };
        request.Headers.Add("Stripe-Signature", SignedStripeEvent.Sign(Encoding.UTF8.GetBytes(body), World.WebhookSecret, DateTimeOffset.UtcNow.ToUnixTimeSeconds()));
        return await client.SendAsync(request);
    }

    static async Task ExpectAsync(World world, HttpStatusCode status, (string What, string Body)[] events)
    {
        var wrong = new List<string>();
        foreach (var (what, body) in events)
        {
            using var answer = await world.PostEventAsync(Encoding.UTF8.GetBytes(body));
            if (answer.StatusCode != status)
                wrong.Add($"{what}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        }
        wrong.ShouldBeEmpty();
    }
}
