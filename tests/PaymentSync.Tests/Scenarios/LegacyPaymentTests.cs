using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>legacy.payment_unknown: an adopted invoice whose payment the predecessor may have booked is looked at, once, and never sent.</summary>
public sealed class LegacyPaymentTests(PostgresServer server)
{
    /// <summary>An invoice in Xero and its SUCCESS row, and a PAYMENT row as the adoption of a database leaves it.</summary>
    static async Task<(Guid Link, string Invoice)> AdoptedAsync(World world)
    {
        var link = await world.LinkAsync();
        var invoice = (await world.HumanAsync("createInvoice", new JsonObject { ["invoiceNumber"] = "INV-0815", ["amount"] = 120, ["contactName"] = "Ann Lee" }))["invoiceId"]!.GetValue<string>();
        await world.AsWriterAsync("""
            INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, organization_id, xero_invoice_id, request_payload, failure_kind, failure_code, error_message, created_at, updated_at)
            SELECT gen_random_uuid(), l.id, v.type::"XeroSyncType", v.status::"XeroSyncStatus", l.organization_id, v.invoice, '{}', v.kind, v.code, v.message, paymentsync.now(), paymentsync.now()
              FROM payment_links l, (VALUES ('INVOICE', 'SUCCESS', $2, NULL, NULL, NULL), ('PAYMENT', 'FAILED', NULL, 'NEEDS_ACTION', 'legacy.payment_unknown', 'It is not known.')) v (type, status, invoice, kind, code, message)
             WHERE l.id = $1
            """, link, invoice);
        return (link, invoice);
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
}
