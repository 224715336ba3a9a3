using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Payments that came another way than by webhook, second confirmations, rows that a host made, and many at once.</summary>
public sealed class ConfirmationApiTests(PostgresServer server)
{
    static JsonObject Body(string payment = "0.0.1234@1785400000.000000001", string amount = "120.00", string provider = "HEDERA", string currency = "GBP") => new()
    {
        ["provider"] = provider,
        ["providerPaymentId"] = payment,
        ["amount"] = amount,
        ["currency"] = currency,
        ["paidAt"] = "2026-07-30T08:26:41Z",
        ["reason"] = "seen on the mirror node",
    };

    [Fact]
    public async Task A_confirmation_by_hand_books_like_a_webhook_and_is_idempotent()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();

        var first = await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/confirmations", Body());
        first["outcome"]!.GetValue<string>().ShouldBe("COMPLETED");
        first["syncs"]!.AsArray().Select(sync => $"{sync!["syncType"]} {sync["status"]}").ToArray().ShouldBe(["INVOICE PENDING", "PAYMENT PENDING"]);
        var rows = await world.RowsAsync(link);
        (await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/confirmations", Body()))))
            .ShouldAllBe(again => again["outcome"]!.GetValue<string>() == "DUPLICATE");
        (await world.RowsAsync(link)).ShouldBe(rows);
        await world.DrainAsync();

        var paid = (await world.LedgerAsync())["payments"]!.AsArray().ShouldHaveSingleItem()!;
        (paid["reference"]!.GetValue<string>(), paid["accountCode"]!.GetValue<string>()).ShouldBe(("0.0.1234@1785400000.000000001", "090"));
        (await world.EventsAsync()).ShouldHaveSingleItem().RunKey.ShouldBe("hedera:self:0.0.1234@1785400000.000000001:paid");
        (await world.Database.QueryAsync("SELECT reason FROM paymentsync.audit_log WHERE action = 'link.confirm'", reader => reader.GetString(0))).ShouldAllBe(reason => reason == "seen on the mirror node");
    }

