using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Adoption;

/// <summary>The service on an adopted database: what was never tried is booked, what is in Xero is not booked again, what is not known waits for a person.</summary>
public sealed class AdoptedPipelineTests(PostgresServer server)
{
    readonly LegacyDatabase _legacy = LegacyDatabase.Of(Guid.Parse("00000000-0000-0000-0000-0000000000aa"));

    async Task<World> AdoptedAsync()
    {
        var database = await server.CreateEmptyDatabaseAsync();
        await _legacy.FillAsync(database.ConnectionString);
        (await LegacyDatabase.AdoptAsync(database)).Adoption!.Holds.ShouldBeTrue();
        await TestSchema.MakeClockMoveableAsync(database.ConnectionString);
        return await World.StartAsync(server, connected: false, adopted: (database, _legacy.Organisation));
    }

    [Fact]
    public async Task A_link_that_was_never_tried_is_booked_once_its_organisation_has_settings_and_a_connection()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "PENDING");
        _legacy.Row(link, "INVOICE", "FAILED", error: "No active Xero connection for organization");
        await using var world = await AdoptedAsync();
        (await world.PairAsync(link)).Invoice.Code.ShouldBe("settings.missing");

        await world.PutOrganisationAsync(world.Organisation);
        (await world.PairAsync(link)).Invoice.Code.ShouldBe("xero.no_connection");
        await world.ConnectAsync();
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, payment.Status).ShouldBe(("SUCCESS", "SUCCESS"));
        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await world.DrainAsync();
        (await world.CallsAsync("PUT /Invoices"), await world.CallsAsync("PUT /Payments")).ShouldBe((1, 1));
        (await world.PairAsync(link)).Payment.Payment.ShouldBe("pi_1", "the confirmation from before the adoption says which payment it was");
    }

    [Fact]
    public async Task What_is_in_Xero_is_not_booked_again_however_often_it_is_confirmed()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "SUCCESS", invoiceId: "aaaa", paymentId: "bbbb");
        _legacy.Row(link, "INVOICE", "PENDING");
        _legacy.Row(link, "INVOICE", "FAILED", error: "Xero API 500");
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();

        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.InvoiceId, payment.Status, payment.PaymentId).ShouldBe(("SUCCESS", "aaaa", "SUCCESS", "bbbb"));
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(0);
        (await world.GetAsync("/api/status"))["syncs"]!["SUCCESS"]!.GetValue<long>().ShouldBe(2, "the overview counts what was booked before the adoption");
        (await world.PayAsync(link, "pi_2")).ShouldBe("NEEDS_ACTION", "another payment of the link is a second payment");
    }

    [Fact]
    public async Task A_payment_from_after_the_adoption_of_an_adopted_link_is_a_second_payment()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "SUCCESS", invoiceId: "aaaa", paymentId: "bbbb");
        await using var world = await AdoptedAsync();
        var later = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds();
        (await world.HearAsync(StripeEvents.Session(link, "pi_9", 12000, created: later))).ShouldBe("NEEDS_ACTION payment.second_payment");
    }

    [Theory]
    [InlineData("INVOICE")]
    [InlineData("PAYMENT")]
    [InlineData("INVOICE", "PAYMENT")]
    public async Task A_link_that_was_not_paid_when_it_was_adopted_is_booked_by_its_first_payment(params string[] types)
    {
        var link = _legacy.Link(status: "OPEN");
        foreach (var type in types)
            _legacy.Row(link, type, "PENDING");
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        var rows = await world.RowsAsync(link);
        rows.Select(row => row.Code).ShouldAllBe(code => code == "legacy.incomplete");
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{rows[0].Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "nothing was paid yet" }, expect: 409);
        var later = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds();

        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000, created: later))).ShouldBe("COMPLETED");
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, payment.Status, invoice.Payment, payment.Payment).ShouldBe(("SUCCESS", "SUCCESS", "pi_1", "pi_1"));
        (await world.CallsAsync("PUT /Invoices"), await world.CallsAsync("PUT /Payments")).ShouldBe((1, 1));
        (await world.HearAsync(StripeEvents.Session(link, "pi_2", 12000, created: later))).ShouldBe("NEEDS_ACTION payment.second_payment");
    }

    [Fact]
    public async Task What_was_tried_and_left_no_id_is_held_with_what_to_look_for_and_nothing_is_sent()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "PENDING");
        _legacy.Row(link, "INVOICE", "FAILED", error: "Xero API 500");
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        await world.PayAsync(link);
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.Code, payment.Code).ShouldBe(("FAILED", "legacy.unknown_outcome", "waiting.invoice"));
        invoice.Json.GetProperty("lookFor").GetProperty("amount").GetString().ShouldBe("120.00");
        invoice.Message!.ShouldContain("Ann Lee");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(0);
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = invoice.Id, ["reason"] = "test" }, expect: 409);
    }

    [Fact]
    public async Task What_was_tried_and_is_not_in_Xero_is_booked_once_a_person_says_so()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "FAILED", error: "Xero API 500");
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        var invoice = (await world.PairAsync(link)).Invoice;
        invoice.Code.ShouldBe("legacy.unknown_outcome");

        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "looked in Xero: there is none" }, expect: 202);
        await world.DrainAsync();

        var pair = await world.PairAsync(link);
        (pair.Invoice.Status, pair.Payment.Status).ShouldBe(("SUCCESS", "SUCCESS"));
    }

    [Fact]
    public async Task A_confirmation_from_before_the_adoption_leaves_a_held_row_held_and_its_organisation_can_be_set()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "FAILED", error: "Xero API 500");
        var never = _legacy.Link();
        _legacy.Row(never, "INVOICE", "PENDING");
        await using var world = await AdoptedAsync();
        (await world.PayAsync(link)).ShouldBe("COMPLETED");

        await world.PutOrganisationAsync(world.Organisation);
        await world.PutOrganisationAsync(world.Organisation);

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.Code, invoice.Payment, payment.Code).ShouldBe(("FAILED", "legacy.unknown_outcome", "pi_1", "waiting.invoice"));
        (invoice.Number, payment.Number).ShouldBe(("PL-00000000", "pi_1"));
        invoice.Json.GetProperty("lookFor").GetProperty("amount").GetString().ShouldBe("120.00");
        (await world.PairAsync(never)).Invoice.Code.ShouldBe("xero.no_connection", "what waits for settings goes on beside it");

        await world.ConnectAsync();
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{invoice.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "looked in Xero: there is none" }, expect: 202);
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_payment_that_only_an_old_confirmation_tells_of_stays_held_however_often_the_organisation_is_set()
    {
        var link = _legacy.Link("REFUNDED");
        _legacy.Row(link, "INVOICE", "SUCCESS", invoiceId: "aaaa");
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        (await world.PayAsync(link)).ShouldBe("COMPLETED");

        await world.PutOrganisationAsync(world.Organisation);
        await world.PutOrganisationAsync(world.Organisation);

        var payment = (await world.PairAsync(link)).Payment;
        (payment.Status, payment.Code, payment.Number).ShouldBe(("FAILED", "legacy.payment_unknown", "pi_1"));
    }

    [Fact]
    public async Task A_payment_of_an_invoice_that_is_in_Xero_waits_for_the_settings_and_not_for_its_invoice()
    {
        var link = _legacy.Link();
        var invoice = _legacy.Row(link, "INVOICE", "SUCCESS", invoiceId: "to be replaced");
        _legacy.Row(link, "PAYMENT", "PENDING");
        await using var world = await AdoptedAsync();
        (await world.PairAsync(link)).Payment.Code.ShouldBe("settings.missing");
        await world.PayAsync(link);
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["clearingAccounts"] = new JsonObject());
        (await world.PairAsync(link)).Payment.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("settings.clearing_account_missing"));

        // The predecessor's invoice has a number of Xero's choosing.
        var made = (await world.HumanAsync("createInvoice", new JsonObject { ["amount"] = 120, ["contactName"] = "Lee, Ann" }))["invoiceId"]!.GetValue<string>();
        await world.Database.ExecuteAsync("ALTER TABLE xero_syncs DISABLE TRIGGER USER");
        await world.Database.ExecuteAsync("UPDATE xero_syncs SET xero_invoice_id = $1 WHERE id = $2", made, invoice);
        await world.Database.ExecuteAsync("ALTER TABLE xero_syncs ENABLE TRIGGER USER");
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        await world.DrainAsync();

        (await world.PairAsync(link)).Payment.Status.ShouldBe("SUCCESS");
    }

    [Theory]
    [InlineData("payment_method = NULL", "payment_method = 'STRIPE'")]
    [InlineData("amount = 0", "amount = 120")]
    public async Task What_its_link_lacked_is_booked_by_a_persons_order_once_the_link_has_it(string lacking, string mended)
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "PENDING");
        var database = await server.CreateEmptyDatabaseAsync();
        await _legacy.FillAsync(database.ConnectionString);
        await database.ExecuteAsync($"UPDATE payment_links SET {lacking}");
        await LegacyDatabase.AdoptAsync(database);
        await TestSchema.MakeClockMoveableAsync(database.ConnectionString);
        await using var world = await World.StartAsync(server, connected: false, adopted: (database, _legacy.Organisation));
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        var row = (await world.RowsAsync(link)).ShouldHaveSingleItem();
        row.Code.ShouldBe("legacy.incomplete");
        var order = new JsonObject { ["action"] = "requeue", ["reason"] = "the link is paid, and complete now" };
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{row.Id}/resolve", order, expect: 409);

        await world.Database.ExecuteAsync($"UPDATE payment_links SET {mended}");
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{row.Id}/resolve", order, expect: 202);
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, invoice.Amount, payment.Status, payment.Amount).ShouldBe(("SUCCESS", 120, "SUCCESS", 120), "an invoice alone would stay unpaid");
    }

    [Fact]
    public async Task What_was_tried_and_is_in_Xero_is_adopted_by_the_sync_s_own_id()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "FAILED", error: "Xero API 500");
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        var (invoice, payment) = await world.PairAsync(link);
        var made = (await world.HumanAsync("createInvoice", new JsonObject { ["amount"] = 120, ["contactName"] = "Lee, Ann" }))["invoiceId"]!.GetValue<string>();
        var other = (await world.HumanAsync("createInvoice", new JsonObject { ["amount"] = 99, ["contactName"] = "Lee, Ann" }))["invoiceId"]!.GetValue<string>();
        async Task<JsonNode> AdoptAsync(Row sync, int expect, string? xeroId) =>
            await world.SendAsync(HttpMethod.Post, $"/api/syncs/{sync.Id}/resolve", new JsonObject { ["action"] = "adopt", ["reason"] = "found it in Xero", ["xeroId"] = xeroId }, expect);

        await AdoptAsync(invoice, 400, null);
        (await AdoptAsync(invoice, 409, other))["code"]!.GetValue<string>().ShouldBe("adopt.differs");
        (await AdoptAsync(payment, 409, made))["code"]!.GetValue<string>().ShouldBe("sync.not_resolvable", "it waits for its invoice, not for a person");
        var adopted = await AdoptAsync(invoice, 200, made);
        (adopted["status"]!.GetValue<string>(), adopted["xeroInvoiceId"]!.GetValue<string>()).ShouldBe(("SUCCESS", made));
        await AdoptAsync(invoice, 200, made);
        await world.DrainAsync();

        var pair = await world.PairAsync(link);
        (pair.Invoice.InvoiceId, pair.Payment.Status).ShouldBe((made, "SUCCESS"));
        (await world.CallsAsync("PUT /Invoices"), await world.CallsAsync("PUT /Payments")).ShouldBe((0, 1));
        (await world.Database.QueryAsync("SELECT target || ' ' || reason FROM paymentsync.audit_log WHERE action = 'sync.adopt'", reader => reader.GetString(0))).ShouldBe([$"{invoice.Id} found it in Xero"]);
    }

    [Fact]
    public async Task Of_several_payments_that_were_booked_before_a_person_names_the_one_that_stays()
    {
        var link = _legacy.Link();
        var invoice = _legacy.Row(link, "INVOICE", "SUCCESS", invoiceId: "to be replaced");
        _legacy.Row(link, "PAYMENT", "FAILED", paymentId: "one", error: "Xero API 500");
        _legacy.Row(link, "PAYMENT", "FAILED", paymentId: "two", error: "Xero API 500");
        var kept = _legacy.Row(link, "PAYMENT", "PENDING");
        await using var world = await AdoptedAsync();
        var made = (await world.HumanAsync("createInvoice", new JsonObject { ["amount"] = 120, ["contactName"] = "Lee, Ann" }))["invoiceId"]!.GetValue<string>();
        var paid = (await world.HumanAsync("payInvoice", new JsonObject { ["invoiceId"] = made, ["amount"] = 120 }))["paymentId"]!.GetValue<string>();
        await world.Database.ExecuteAsync("ALTER TABLE xero_syncs DISABLE TRIGGER USER");
        await world.Database.ExecuteAsync("UPDATE xero_syncs SET xero_invoice_id = $1 WHERE id = $2", made, invoice);
        await world.Database.ExecuteAsync("ALTER TABLE xero_syncs ENABLE TRIGGER USER");
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();

        var item = (await world.GetAsync("/api/recovery/items?status=OPEN"))["items"]!.AsArray().ShouldHaveSingleItem()!;
        (item["kind"]!.GetValue<string>(), item["syncId"]!.GetValue<Guid>()).ShouldBe(("legacy.duplicate_documents", kept));
        item["message"]!.GetValue<string>().ShouldEndWith("several payments in Xero. Remove all but one there, then adopt the id that stays.");
        await world.SendAsync(HttpMethod.Post, $"/api/recovery/items/{item["id"]}/resolve", new JsonObject { ["action"] = "adopt", ["reason"] = "removed the other", ["xeroId"] = paid }, expect: 200);

        (await world.PairAsync(link)).Payment.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.PaymentId.ShouldBe(paid));
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);
    }

    [Fact]
    public async Task An_invoice_that_only_its_payment_proves_is_on_the_work_list_though_it_had_no_row()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "PAYMENT", "SUCCESS", paymentId: "bbbb");
        await using var world = await AdoptedAsync();

        var invoice = (await world.PairAsync(link)).Invoice;
        invoice.Code.ShouldBe("legacy.unknown_outcome");
        var item = (await world.GetAsync("/api/recovery/items?status=OPEN"))["items"]!.AsArray().ShouldHaveSingleItem()!;
        (item["kind"]!.GetValue<string>(), item["syncId"]!.GetValue<Guid>(), item["message"]!.GetValue<string>()).ShouldBe(("legacy.unknown_outcome", invoice.Id, invoice.Message!));
    }

    [Fact]
    public async Task An_invoice_whose_id_only_an_archived_row_holds_is_looked_up_by_that_id_and_then_paid()
    {
        var link = _legacy.Link();
        _legacy.Row(link, "INVOICE", "FAILED", invoiceId: "to be replaced", error: "unauthorized");
        _legacy.Row(link, "INVOICE", "PENDING");
        await using var world = await AdoptedAsync();
        // The predecessor's invoice has a number of Xero's choosing, and its own spelling of the customer.
        var made = (await world.HumanAsync("createInvoice", new JsonObject { ["amount"] = 120, ["contactName"] = "Lee, Ann" }))["invoiceId"]!.GetValue<string>();
        await world.Database.ExecuteAsync("ALTER TABLE xero_syncs DISABLE TRIGGER USER");
        await world.Database.ExecuteAsync("UPDATE xero_syncs SET xero_invoice_id = $1 WHERE payment_link_id = $2 AND sync_type = 'INVOICE'", made, link);
        await world.Database.ExecuteAsync("ALTER TABLE xero_syncs ENABLE TRIGGER USER");
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.InvoiceId, invoice.Status).ShouldBe((made, "SUCCESS"));
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(0);
        payment.Status.ShouldBe("SUCCESS", "nothing was ever paid towards it, and the link is paid");
    }

    [Fact]
    public async Task An_invoice_whose_known_id_Xero_does_not_show_is_not_sent_in_its_place()
    {
        var link = _legacy.Link();
        var known = _legacy.Row(link, "INVOICE", "FAILED", invoiceId: "to be replaced", error: "unauthorized");
        _legacy.Row(link, "INVOICE", "PENDING");
        var database = await server.CreateEmptyDatabaseAsync();
        await _legacy.FillAsync(database.ConnectionString);
        // The predecessor's invoice has a number of Xero's choosing; the simulator of this world knows it as a person's.
        var simulated = Guid.NewGuid().ToString();
        await database.ExecuteAsync("UPDATE xero_syncs SET xero_invoice_id = $1 WHERE id = $2", simulated, known);
        await LegacyDatabase.AdoptAsync(database);
        await TestSchema.MakeClockMoveableAsync(database.ConnectionString);
        await using var world = await World.StartAsync(server, connected: false, adopted: (database, _legacy.Organisation));
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        await world.DrainAsync();

        var invoice = (await world.PairAsync(link)).Invoice;
        (invoice.InvoiceId, invoice.Status, invoice.Code).ShouldBe((simulated, "FAILED", "xero.document_missing"), "Xero was asked for this very id; nothing was sent in its place");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(0);
    }

    [Fact]
    public async Task A_new_payment_of_an_adopted_organisation_goes_all_the_way()
    {
        var link = _legacy.Link();
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();

        (await world.PayAsync(link)).ShouldBe("COMPLETED");
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, payment.Status).ShouldBe(("SUCCESS", "SUCCESS"));
    }

    [Fact]
    public async Task What_the_host_inserts_waits_for_its_confirmation_and_is_then_booked()
    {
        var link = _legacy.Link();
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        // The statement as Prisma issues it, now that the constraint is there: the predecessor's columns only.
        const string upsert = """
            INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, request_payload, retry_count, created_at, updated_at) VALUES (gen_random_uuid(), $1, 'INVOICE', 'PENDING', '{}', 0, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)
            ON CONFLICT (payment_link_id, sync_type) DO UPDATE SET status = 'PENDING', retry_count = 0, updated_at = CURRENT_TIMESTAMP RETURNING id
            """;
        var id = await world.Database.ScalarAsync<Guid>(upsert, link);
        (await world.Database.ScalarAsync<Guid>(upsert, link)).ShouldBe(id);
        (await world.Database.ScalarAsync<string>("SELECT status || ' ' || failure_code FROM xero_syncs")).ShouldBe("PENDING waiting.confirmation");

        await world.PayAsync(link);
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Id, invoice.Status, payment.Status).ShouldBe((id, "SUCCESS", "SUCCESS"));
        (await world.Database.ScalarAsync<Guid>(upsert, link)).ShouldBe(id);
        (await world.PairAsync(link)).Invoice.Status.ShouldBe("SUCCESS", "the host's upsert is taken without error and changes nothing");
        (await world.Database.ScalarAsync<long>("SELECT sum(writes)::bigint FROM paymentsync.host_writes WHERE kind LIKE 'update%'")).ShouldBe(2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_the_host_inserted_and_nobody_confirmed_for_a_day_is_held_and_a_confirmation_that_comes_late_still_books_it(bool adopted)
    {
        var link = _legacy.Link();
        await using var world = adopted ? await AdoptedAsync() : await World.StartAsync(server);
        if (adopted)
        {
            await world.PutOrganisationAsync(world.Organisation);
            await world.ConnectAsync();
        }
        else
        {
            link = await world.LinkAsync();
        }
        await world.Database.ExecuteAsync("INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, request_payload, created_at, updated_at) VALUES (gen_random_uuid(), $1, 'INVOICE', 'PENDING', '{\"of\": \"the host\"}', paymentsync.now(), paymentsync.now())", link);
        await world.AdvanceAsync(TimeSpan.FromHours(23));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/unlinked-payments/run");
        (await world.RowsAsync()).Single().Code.ShouldBe("waiting.confirmation");

        await world.AdvanceAsync(TimeSpan.FromHours(2));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/unlinked-payments/run");
        (await world.RowsAsync()).Single().ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.incomplete"));
        // Paid after the adoption: on an adopted row that would be a second payment.
        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000, created: DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds()))).ShouldBe("COMPLETED");
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        (invoice.Status, payment.Status, invoice.Payment, payment.Payment).ShouldBe(("SUCCESS", "SUCCESS", "pi_1", "pi_1"));
        (await world.CallsAsync("PUT /Invoices"), await world.CallsAsync("PUT /Payments")).ShouldBe((1, 1));
    }

    [Fact]
    public async Task A_person_gives_up_what_the_host_inserted_for_a_payment_that_never_was()
    {
        var link = _legacy.Link();
        await using var world = await AdoptedAsync();
        await world.Database.ExecuteAsync("INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, request_payload, created_at, updated_at) VALUES (gen_random_uuid(), $1, 'INVOICE', 'PENDING', '{}', paymentsync.now(), paymentsync.now())", link);
        await world.AdvanceAsync(TimeSpan.FromHours(25));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/unlinked-payments/run");
        var sync = (await world.RowsAsync()).Single().Id;

        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{sync}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "try" }, expect: 409);
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{sync}/resolve", new JsonObject { ["action"] = "markFailed", ["reason"] = "never paid" });

        (await world.RowsAsync()).Single().Code.ShouldBe("operator.marked_failed");
    }

    [Fact]
    public async Task No_payment_goes_to_an_invoice_that_several_links_name_until_a_person_says_whose_it_is()
    {
        var (invoice, links) = (Guid.NewGuid().ToString(), new[] { _legacy.Link(), _legacy.Link() });
        foreach (var link in links)
        {
            _legacy.Row(link, "INVOICE", "SUCCESS", invoiceId: invoice);
            _legacy.Row(link, "PAYMENT", "PENDING");
        }
        await using var world = await AdoptedAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        await world.DrainAsync();

        var (mine, others) = ((await world.PairAsync(links[0])).Payment, (await world.PairAsync(links[1])).Payment);
        (mine.Status, mine.Code, others.Status, others.Code).ShouldBe(("FAILED", "legacy.shared_id", "FAILED", "legacy.shared_id"));
        (await world.CallsAsync("GET /Invoices") + await world.CallsAsync("PUT /Payments")).ShouldBe(0);

        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{mine.Id}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "it is this link's" });
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{others.Id}/resolve", new JsonObject { ["action"] = "markFailed", ["reason"] = "it is the other one's" });
        await world.DrainAsync();

        (await world.CallsAsync("GET /Invoices")).ShouldBeGreaterThan(0, "the one that was released goes its way");
        (await world.PairAsync(links[0])).Payment.Code.ShouldBe("xero.document_missing", "this Xero has no such invoice");
        (await world.PairAsync(links[1])).Payment.Code.ShouldBe("operator.marked_failed");
    }
}
