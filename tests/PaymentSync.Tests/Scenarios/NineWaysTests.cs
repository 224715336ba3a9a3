using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Jobs;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>The nine ways in which the predecessor double-posted, stalled or forgot. Each would fail on its behaviour.</summary>
public sealed class NineWaysTests(PostgresServer server)
{
    [Fact]
    public async Task One_a_row_whose_id_is_known_is_read_and_never_sent_again()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        var made = (await world.LedgerAsync())["invoices"]![0]!["invoiceId"]!.GetValue<string>();
        // The id became known some other way (an older version wrote it and died); the row is due and not SUCCESS.
        await world.AsWriterAsync("UPDATE xero_syncs SET xero_invoice_id = $2, open_request_id = NULL, next_retry_at = paymentsync.now() WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", link, made);
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.InvoiceId.ShouldBe(made));
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task Two_a_replay_of_SUCCESS_answers_yes_and_runs_nothing()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        var before = await world.RowsAsync(link);
        foreach (var row in before)
        {
            var answer = await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = row.Id, ["reason"] = "to be sure" }, expect: 200);
            answer["status"]!.GetValue<string>().ShouldBe("SUCCESS");
        }
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["paymentLinkId"] = link, ["syncType"] = "PAYMENT", ["reason"] = "to be sure" }, expect: 200);
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldBe(before);
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(2);
    }

    [Fact]
    public async Task Three_a_claimed_row_is_nobody_elses_even_when_two_workers_drain_at_once()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = "5" });
        var second = await world.StartNodeAsync(settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = "5" });
        for (var number = 0; number < 40; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        var drains = new[] { world.Service, second, world.Service, second }.Select(node => node.Services.GetRequiredService<Drain>());
        await Task.WhenAll(drains.Select(drain => drain.RunAsync(world.Organisation, CancellationToken.None)));
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS" && row.DueAt == null && row.Attempt == 1);
        (await world.LedgerAsync())["invoices"]!.AsArray().Count.ShouldBe(40);
    }

    [Fact]
    public async Task Four_a_second_confirmation_leaves_SUCCESS_alone()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        var before = await world.RowsAsync(link);
        (await world.PostEventAsync(StripeEvents.Intent(link, "pi_1", 12000))).IsSuccessStatusCode.ShouldBeTrue();
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldBe(before);
    }

    [Fact]
    public async Task Five_a_failure_never_erases_a_known_id()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource == "PUT /Invoices")
                body["Invoices"]![0]!["Total"] = 1m;
        };
        await world.DrainAsync();
        var id = (await world.PairAsync(link)).Invoice.InvoiceId.ShouldNotBeNull();
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{(await world.PairAsync(link)).Invoice.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "look again" }, expect: 202);
        await world.FaultAsync("status-503", resource: "GET /Invoices");
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.InvoiceId.ShouldBe(id));
    }

    [Fact]
    public async Task Six_rows_that_cannot_run_do_not_stand_in_the_way_of_others()
    {
        await using var world = await World.StartAsync(server);
        for (var number = 0; number < 60; number++)
        {
            var cancelled = await world.LinkAsync();
            await world.PayAsync(cancelled, $"pi_cancelled_{number}");
            await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{cancelled}/cancel", new JsonObject { ["reason"] = "changed their mind" });
        }
        var last = await world.LinkAsync();
        await world.PayAsync(last, "pi_last");
        await world.DrainAsync();

        (await world.RowsAsync(last)).ShouldAllBe(row => row.Status == "SUCCESS");
        var held = (await world.RowsAsync()).Where(row => row.Type == "INVOICE" && row.Link != last).ToList();
        held.Count.ShouldBe(60);
        held.ShouldAllBe(row => row.Code == "link.cancelled" && row.DueAt == null);

        // Money was received: a person decides, and then it is booked.
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{held[0].Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "they paid after all" }, expect: 202);
        await world.DrainAsync();
        (await world.RowsAsync(held[0].Link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Seven_an_expired_token_is_no_failure_and_a_refused_connection_wakes_its_rows_when_it_is_back()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        world.Proxy.OnRequest = (resource, _) => resource == "PUT /Invoices" ? (401, """{"Type":null,"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: token expired"}""") : null;
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Code.ShouldBe("xero.unauthorized"));

        world.Proxy.OnRequest = null;
        await world.ConnectAsync();
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Eight_deleting_a_link_never_deletes_the_pointer_to_a_posted_document()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        (await Should.ThrowAsync<Npgsql.PostgresException>(() => world.Database.ExecuteAsync("DELETE FROM payment_links WHERE id = $1", link))).SqlState.ShouldBe("PS019");
        (await Should.ThrowAsync<Npgsql.PostgresException>(() => world.AsWriterAsync("DELETE FROM payment_links WHERE id = $1", link))).SqlState.ShouldBe("PS019");
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Theory]
    [InlineData("0.10", 10, "gbp")]
    [InlineData("90071992547409.93", 9007199254740993, "usd")]
    [InlineData("1200.00", 1200, "jpy")]
    public async Task Nine_amounts_are_exact_to_the_cent_and_customers_with_long_names_stay_apart(string amount, long minor, string currency)
    {
        await using var world = await World.StartAsync(server);
        var links = new List<Guid>();
        foreach (var end in new[] { "a", "b" })
        {
            var link = await world.LinkAsync(amount, currency.ToUpperInvariant(), change: body => body["customer"] = new JsonObject { ["name"] = new string('x', 60) + end, ["email"] = "ann@example.com" });
            if (await world.PayAsync(link, $"pi_{end}", minor, currency) == "QUARANTINED")
            {
                // More than Stripe can charge: visible, not booked.
                minor.ShouldBeGreaterThan(999_999_999_999);
                (await world.RowsAsync(link)).ShouldBeEmpty();
                continue;
            }
            links.Add(link);
        }
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        var ledger = await world.LedgerAsync();
        ledger["invoices"]!.AsArray().Select(invoice => invoice!["total"]!.GetValue<string>()).ShouldAllBe(total => total == amount);
        ledger["invoices"]!.AsArray().Select(invoice => invoice!["contactName"]!.GetValue<string>()).Distinct().Count().ShouldBe(links.Count);
        foreach (var (sent, number) in await world.Database.QueryAsync("SELECT idempotency_key, length(idempotency_key) FROM paymentsync.requests", reader => (reader.GetString(0), reader.GetInt32(1))))
            number.ShouldBeInRange(1, 128, sent);
    }
}
