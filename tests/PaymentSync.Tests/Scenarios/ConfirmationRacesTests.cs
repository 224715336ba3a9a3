using System.Text.Json.Nodes;
using Npgsql;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>
/// Two things at the same moment, arranged by locks that the test holds: nothing is lost between them and nobody waits in a circle. Each of these
/// goes wrong when the locks in the database's functions are left out or taken in another order.
/// </summary>
public sealed class ConfirmationRacesTests(PostgresServer server)
{
    [Fact]
    public async Task A_replay_and_a_redelivery_of_one_event_do_not_wait_for_each_other()
    {
        await using var world = await World.StartAsync(server);
        var link = Guid.NewGuid();
        await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000));
        var waiting = (await world.EventsAsync()).ShouldHaveSingleItem().Id;

        await using var holder = await HoldAsync(world, "LOCK TABLE payment_links IN ACCESS EXCLUSIVE MODE");
        var redelivery = world.HearAsync(StripeEvents.Session(link, "pi_1", 12000));
        await holder.BlockedAsync(1);
        var replay = world.SendAsync(HttpMethod.Post, $"/api/events/{waiting}/replay", new JsonObject());
        await holder.BlockedAsync(2);
        await holder.ReleaseAsync();

        (await redelivery).ShouldBe("UNMATCHED link.unknown");
        (await replay)["outcome"]!.GetValue<string>().ShouldBe("UNMATCHED");
    }

    [Fact]
    public async Task A_link_that_is_registered_while_its_event_is_being_heard_gets_its_rows()
    {
        await using var world = await World.StartAsync(server);
        var link = Guid.NewGuid();

        // The event was not found to have a link, and is not written yet.
        await using var holder = await HoldAsync(world, "LOCK TABLE paymentsync.events IN SHARE MODE");
        var heard = world.HearAsync(StripeEvents.Session(null, "pi_1", 12000, plink: "plink_1"));
        await holder.BlockedAsync(1);
        var registered = world.LinkAsync(id: link, stripePaymentLink: "plink_1");
        await holder.BlockedAsync(2, orDone: registered);
        await holder.ReleaseAsync();
        await Task.WhenAll(heard, registered);

        (await world.RowsAsync(link)).Count.ShouldBe(2);
        (await world.EventsAsync()).ShouldHaveSingleItem().Became.ShouldBe("COMPLETED");
    }

    [Fact]
    public async Task Settings_that_are_saved_while_a_payment_is_being_confirmed_are_in_its_documents()
    {
        await using var world = await World.StartAsync(server);
        var organisation = Guid.NewGuid();
        await world.PutOrganisationAsync(organisation);
        await world.Database.ExecuteAsync("DELETE FROM paymentsync.organization_settings WHERE organization_id = $1", organisation);
        var link = await world.LinkAsync(organisation: organisation);

        // The rows are made without settings, and not committed yet.
        await using var holder = await HoldAsync(world, "SELECT 1 FROM payment_links WHERE id = $1 FOR NO KEY UPDATE", link);
        var paid = world.PayAsync(link);
        await holder.BlockedAsync(1);
        var saved = world.PutOrganisationAsync(organisation);
        await holder.BlockedAsync(2, orDone: saved);
        await holder.ReleaseAsync();
        await Task.WhenAll(paid, saved);

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.Code, payment.Code).ShouldBe(("PENDING", null, "waiting.invoice"));
        invoice.Number.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_link_does_not_change_its_amount_while_its_payment_is_being_confirmed()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();

        await using var holder = await HoldAsync(world, "SELECT 1 FROM payment_links WHERE id = $1 FOR NO KEY UPDATE", link);
        var paid = world.PayAsync(link);
        await holder.BlockedAsync(1);
        var changed = world.SendAsync(HttpMethod.Put, $"/api/payment-links/{link}", new JsonObject
        {
            ["organizationId"] = world.Organisation,
            ["amount"] = "99.00",
            ["currency"] = "GBP",
            ["description"] = "Order 42",
        }, expect: 409);
        await holder.BlockedAsync(2);
        await holder.ReleaseAsync();

        (await paid).ShouldBe("COMPLETED");
        (await changed)["code"]!.GetValue<string>().ShouldBe("link.has_syncs");
        (await world.GetAsync($"/api/payment-links/{link}"))["amount"]!.GetValue<string>().ShouldBe("120.00");
    }

    [Fact]
    public async Task A_confirmation_that_comes_while_the_amount_is_being_changed_is_judged_by_the_new_one()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();

        await using var holder = await HoldAsync(world, "UPDATE payment_links SET amount = 99, updated_at = now() WHERE id = $1", link, "SELECT 1 FROM payment_links WHERE id = $1 FOR UPDATE");
        var paid = world.PayAsync(link);
        await holder.BlockedAsync(1);
        await holder.ReleaseAsync();
        await paid;

        (await world.PairAsync(link)).Invoice.Code.ShouldBe("payment.amount_mismatch");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Payments_redeliveries_registrations_settings_and_replays_all_at_once_end_well(int seed)
    {
        await using var world = await World.StartAsync(server);
        var links = Enumerable.Range(0, 12).Select(_ => Guid.NewGuid()).ToArray();
        var work = links.SelectMany((link, number) => new Func<Task>[]
        {
            () => world.HearAsync(StripeEvents.Session(link, $"pi_{number}", 12000)),
            () => world.HearAsync(StripeEvents.Intent(null, $"pi_{number}", 12000)),
            () => world.HearAsync(StripeEvents.Session(null, $"pi_{number}", 12000, plink: $"plink_{number}")),
            () => world.HearAsync(StripeEvents.Session(link, $"pi_{number}", 12000, paymentStatus: "unpaid")),
            () => world.LinkAsync(id: link, stripePaymentLink: $"plink_{number}"),
            () => world.LinkAsync(id: link, stripePaymentLink: $"plink_{number}"),
            () => world.PutOrganisationAsync(world.Organisation),
            () => ReplayAllAsync(world),
        }).ToArray();
        new Random(seed).Shuffle(work);

        await Parallel.ForEachAsync(work, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (step, _) => await step());

        var rows = await world.RowsAsync();
        rows.Count.ShouldBe(24, $"seed {seed}");
        rows.ShouldAllBe(row => row.Number != null);
        (await world.EventsAsync()).Where(told => told.Status is not ("IGNORED" or "SUPERSEDED")).ShouldAllBe(told => told.Became == "COMPLETED");
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    static async Task ReplayAllAsync(World world)
    {
        foreach (var told in (await world.GetAsync("/api/events?status=UNMATCHED"))["items"]!.AsArray())
        {
            using var answer = await world.Api.PostAsync(new Uri($"/api/events/{told!["id"]}/replay", UriKind.Relative), new StringContent("{}", System.Text.Encoding.UTF8, "application/json"));
            ((int)answer.StatusCode).ShouldBeOneOf(200, 409);
        }
    }

    static async Task<Holder> HoldAsync(World world, string sql, Guid? link = null, params string[] more)
    {
        var holder = new Holder(world);
        foreach (var statement in more.Prepend(sql))
            await holder.ExecuteAsync(statement, link);
        return holder;
    }

    /// <summary>A transaction that stands in somebody's way until it is released.</summary>
    sealed class Holder(World world) : IAsyncDisposable
    {
        readonly NpgsqlConnection _connection = new(new NpgsqlConnectionStringBuilder(world.Database.ConnectionString) { Pooling = false }.ConnectionString);
        NpgsqlTransaction? _transaction;

        public async Task ExecuteAsync(string sql, Guid? link)
        {
            if (_transaction is null)
            {
                await _connection.OpenAsync();
                _transaction = await _connection.BeginTransactionAsync();
            }
            await using var command = new NpgsqlCommand(sql, _connection, _transaction);
            if (link is { } id)
                command.Parameters.Add(new() { Value = id });
            await command.ExecuteNonQueryAsync();
        }

        /// <summary>Until so many wait for a lock, or the other is done without having had to.</summary>
        public Task BlockedAsync(int count, Task? orDone = null) => World.EventuallyAsync(async () => orDone is { IsCompleted: true }
            || await world.Database.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") >= count, $"{count} wait for a lock");

        public async Task ReleaseAsync() => await _transaction!.CommitAsync();

        public ValueTask DisposeAsync() => _connection.DisposeAsync();
    }
}
