using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using PaymentSync.Tests.Recovery;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>legacy.payment_unknown: an adopted invoice whose payment the predecessor may have booked is looked at, once, and never sent.</summary>
public sealed class LegacyPaymentTests(PostgresServer server)
{
    static int _number = 815;

    /// <summary>An invoice in Xero and its SUCCESS row, and a PAYMENT row as the adoption of a database leaves it.</summary>
    /// <param name="known">The invoice's id on the row; null: a new one's.</param>
    /// <param name="sync">The PAYMENT row's own id.</param>
    static async Task<(Guid Link, string Invoice)> AdoptedAsync(World world, string? known = null, Guid? sync = null)
    {
        var link = await world.LinkAsync();
        var invoice = known ?? (await world.HumanAsync("createInvoice", new JsonObject { ["invoiceNumber"] = $"INV-{Interlocked.Increment(ref _number)}", ["amount"] = 120, ["contactName"] = "Ann Lee" }))["invoiceId"]!.GetValue<string>();
        await world.AsWriterAsync("""
            INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, organization_id, xero_invoice_id, shared_id, request_payload, failure_kind, failure_code, error_message, created_at, updated_at)
            SELECT CASE v.type WHEN 'PAYMENT' THEN $3 ELSE gen_random_uuid() END, l.id, v.type::"XeroSyncType", v.status::"XeroSyncStatus", l.organization_id, v.invoice, v.shared, '{}', v.kind, v.code, v.message, paymentsync.now(), paymentsync.now()
              FROM payment_links l, (VALUES ('INVOICE', 'SUCCESS', $2, NULL, NULL, NULL, (SELECT i.shared_id FROM xero_syncs i WHERE i.xero_invoice_id = $2 LIMIT 1)),
                   ('PAYMENT', 'FAILED', NULL, 'NEEDS_ACTION', 'legacy.payment_unknown', 'It is not known.', NULL)) v (type, status, invoice, kind, code, message, shared)
             WHERE l.id = $1
            """, link, invoice, sync ?? Guid.NewGuid());
        return (link, invoice);
    }

    /// <summary>The look claims its rows and reads Xero; then the process is gone, or the database is, before anything is written.</summary>
    static async Task DieBeforeItIsWrittenAsync(World world)
    {
        await world.Database.ExecuteAsync("""
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'gone'; END $$;
            CREATE TRIGGER die BEFORE INSERT ON paymentsync.sync_attempts FOR EACH ROW EXECUTE FUNCTION die()
            """);
        await Should.ThrowAsync<PostgresException>(() => world.Service.Services.GetRequiredService<LegacyPayments>().RunAsync(CancellationToken.None));
        await world.Database.ExecuteAsync("DROP FUNCTION die() CASCADE");
    }

    static async Task<string?> PayAsync(World world, string invoice, string reference, decimal amount) =>
        (await world.HumanAsync("payInvoice", new JsonObject { ["invoiceId"] = invoice, ["reference"] = reference, ["amount"] = amount }))["paymentId"]!.GetValue<string>();

    static Task<JsonNode> LookAsync(World world) => world.SendAsync(HttpMethod.Post, "/api/jobs/legacy-payments/run");

    static async Task<Row> PaymentAsync(World world, Guid link)
    {
        world.SkipAudit(); // Adopted rows say nothing of clearing accounts, and these documents were made by others.
        return (await world.PairAsync(link)).Payment;
    }

