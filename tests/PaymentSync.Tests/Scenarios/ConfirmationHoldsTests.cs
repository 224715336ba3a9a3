using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Payments that may not be booked as they are: remembered from the first answer, visible with a reason, booked when a person or a setting says so.</summary>
public sealed class ConfirmationHoldsTests(PostgresServer server)
{
    [Fact]
    public async Task An_amount_that_differs_from_the_link_is_held_until_a_person_books_it_as_charged()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync("99.00");

        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.Kind, invoice.Code, invoice.DueAt).ShouldBe(("FAILED", "NEEDS_ACTION", "payment.amount_mismatch", null));
        invoice.Message!.ShouldContain("120.00 GBP");
        invoice.Message!.ShouldContain("99.00 GBP");
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(0);
        var shown = (await world.GetAsync($"/api/syncs?q={link}&type=PAYMENT"))["items"]!.AsArray().ShouldHaveSingleItem()!;
        (shown["failureCode"]!.GetValue<string>(), shown["status"]!.GetValue<string>()).ShouldBe(("waiting.invoice", "PENDING"));
        shown["errorMessage"]!.GetValue<string>().ShouldContain("payment.amount_mismatch");

        var refused = await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = invoice.Id, ["reason"] = "again" }, expect: 409);
        refused["code"]!.GetValue<string>().ShouldBe("sync.held");
        refused["detail"]!.GetValue<string>().ShouldContain("/resolve");
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = payment.Id, ["reason"] = "again" }, expect: 409);
        (await world.PayAsync(link)).ShouldBe("DUPLICATE");
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["amountPolicy"] = "AsCharged");
        await world.DrainAsync();
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(0, "neither a replay, a second confirmation nor other settings release it");

        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "bookAsCharged", ["reason"] = "agreed with the customer" }, expect: 202);
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.LedgerAsync())["balances"]!["090"]!.GetValue<string>().ShouldBe("120.00");
    }

    [Fact]
    public async Task What_a_person_marked_as_failed_is_not_revived_by_a_redelivery()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync("99.00");
        await world.PayAsync(link);
        var (invoice, _) = await world.PairAsync(link);
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "markFailed", ["reason"] = "refunded the customer" });

        (await world.PayAsync(link)).ShouldBe("DUPLICATE");
        await world.HearAsync(StripeEvents.Intent(link, "pi_1", 12000));
        await world.DrainAsync();

        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("operator.marked_failed"), row => row.DueAt.ShouldBeNull());
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(0);
    }

    [Fact]
    public async Task Another_currency_than_the_links_is_held_and_booked_as_charged_into_its_own_account()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();

        await world.PayAsync(link, minor: 15000, currency: "usd");
        var (invoice, _) = await world.PairAsync(link);
        (invoice.Status, invoice.Code).ShouldBe(("FAILED", "payment.currency_mismatch"));
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "bookAsCharged", ["reason"] = "agreed" }, expect: 202);
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.LedgerAsync())["balances"]!["091"]!.GetValue<string>().ShouldBe("150.00");
    }

    [Fact]
    public async Task An_organisation_that_books_as_charged_holds_no_amount_but_still_holds_a_currency()
    {
        await using var world = await World.StartAsync(server);
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["amountPolicy"] = "AsCharged");
        var (link, other) = (await world.LinkAsync("99.00"), await world.LinkAsync("99.00"));

        await world.PayAsync(link);
        await world.PayAsync(other, "pi_2", 9900, "usd");
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS" && row.Amount == 120.00m);
        (await world.PairAsync(other)).Invoice.Code.ShouldBe("payment.currency_mismatch");
    }

    [Fact]
    public async Task Without_booking_settings_the_rows_are_there_visible_and_go_on_by_themselves_when_those_come()
    {
        await using var world = await World.StartAsync(server);
        var organisation = Guid.NewGuid();
        await world.Database.ExecuteAsync("INSERT INTO organizations (id, clerk_org_id, name) VALUES ($1, 'host_org', 'Host')", organisation);
        var (link, dearer) = (await world.LinkAsync(organisation: organisation), await world.LinkAsync("121.00", organisation: organisation));

        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await world.PayAsync(dearer, "pi_2");

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.Kind, invoice.Code, invoice.Payment, invoice.Amount).ShouldBe(("FAILED", "NEEDS_ACTION", "settings.missing", "pi_1", 120.00m));
        invoice.Message!.ShouldContain($"PUT /api/organizations/{organisation}");
        (payment.Status, payment.Code, payment.Payment).ShouldBe(("PENDING", "waiting.invoice", "pi_1"));
        (await world.GetAsync("/api/syncs?failureCode=settings.missing"))["items"]!.AsArray().Count.ShouldBe(2);
        (await world.PayAsync(link)).ShouldBe("DUPLICATE");
        (await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = invoice.Id, ["reason"] = "again" }, expect: 409))["code"]!.GetValue<string>().ShouldBe("sync.not_ready");

        // First without the account, then with it.
        await world.PutOrganisationAsync(organisation, body => body["booking"]!["clearingAccounts"] = new JsonObject());
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("settings.clearing_account_missing"), row => row.Message!.ShouldContain("booking.clearingAccounts.STRIPE.GBP"));
        await world.AdvanceAsync(TimeSpan.FromDays(3));
        await world.PutOrganisationAsync(organisation);

        (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.Code, payment.Number, payment.Code).ShouldBe(("PENDING", null, "pi_1", "waiting.invoice"));
        invoice.Json.GetProperty("date").GetString().ShouldBe("2026-07-30", "the day of the payment, not of the settings");
        (await world.PairAsync(dearer)).Invoice.Code.ShouldBe("payment.amount_mismatch", "what waited is judged like everything else");
    }

    [Fact]
    public async Task A_number_that_is_taken_keeps_neither_the_settings_nor_other_links_waiting()
    {
        await using var world = await World.StartAsync(server, connected: false);
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["invoicePrefix"] = "A");
        var taken = await world.LinkAsync(change: link => link["shortCode"] = "B1");
        await world.PayAsync(taken, "pi_1");
        // Then two wait for settings; with the new prefix the first of them would be AB1 again.
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["clearingAccounts"] = new JsonObject());
        var (collides, waits) = (await world.LinkAsync(change: link => link["shortCode"] = "1"), await world.LinkAsync());
        await world.PayAsync(collides, "pi_2");
        await world.PayAsync(waits, "pi_3");

        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["invoicePrefix"] = "AB");

        (await world.PairAsync(waits)).Invoice.Status.ShouldBe("PENDING");
        (await world.PairAsync(collides)).Invoice.ShouldSatisfyAllConditions(
            row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("settings.number_in_use"), row => row.Message!.ShouldContain("invoicePrefix"));
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["invoicePrefix"] = "C-");
        (await world.PairAsync(collides)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.Number.ShouldBe("C-1"));
        // A payment whose number is taken from the start has no rows, and a person to look at it.
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["invoicePrefix"] = "C");
        (await world.HearAsync(StripeEvents.Session(await world.LinkAsync(change: link => link["shortCode"] = "-1"), "pi_4", 12000))).ShouldBe("NEEDS_ACTION payment.number_in_use");
    }

    [Fact]
    public async Task Documents_are_frozen_when_the_payment_is_confirmed()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        var before = await world.PairAsync(link);

        await world.PutOrganisationAsync(world.Organisation, body =>
        {
            body["timeZone"] = "Pacific/Auckland";
            var booking = body["booking"]!.AsObject();
            booking["salesAccountCode"] = "260";
            booking["taxType"] = "OUTPUT2";
            booking["lineAmountTypes"] = "Inclusive";
            booking["invoicePrefix"] = "NEW-";
            booking["contacts"] = "Shared";
            booking["clearingAccounts"]!["STRIPE"]!["GBP"] = "091";
        });
        await world.LinkAsync(id: link, change: body =>
        {
            body["description"] = "Something else";
            body["reference"] = "INV-9999";
            body["customer"]!["name"] = "Bob";
        });
        var after = await world.PairAsync(link);
        (after.Invoice.Document, after.Invoice.Number, after.Payment.Document).ShouldBe((before.Invoice.Document, before.Invoice.Number, before.Payment.Document));
        await world.DrainAsync();

        var ledger = await world.LedgerAsync();
        var made = ledger["invoices"]!.AsArray().ShouldHaveSingleItem()!;
        (made["invoiceNumber"]!.GetValue<string>(), made["reference"]!.GetValue<string>(), made["contactName"]!.GetValue<string>(), made["total"]!.GetValue<string>())
            .ShouldBe((before.Invoice.Number!, "INV-0042", "Ann Lee (ann@example.com)", "120.00"));
        ledger["payments"]!.AsArray().ShouldHaveSingleItem()!["accountCode"]!.GetValue<string>().ShouldBe("090");
    }

    [Fact]
    public async Task The_day_of_a_document_is_the_organisations_day()
    {
        await using var world = await World.StartAsync(server);
        await world.PutOrganisationAsync(world.Organisation, body => body["timeZone"] = "Pacific/Auckland");
        var link = await world.LinkAsync();

        // 2026-07-30T20:00:00Z
        await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000, created: 1785441600));

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Json.GetProperty("date").GetString(), payment.Json.GetProperty("date").GetString()).ShouldBe(("2026-07-31", "2026-07-31"));
    }
}
