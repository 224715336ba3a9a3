using System.Text.Json.Nodes;
using Npgsql;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>The one way in which a frozen number changes: a person's order, when nothing live can stand under the old one.</summary>
public sealed class RequeueWithNewNumberTests(PostgresServer server)
{
    static Task<JsonNode> RequeueAsync(World world, Guid sync, int expect) =>
        world.SendAsync(HttpMethod.Post, $"/api/syncs/{sync}/resolve", new JsonObject { ["action"] = "requeueWithNewNumber", ["reason"] = "voided by the accountant" }, expect);

    /// <summary>Sent, the reply lost, and voided by a person before anybody looked.</summary>
    static async Task<Guid> VoidedAsync(World world, string shortCode = "SOLD")
    {
        var link = await world.LinkAsync(change: body => body["shortCode"] = shortCode);
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.HumanAsync("voidInvoice", new JsonObject { ["invoiceNumber"] = $"PL-{shortCode}" });
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();
        return link;
    }

    [Fact]
    public async Task A_voided_invoice_is_booked_again_as_minus_2_with_its_payment_and_the_old_id_is_kept()
    {
        await using var world = await World.StartAsync(server);
        var link = await VoidedAsync(world);
        var voided = (await world.LedgerAsync())["invoices"]!.AsArray().ShouldHaveSingleItem()!["invoiceId"]!.GetValue<string>();
        var held = (await world.PairAsync(link)).Invoice;
        held.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.document_voided"), row => row.OpenRequest.ShouldBeNull("a number stays taken, so the look-up settled the request"));

        await RequeueAsync(world, held.Id, expect: 202);
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        invoice.ShouldSatisfyAllConditions(row => row.Id.ShouldBe(held.Id), row => row.Status.ShouldBe("SUCCESS"), row => row.Number.ShouldBe("PL-SOLD-2"), row => row.Json.GetProperty("number").GetString().ShouldBe("PL-SOLD-2"),
            row => row.InvoiceId.ShouldNotBe(voided));
        payment.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.Number.ShouldBe("pi_1"));
        (await world.Database.QueryAsync("SELECT xero_invoice_id, content ->> 'document_number', reason FROM paymentsync.xero_syncs_archive", reader => (reader.GetString(0), reader.GetString(1), reader.GetString(2))))
            .ShouldBe([(voided, "PL-SOLD", "requeued with a new number")]);
        (await world.Database.ScalarAsync<string>("SELECT action || ' ' || reason || ' ' || (details ->> 'number') FROM paymentsync.audit_log WHERE target = $1", held.Id.ToString()))
            .ShouldBe("sync.requeueWithNewNumber voided by the accountant PL-SOLD-2");
    }

    [Fact]
    public async Task The_next_number_is_minus_3_and_a_number_that_another_link_has_is_passed_over()
    {
        await using var world = await World.StartAsync(server);
        await world.PayAsync(await world.LinkAsync(change: body => body["shortCode"] = "SOLD-3"), "pi_other");
        await world.DrainAsync();
        var link = await VoidedAsync(world);
        await RequeueAsync(world, (await world.PairAsync(link)).Invoice.Id, expect: 202);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.HumanAsync("voidInvoice", new JsonObject { ["invoiceNumber"] = "PL-SOLD-2" });
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();
        await RequeueAsync(world, (await world.PairAsync(link)).Invoice.Id, expect: 202);
        await world.DrainAsync();

        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Number.ShouldBe("PL-SOLD-4"), pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
    }

    [Fact]
    public async Task An_invoice_that_has_an_id_gets_a_new_number_only_after_a_look_read_it_voided()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync(change: body => body["shortCode"] = "SOLD");
        await world.PayAsync(link);
        world.Proxy.OnAnswer = (resource, body) =>
        {
            if (resource == "PUT /Invoices")
                body["Invoices"]![0]!["Total"] = 120.01m;
        };
        await world.DrainAsync();
        world.Proxy.OnAnswer = null;
        var differs = (await world.PairAsync(link)).Invoice;
        differs.Code.ShouldBe("xero.total_differs");
        await RequeueAsync(world, differs.Id, expect: 409);

        await world.HumanAsync("voidInvoice", new JsonObject { ["invoiceId"] = differs.InvoiceId });
        (await RequeueAsync(world, differs.Id, expect: 409))["code"]!.GetValue<string>().ShouldBe("sync.document_stands", "nobody has read it since");
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{differs.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "look again" }, expect: 202);
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.document_voided"), row => row.InvoiceId.ShouldBe(differs.InvoiceId));
        await RequeueAsync(world, differs.Id, expect: 202);
        await world.DrainAsync();

        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Number.ShouldBe("PL-SOLD-2"), pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
        (await world.Database.ScalarAsync<string>("SELECT xero_invoice_id FROM paymentsync.xero_syncs_archive")).ShouldBe(differs.InvoiceId);
    }

    [Fact]
    public async Task While_a_request_is_open_no_number_changes()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        var refused = await RequeueAsync(world, invoice.Id, expect: 409);
        refused["code"]!.GetValue<string>().ShouldBe("sync.request_open");
        refused["detail"]!.GetValue<string>().ShouldEndWith("It is looked up first, by itself.");
        (await RequeueAsync(world, payment.Id, expect: 409))["code"]!.GetValue<string>().ShouldBe("sync.no_invoice");
        (await RequeueAsync(world, Guid.NewGuid(), expect: 404))["code"]!.GetValue<string>().ShouldBe("sync.unknown");
        (await world.PairAsync(link)).Invoice.Number.ShouldBe(invoice.Number);

        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();
        (await RequeueAsync(world, invoice.Id, expect: 409))["code"]!.GetValue<string>().ShouldBe("sync.final");
    }

    [Fact]
    public async Task A_number_that_a_stranger_took_is_left_to_him()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync(change: body => body["shortCode"] = "TAKEN");
        await world.HumanAsync("createInvoice", new JsonObject { ["invoiceNumber"] = "PL-TAKEN", ["amount"] = 7.5, ["contactName"] = "Somebody else" });
        await world.PayAsync(link);
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();
        var held = (await world.PairAsync(link)).Invoice;
        held.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.document_mismatch"), row => row.OpenRequest.ShouldBeNull("it was refused, so what is there is not ours"), row => row.Message!.ShouldContain("new number"));

        await RequeueAsync(world, held.Id, expect: 202);
        await world.DrainAsync();
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Number.ShouldBe("PL-TAKEN-2"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
        (await world.LedgerAsync())["invoices"]!.AsArray().Single(invoice => invoice!["invoiceNumber"]!.GetValue<string>() == "PL-TAKEN")!["total"]!.GetValue<string>().ShouldBe("7.50");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_number_that_is_taken_in_other_letters_is_not_ours_and_a_new_one_books(bool lost)
    {
        await using var world = await World.StartAsync(server);
        var (lower, upper) = (await world.LinkAsync(change: body => body["shortCode"] = "sold"), await world.LinkAsync(change: body => body["shortCode"] = "SOLD"));
        await world.PayAsync(lower, "pi_lower");
        await world.DrainAsync();
        await world.PayAsync(upper, "pi_upper");
        if (lost)
            await world.FaultAsync("reset-before", resource: "PUT /Invoices");
        for (var round = 0; round < 10; round++)
        {
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromMinutes(3));
        }

        (await world.CallsAsync("PUT /Invoices")).ShouldBe(2, "what must be refused is not sent again and again");
        var held = (await world.PairAsync(upper)).Invoice;
        held.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.document_mismatch"), row => row.InvoiceId.ShouldBeNull("it is the other link's"), row => row.OpenRequest.ShouldBeNull(), row => row.DueAt.ShouldBeNull(),
            row => row.Message!.ShouldContain("PL-sold", Case.Sensitive), row => row.Message!.ShouldContain("requeue with a new number"));

        await RequeueAsync(world, held.Id, expect: 202);
        await world.DrainAsync();
        (await world.PairAsync(upper)).ShouldSatisfyAllConditions(pair => pair.Invoice.Number.ShouldBe("PL-SOLD-2"), pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
        (await world.PairAsync(lower)).ShouldSatisfyAllConditions(pair => pair.Invoice.Number.ShouldBe("PL-sold"), pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
    }

    [Fact]
    public async Task Two_numbers_that_differ_in_case_only_are_both_asked_for()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        foreach (var code in new[] { "sold", "SOLD" })
            await world.PayAsync(await world.LinkAsync(change: body => body["shortCode"] = code), $"pi_{code}");
        await world.FaultAsync("reset-before", resource: "PUT /Invoices");
        await world.DrainAsync();
        var asked = "";
        world.Proxy.OnExchange = exchange => asked += exchange.Query.GetValueOrDefault("InvoiceNumbers");
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        asked.Split(',').Order(StringComparer.Ordinal).ToArray().ShouldBe(["PL-SOLD", "PL-sold"]);
    }

    [Fact]
    public async Task A_number_that_is_taken_and_not_shown_yet_may_be_ours_and_is_not_sent_again()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        world.Proxy.OnAnswer = ShowNoInvoice;
        await world.DrainAsync();
        foreach (var pause in new[] { TimeSpan.FromSeconds(66), TimeSpan.FromSeconds(31) })
        {
            await world.AdvanceAsync(pause);
            await world.DrainAsync();
        }
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(2, "two looks did not show it");
        var taken = (await world.PairAsync(link)).Invoice;
        for (var round = 0; round < 10; round++)
        {
            await world.AdvanceAsync(TimeSpan.FromMinutes(15));
            await world.DrainAsync();
        }

        (await world.CallsAsync("PUT /Invoices")).ShouldBe(2);
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.Code.ShouldBe("xero.number_taken"), row => row.OpenRequest.ShouldBe(taken.OpenRequest), row => row.DueAt.ShouldNotBeNull());
        (await world.GetAsync("/api/status"))["uncertainOverAnHour"]!.GetValue<int>().ShouldBe(1);

        world.Proxy.OnAnswer = null;
        await world.AdvanceAsync(TimeSpan.FromMinutes(15));
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_number_that_is_taken_by_what_Xero_never_shows_is_left_to_a_person()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var link = await world.LinkAsync(change: body => body["shortCode"] = "TAKEN");
        await world.HumanAsync("createInvoice", new JsonObject { ["invoiceNumber"] = "PL-TAKEN", ["amount"] = 7.5, ["contactName"] = "Somebody else" });
        await world.PayAsync(link);
        world.Proxy.OnAnswer = ShowNoInvoice;
        for (var round = 0; round < 10; round++)
        {
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromMinutes(3));
        }

        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        var held = (await world.PairAsync(link)).Invoice;
        held.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.document_mismatch"), row => row.OpenRequest.ShouldBeNull("its only request was refused"), row => row.Message!.ShouldContain("requeue with a new number"));
        await RequeueAsync(world, held.Id, expect: 202);
        await world.DrainAsync();
        (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Number.ShouldBe("PL-TAKEN-2"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
    }

    static void ShowNoInvoice(string resource, JsonNode body)
    {
        if (resource == "GET /Invoices")
            body["Invoices"] = new JsonArray();
    }

    [Fact]
    public async Task After_a_lost_try_what_bears_the_number_may_be_ours_and_no_new_one_is_given()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync(change: body => body["shortCode"] = "TAKEN");
        await world.PayAsync(link);
        await world.AsWriterAsync("""
            INSERT INTO paymentsync.sync_attempts (sync_id, attempt, trigger, worker, stage, started_at, ended_at, outcome, message, request_id)
            SELECT id, 1, 'RESUME', 'gone', 'recovery', paymentsync.now(), paymentsync.now(), 'LOST', 'The worker was gone when its lease ran out.', gen_random_uuid() FROM xero_syncs WHERE sync_type = 'INVOICE';
            UPDATE xero_syncs SET attempt = 1 WHERE sync_type = 'INVOICE'
            """);
        await world.HumanAsync("createInvoice", new JsonObject { ["invoiceNumber"] = "PL-TAKEN", ["amount"] = 7.5, ["contactName"] = "Somebody else" });
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromSeconds(6));
        await world.DrainAsync();

        var held = (await world.PairAsync(link)).Invoice;
        held.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.document_mismatch"), row => row.OpenRequest.ShouldNotBeNull(), row => row.Message!.ShouldNotContain("new number"), row => row.Message!.ShouldEndWith("Correct it in Xero, then replay."));
        var refused = await RequeueAsync(world, held.Id, expect: 409);
        refused["code"]!.GetValue<string>().ShouldBe("sync.request_open");
        refused["detail"]!.GetValue<string>().ShouldContain("it waits (xero.document_mismatch)");
    }

    [Theory]
    [InlineData("UPDATE xero_syncs SET document_number = document_number || '-2', request_payload = request_payload || '{\"number\":\"X\"}' WHERE sync_type = 'INVOICE'", "", "PS015")]
    [InlineData("UPDATE xero_syncs SET xero_invoice_id = NULL WHERE sync_type = 'INVOICE'", "", "PS012")]
    [InlineData("UPDATE xero_syncs SET document_number = document_number || '-2' WHERE sync_type = 'INVOICE'", "renumber 00000000-0000-0000-0000-000000000000", "PS015")]
    [InlineData("UPDATE xero_syncs SET document_number = document_number || '-2' WHERE sync_type = 'INVOICE'", "redate", "PS015")]
    [InlineData("UPDATE xero_syncs SET request_payload = request_payload || '{\"total\":\"1.00\"}' WHERE sync_type = 'INVOICE'", "redate", "PS015")]
    [InlineData("UPDATE xero_syncs SET request_payload = request_payload || '{\"date\":\"2026-01-01\"}' WHERE sync_type = 'PAYMENT'", "redate", "PS015")]
    public async Task Nothing_else_passes_the_guarded_door(string statement, string door, string refused)
    {
        await using var world = await World.StartAsync(server);
        await world.PayAsync(await world.LinkAsync());
        await world.FaultAsync("commit-then-reset", resource: "PUT /Payments");
        await world.DrainAsync();

        (await Should.ThrowAsync<PostgresException>(() => world.AsWriterAsync($"SET paymentsync.door = '{door}'; {statement}"))).SqlState.ShouldBe(refused);
    }
}