    [Fact]
    public async Task A_webhook_and_a_confirmation_by_hand_of_one_payment_are_one()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link, "pi_1");

        (await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/confirmations", Body("pi_1", provider: "STRIPE")))["outcome"]!.GetValue<string>().ShouldBe("DUPLICATE");
        // The same id from another provider is another payment.
        (await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/confirmations", Body("pi_1")))["reason"]!.GetValue<string>().ShouldBe("payment.second_payment");
    }

    [Fact]
    public async Task A_second_confirmation_of_a_payment_with_another_amount_is_visible_and_changes_no_row()
    {
        await using var world = await World.StartAsync(server);
        var (link, other) = (await world.LinkAsync(), await world.LinkAsync("99.00"));
        await world.PayAsync(link);
        var rows = await world.RowsAsync(link);

        (await world.HearAsync(StripeEvents.Intent(link, "pi_1", 9900))).ShouldBe("NEEDS_ACTION payment.amount_differs");
        (await world.HearAsync(StripeEvents.Intent(link, "pi_1", 12000))).ShouldStartWith("DUPLICATE");

        (await world.RowsAsync(link)).ShouldBe(rows);
        var told = (await world.EventsAsync()).ShouldHaveSingleItem();
        told.Message!.ShouldContain("99.00 GBP");
        told.Message!.ShouldContain("120.00 GBP");
        (await world.SendAsync(HttpMethod.Post, $"/api/events/{told.Id}/resolve", new JsonObject { ["action"] = "attach", ["paymentLinkId"] = other, ["reason"] = "a mistake" }))["outcome"]!.GetValue<string>()
            .ShouldBe("NEEDS_ACTION", "the payment is on its link already");
        (await world.RowsAsync(other)).ShouldBeEmpty();
        (await world.SendAsync(HttpMethod.Post, $"/api/events/{told.Id}/resolve", new JsonObject { ["action"] = "attach", ["paymentLinkId"] = link, ["reason"] = "120 is right" }))["outcome"]!.GetValue<string>().ShouldBe("COMPLETED");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_confirmation_that_cannot_be_right_is_answered_400_and_leaves_nothing()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        foreach (var (member, value) in new (string, string?)[]
        {
            ("amount", "0.00"),
            ("amount", "-1.00"),
            ("amount", "120.001"),
            ("amount", "1.00000000000000000000000000000001"),
            ("amount", "1e2"),
            ("amount", ""),
            ("amount", null),
            ("amount", "10000000000000000.00"),
            ("currency", "gbp"),
            ("currency", "POUND"),
            ("currency", null),
            ("provider", "hedera"),
            ("provider", ""),
            ("provider", null),
            ("providerPaymentId", ""),
            ("providerPaymentId", "a b"),
            ("providerPaymentId", "a\0b"),
            ("providerPaymentId", null),
            ("paidAt", null),
            ("paidAt", "yesterday"),
            ("paidAt", "0001-01-01T00:00:00Z"),
            ("paidAt", "9999-12-31T23:59:59Z"),
            ("reason", ""),
            ("reason", " "),
            ("reason", null),
            ("reason", "a\0b"),
            ("surprise", "x"),
        })
        {
            var body = Body();
            body[member] = value;
            if (value is null)
                body.Remove(member);

            var problem = await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/confirmations", body, expect: 400);

            problem["code"]!.GetValue<string>().ShouldBeOneOf("confirmation.invalid", "request.invalid");
            problem["detail"]!.GetValue<string>().ShouldEndWith(".");
        }
        (await world.RowsAsync()).ShouldBeEmpty();
        (await world.EventsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_largest_amount_there_is_is_booked_to_the_cent()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync("9999999999999999.99");

        await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/confirmations", Body(amount: "9999999999999999.99"));

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Amount, invoice.Json.GetProperty("total").GetString(), payment.Json.GetProperty("amount").GetString()).ShouldBe((9999999999999999.99m, "9999999999999999.99", "9999999999999999.99"));
        (await world.GetAsync($"/api/syncs/{invoice.Id}"))["sync"]!["amount"]!.GetValue<string>().ShouldBe("9999999999999999.99");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Of_twenty_payments_at_once_on_one_link_exactly_one_books_and_nineteen_need_a_person()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(number => world.HearAsync(StripeEvents.Session(link, $"pi_{number}", 12000))));

        answers.Count(answer => answer == "COMPLETED").ShouldBe(1);
        answers.Count(answer => answer == "NEEDS_ACTION payment.second_payment").ShouldBe(19);
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Payment.ShouldBe(pair.Payment.Payment));
        await world.DrainAsync();
        (await world.LedgerAsync())["balances"]!["090"]!.GetValue<string>().ShouldBe("120.00");
    }

    [Fact]
    public async Task A_hundred_links_with_their_redeliveries_at_once_on_two_nodes_make_two_rows_each()
    {
        await using var world = await World.StartAsync(server);
        var second = await world.StartNodeAsync();
        var links = Enumerable.Range(0, 100).Select(_ => Guid.NewGuid()).ToArray();
        await Parallel.ForEachAsync(links, async (link, _) => await world.LinkAsync(id: link));
        var deliveries = links.SelectMany((link, number) => Enumerable.Range(0, 3).Select(copy => (Body: StripeEvents.Session(link, $"pi_{number}", 12000), Node: copy == 1 ? second : world.Service))).ToArray();
        new Random(7).Shuffle(deliveries);

        await Parallel.ForEachAsync(deliveries, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (delivery, _) => await world.HearAsync(System.Text.Encoding.UTF8.GetBytes(delivery.Body), node: delivery.Node));

        (await world.RowsAsync()).Count.ShouldBe(200);
        (await world.EventsAsync()).Count.ShouldBe(100);
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.LedgerAsync())["balances"]!["090"]!.GetValue<string>().ShouldBe("12000.00");
    }

    [Fact]
    public async Task A_second_confirmation_makes_only_what_failed_due_and_nothing_that_is_held()
    {
        await using var world = await World.StartAsync(server);
        foreach (var (status, code, due) in new (string, string?, bool)[]
        {
            ("PENDING", null, false),
            ("RETRYING", null, false),
            ("FAILED", "xero.refused", true),
            ("FAILED", "xero.no_connection", true),
            ("FAILED", "payment.amount_mismatch", false),
            ("FAILED", "link.cancelled", false),
            ("FAILED", "xero.total_differs", false),
            ("FAILED", "xero.document_voided", false),
            ("FAILED", "xero.tenant_changed", false),
            ("FAILED", "legacy.incomplete", false),
            ("FAILED", "operator.marked_failed", false),
        })
        {
            var (link, payment) = (await world.LinkAsync(), $"pi_{code ?? status}");
            await world.PayAsync(link, payment);
            await world.AsWriterAsync("""
                UPDATE xero_syncs SET status = $2::"XeroSyncStatus", next_retry_at = NULL, failure_code = coalesce($3, 'test.waits'), failure_kind = CASE WHEN $2 = 'FAILED' THEN 'NEEDS_ACTION' END,
                       error_message = 'as the test wants it', lease_owner = CASE WHEN $2 = 'RETRYING' THEN 'somebody' END,
                       lease_expires_at = CASE WHEN $2 = 'RETRYING' THEN now() + interval '5 minutes' END, attempt = 1
                 WHERE payment_link_id = $1 AND sync_type = 'INVOICE'
                """, link, status, code);
            var before = await world.PairAsync(link);

            (await world.PayAsync(link, payment)).ShouldBe("DUPLICATE");

            var after = await world.PairAsync(link);
            (after.Invoice.DueAt is not null).ShouldBe(due, $"{status} {code}");
            (after.Invoice with { DueAt = null }).ShouldBe(before.Invoice);
            after.Payment.ShouldBe(before.Payment);
        }
    }

    [Fact]
    public async Task A_row_that_the_host_inserted_waits_for_the_confirmation_and_is_completed_by_it()
    {
        await using var world = await World.StartAsync(server);
        var (link, half) = (await world.LinkAsync(), await world.LinkAsync());
        const string insert = """INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, request_payload, next_retry_at, updated_at) VALUES (gen_random_uuid(), $1, $2::"XeroSyncType", 'RETRYING', '{}', now(), now())""";
        await world.Database.ExecuteAsync(insert, link, "INVOICE");
        await world.Database.ExecuteAsync(insert, link, "PAYMENT");
        await world.Database.ExecuteAsync(insert, half, "PAYMENT");
        await world.DrainAsync();
        var before = await world.RowsAsync();
        before.ShouldAllBe(row => row.Status == "PENDING" && row.Code == "waiting.confirmation" && row.DueAt == null && row.Number == null);
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = before[0].Id, ["reason"] = "again" }, expect: 409);

        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{half}/confirmations", Body());

        var rows = await world.RowsAsync();
        rows.Count.ShouldBe(4);
        before.ShouldAllBe(row => rows.Any(now => now.Id == row.Id && now.Number != null), "the same rows, completed");
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_confirmed_host_row_wakes_its_organisation_at_once()
    {
        // No sweep in this test's time: only the wake can do it.
        await using var world = await World.StartAsync(server, worker: true, settings: new() { ["Worker:SweepInterval"] = "00:10:00" });
        var link = await world.LinkAsync();
        await world.Database.ExecuteAsync("""
            INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, request_payload, updated_at)
            SELECT gen_random_uuid(), $1, t, 'PENDING', '{}', now() FROM unnest(enum_range(NULL::"XeroSyncType")) t
            """, link);

        await world.PayAsync(link);

        await World.EventuallyAsync(async () => (await world.RowsAsync(link)).All(row => row.Status == "SUCCESS"), "both rows are SUCCESS");
    }

    [Fact]
    public async Task A_cancelled_link_that_is_paid_all_the_same_is_held_for_a_person()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.SendAsync(HttpMethod.Post, $"/api/payment-links/{link}/cancel", new JsonObject { ["reason"] = "the customer withdrew" });

        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.Code.ShouldBe("link.cancelled");
        (await world.LedgerAsync())["invoices"]!.AsArray().ShouldBeEmpty();
    }
}