    [Fact]
    public async Task Exactly_one_payment_of_the_predecessor_over_the_same_amount_is_adopted()
    {
        await using var world = await World.StartAsync(server);
        var (link, invoice) = await AdoptedAsync(world);
        var paid = await PayAsync(world, invoice, "STRIPE: pi_old", 120);
        await LookAsync(world);

        (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.PaymentId.ShouldBe(paid), row => row.Code.ShouldBeNull());
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);
    }

    [Theory]
    [InlineData("no payment")]
    [InlineData("\"HEDERA: pi_old\"")]
    [InlineData("60.00 \"STRIPE: pi_old\"")]
    [InlineData("60.00 \"STRIPE: pi_old\", 60.00 \"STRIPE: pi_2\"")]
    public async Task Anything_else_stays_held_and_says_what_was_found(string found)
    {
        await using var world = await World.StartAsync(server);
        var (link, invoice) = await AdoptedAsync(world);
        if (found.Contains("HEDERA", StringComparison.Ordinal))
            await PayAsync(world, invoice, "HEDERA: pi_old", 120);
        else if (found != "no payment")
            await PayAsync(world, invoice, "STRIPE: pi_old", 60);
        if (found.Contains("pi_2", StringComparison.Ordinal))
            await PayAsync(world, invoice, "STRIPE: pi_2", 60);
        await LookAsync(world);
        (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.DueAt.ShouldBeNull(),
            row => row.Message!.ShouldContain(found));

        await world.AdvanceAsync(TimeSpan.FromHours(1));
        await LookAsync(world);
        await world.DrainAsync();
        (await world.CallsAsync("GET /Invoices")).ShouldBe(1, "one look");
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);
    }

    [Fact]
    public async Task A_look_that_could_not_read_Xero_is_made_again()
    {
        await using var world = await World.StartAsync(server);
        var (link, invoice) = await AdoptedAsync(world);
        await PayAsync(world, invoice, "STRIPE: pi_old", 120);
        await world.FaultAsync("status-503", resource: "GET /Invoices");
        await LookAsync(world);
        (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.Message!.ShouldContain("looked up again"));
        await world.AdvanceAsync(TimeSpan.FromMinutes(5));
        await LookAsync(world);
        (await PaymentAsync(world, link)).Status.ShouldBe("SUCCESS");
    }

    [Theory]
    [InlineData("no document yet", false)]
    [InlineData("a document", false)]
    [InlineData("no document yet", true)]
    [InlineData("a document", true)]
    public async Task A_look_whose_worker_is_gone_releases_nothing_and_is_made_again(string built, bool booked)
    {
        await using var world = await World.StartAsync(server);
        var (link, invoice) = await AdoptedAsync(world);
        var paid = booked ? await PayAsync(world, invoice, "STRIPE: pi_old", 120) : null;
        // A confirmation from before the adoption has said which payment it is about.
        await world.AsWriterAsync("UPDATE xero_syncs SET provider = 'STRIPE', provider_payment_id = 'pi_old', amount = 120, currency = 'GBP', request_payload = '{\"occurredAt\": \"2026-07-30T08:26:41Z\"}' WHERE payment_link_id = $1", link);
        if (built == "a document")
            await world.PutOrganisationAsync(world.Organisation);
        await DieBeforeItIsWrittenAsync(world);
        (await PaymentAsync(world, link)).Status.ShouldBe("RETRYING");

        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await world.RecoverAsync();
        (await world.ItemsAsync()).ShouldBe(["lease.expired RESUME DONE"]);
        await world.DrainAsync();
        await world.PutOrganisationAsync(world.Organisation);
        await world.RecoverAsync();
        await world.DrainAsync();
        (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.DueAt.ShouldBeNull(),
            row => row.Number.ShouldBe("pi_old", "a person can requeue it"));
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);

        await LookAsync(world);
        if (booked)
            (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.PaymentId.ShouldBe(paid));
        else
            (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.Message!.ShouldContain("no payment"));
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);
    }

    [Fact]
    public async Task A_look_that_never_ends_for_days_is_not_given_up()
    {
        await using var world = await World.StartAsync(server);
        var (link, _) = await AdoptedAsync(world);
        for (var time = 0; time < 3; time++)
        {
            await DieBeforeItIsWrittenAsync(world);
            await world.AdvanceAsync(TimeSpan.FromHours(20));
            await world.RecoverAsync();
        }

        (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.DueAt.ShouldBeNull());
    }

    [Fact]
    public async Task A_change_of_tenant_takes_the_claim_and_neither_it_nor_the_way_back_releases_anything()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        using var browser = new OAuthBrowser(world);
        var (link, _) = await AdoptedAsync(world);
        await DieBeforeItIsWrittenAsync(world);

        await browser.ConnectAsync(tenant: await OAuthBrowser.FoundAsync(world, "Another Ltd"), force: "moved");
        (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.DueAt.ShouldBeNull());
        await world.DrainAsync();
        await browser.ConnectAsync(force: "and back");
        await world.DrainAsync();
        (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.DueAt.ShouldBeNull());
        (await world.CallsAsync("PUT /Payments")).ShouldBe(0);
    }

    [Fact]
    public async Task One_payment_on_an_invoice_that_two_links_name_is_nobodys_and_holds_up_no_other_row()
    {
        await using var world = await World.StartAsync(server);
        var (one, invoice) = await AdoptedAsync(world);
        await world.AsWriterAsync("UPDATE xero_syncs SET shared_id = xero_invoice_id WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", one);
        var (other, _) = await AdoptedAsync(world, known: invoice);
        await PayAsync(world, invoice, "STRIPE: pi_old", 120);
        var (third, its) = await AdoptedAsync(world);
        var paid = await PayAsync(world, its, "STRIPE: pi_third", 120);
        await LookAsync(world);

        (await PaymentAsync(world, third)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("SUCCESS"), row => row.PaymentId.ShouldBe(paid));
        foreach (var link in new[] { one, other })
        {
            (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.DueAt.ShouldBeNull(),
                row => row.Message!.ShouldContain("pi_old"), row => row.Message!.ShouldContain($"{one}"), row => row.Message!.ShouldContain($"{other}"));
        }
        await world.AdvanceAsync(TimeSpan.FromHours(1));
        await LookAsync(world);
        (await world.CallsAsync("GET /Invoices")).ShouldBe(1, "one look");
    }

    [Fact]
    public async Task A_payment_that_is_another_rows_already_is_not_adopted_and_holds_up_no_other_row()
    {
        await using var world = await World.StartAsync(server);
        var (done, _) = await AdoptedAsync(world);
        var (link, invoice) = await AdoptedAsync(world);
        var paid = await PayAsync(world, invoice, "STRIPE: pi_old", 120);
        await world.ForceAsync($"UPDATE xero_syncs SET status = 'SUCCESS', xero_payment_id = {paid}, failure_kind = NULL, failure_code = NULL, error_message = NULL WHERE payment_link_id = {done} AND sync_type = 'PAYMENT'");
        var (third, its) = await AdoptedAsync(world);
        await PayAsync(world, its, "STRIPE: pi_third", 120);
        await LookAsync(world);

        (await PaymentAsync(world, third)).Status.ShouldBe("SUCCESS");
        (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.DueAt.ShouldBeNull(),
            row => row.Message!.ShouldContain($"{link}"), row => row.Message!.ShouldContain($"{done}"), row => row.Message!.ShouldContain(paid!));
    }

    [Fact]
    public async Task An_id_that_cannot_be_one_is_not_asked_for_and_holds_up_no_other_row()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = "2" });
        var (bad, _) = await AdoptedAsync(world, known: "sim_1", sync: Guid.Parse("00000000-0000-0000-0000-000000000001"));
        var (alone, _) = await AdoptedAsync(world, known: "sim_2", sync: Guid.Parse("00000000-0000-0000-0000-000000000002"));
        var good = new List<Guid>();
        for (var number = 0; number < 3; number++)
        {
            var (link, invoice) = await AdoptedAsync(world);
            await PayAsync(world, invoice, $"STRIPE: pi_{number}", 120);
            good.Add(link);
        }
        await LookAsync(world);

        foreach (var link in good)
            (await PaymentAsync(world, link)).Status.ShouldBe("SUCCESS");
        foreach (var link in new[] { bad, alone })
            (await PaymentAsync(world, link)).ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("legacy.payment_unknown"), row => row.Message!.ShouldContain("sim_"));
        (await world.CallsAsync("GET /Invoices")).ShouldBe(2);
        await world.AdvanceAsync(TimeSpan.FromHours(1));
        await LookAsync(world);
        (await world.CallsAsync("GET /Invoices")).ShouldBe(2, "nothing is left to be looked up");
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.call_slots WHERE answered_at IS NULL")).ShouldBe(0, "no slot is left behind");
        await world.SendAsync(HttpMethod.Post, $"/api/syncs/{(await PaymentAsync(world, bad)).Id}/resolve", new JsonObject { ["action"] = "markFailed", ["reason"] = "booked by hand" }, expect: 200);
    }
}
