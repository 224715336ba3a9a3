using System.Text.Json.Nodes;
using PaymentSync.Recovery;
using PaymentSync.Tests.Testing;
using PaymentSync.XeroSyncs;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Recovery;

/// <summary>
/// Each contradiction is set up as data. A dry run names the decision and changes nothing; a run carries it out; a second run does nothing; and
/// then the ordinary road goes on to where the money is right.
/// </summary>
public sealed class ContradictionsTests(PostgresServer server)
{
    /// <param name="Decision">As in the item: "kind decision status".</param>
    /// <param name="Ends">"INVOICE's status, PAYMENT's status" after the next drains.</param>
    sealed record Case(string Decision, string Ends, Func<World, Guid, Task> Break, bool Booked = false);

    const string Both = "SUCCESS, SUCCESS";

    static readonly Dictionary<string, Case> Cases = new(StringComparer.Ordinal)
    {
        ["a claimed row whose worker is gone"] = new("lease.expired RESUME DONE", Both, (world, link) => world.AsWriterAsync("""
            UPDATE xero_syncs SET status = 'RETRYING', attempt = 1, next_retry_at = NULL, lease_owner = 'dead', lease_expires_at = paymentsync.now() - interval '1 second' WHERE payment_link_id = $1 AND sync_type = 'INVOICE'
            """, link)),
        ["an open request that is not in the journal"] = new("request.missing RESUME DONE", Both, (world, link) => world.AsWriterAsync("""
            UPDATE xero_syncs SET open_request_id = gen_random_uuid(), tenant_id = $2, next_retry_at = paymentsync.now() + interval '9 days' WHERE payment_link_id = $1 AND sync_type = 'INVOICE'
            """, link, Broken.Tenant)),
        ["SUCCESS without an id that the journal knows"] = new("success.without_id REBUILD DONE", Both, (world, link) =>
            world.ForceAsync($"UPDATE xero_syncs SET xero_invoice_id = NULL WHERE payment_link_id = {link} AND sync_type = 'INVOICE'"), Booked: true),
        ["SUCCESS of a payment without an id that the journal knows"] = new("success.without_id REBUILD DONE", Both, (world, link) =>
            world.ForceAsync($"UPDATE xero_syncs SET xero_payment_id = NULL WHERE payment_link_id = {link} AND sync_type = 'PAYMENT'"), Booked: true),
        ["an id without SUCCESS"] = new("id.without_success RESUME DONE", Both, (world, link) =>
            world.ForceAsync($"UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'PERMANENT', failure_code = 'xero.refused', error_message = 'No.' WHERE payment_link_id = {link} AND sync_type = 'INVOICE'"), Booked: true),
        ["a payment in Xero while its invoice is to be sent"] = new("invoice.behind_payment REBUILD DONE", Both, (world, link) =>
            world.ForceAsync($"UPDATE xero_syncs SET status = 'PENDING', xero_invoice_id = NULL, next_retry_at = paymentsync.now() WHERE payment_link_id = {link} AND sync_type = 'INVOICE'"), Booked: true),
        ["a payment that waits for an invoice that is there"] = new("payment.waits_needlessly RESUME DONE", Both, async (world, link) =>
        {
            await world.FaultAsync("429-minute", resource: "PUT /Payments");
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromSeconds(61));
            await world.AsWriterAsync("UPDATE xero_syncs SET failure_kind = NULL, failure_code = 'waiting.invoice', error_message = NULL, next_retry_at = NULL WHERE payment_link_id = $1 AND sync_type = 'PAYMENT'", link);
        }),
        ["no connection although there is one"] = new("connection.is_back RESUME DONE", Both, (world, link) => Resting(world, link, "NEEDS_ACTION", "xero.no_connection")),
        ["a row that nobody moves"] = new("sync.not_due RESUME DONE", Both, (world, link) => world.AsWriterAsync("UPDATE xero_syncs SET next_retry_at = NULL WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", link)),
        ["a transient failure with retries left and no next try"] = new("sync.not_due RESUME DONE", Both, (world, link) => Resting(world, link, "TRANSIENT", "xero.unreachable")),
        ["an unknown outcome without a next look"] = new("sync.not_due RESUME DONE", Both, async (world, link) =>
        {
            await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
            await world.DrainAsync();
            await world.AsWriterAsync("UPDATE xero_syncs SET next_retry_at = NULL WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", link);
        }),
        ["an open request that was given up"] = new("sync.not_due RESUME DONE", Both, async (world, link) =>
        {
            await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
            await world.DrainAsync();
            await world.AsWriterAsync("UPDATE xero_syncs SET next_retry_at = NULL, failure_kind = 'PERMANENT', failure_code = 'xero.refused' WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", link);
        }),
        ["a row that was ordered and has no time"] = new("sync.not_due RESUME DONE", Both, async (world, link) =>
        {
            await Resting(world, link, "PERMANENT", "xero.refused");
            await world.AsWriterAsync("UPDATE xero_syncs SET due_because = 'REPLAY' WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", link);
        }),
        ["a queued row without a document"] = new("document.missing MANUAL_REVIEW OPEN", "FAILED, PENDING", (world, link) =>
            world.ForceAsync($"UPDATE xero_syncs SET document_number = NULL WHERE payment_link_id = {link} AND sync_type = 'INVOICE'")),
        ["a document that cannot be read"] = new("document.unreadable MANUAL_REVIEW OPEN", "FAILED, PENDING", (world, link) =>
            world.ForceAsync($"UPDATE xero_syncs SET request_payload = request_payload - 'contact' WHERE payment_link_id = {link} AND sync_type = 'INVOICE'")),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    static Task<int> Resting(World world, Guid link, string kind, string code) => world.AsWriterAsync(
        "UPDATE xero_syncs SET status = 'FAILED', failure_kind = $2, failure_code = $3, error_message = 'No.', next_retry_at = NULL WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", link, kind, code);

    [Theory]
    [MemberData(nameof(Names))]
    public async Task What_contradicts_itself_is_settled_once_and_ends_where_the_money_is_right(string name)
    {
        var broken = Cases[name];
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        if (broken.Booked)
            await world.DrainAsync();
        await broken.Break(world, link);
        var before = await world.RowsAsync();

        var foreseen = await world.RecoverAsync(dryRun: true);
        foreseen.Kinds.ShouldHaveSingleItem().ShouldSatisfyAllConditions(kind => kind.Kind.ShouldBe(broken.Decision.Split(' ')[0]), kind => kind.Decided.ShouldHaveSingleItem().Key.ShouldBe(broken.Decision.Split(' ')[1]));
        (await world.RowsAsync()).ShouldBe(before, "a dry run changes nothing");
        (await world.ItemsAsync()).ShouldBeEmpty();

        (await world.RecoverAsync()).Id.ShouldNotBeNull();
        (await world.ItemsAsync()).ShouldBe([broken.Decision]);
        var settled = await world.RowsAsync();
        (await world.RecoverAsync()).ShouldSatisfyAllConditions(second => second.Found.ShouldBe(0), second => second.Id.ShouldBeNull());
        (await world.RowsAsync()).ShouldBe(settled, "a second run changes nothing");
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.recovery_reports")).ShouldBe(1);
        (await world.Database.ScalarAsync<string>("SELECT action FROM paymentsync.audit_log WHERE actor = 'recovery'")).ShouldBe($"recovery.{broken.Decision.Split(' ')[1].ToLowerInvariant()}");

        for (var round = 0; round < 4; round++)
        {
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromMinutes(2));
        }
        var (invoice, payment) = await world.PairAsync(link);
        $"{invoice.Status}, {payment.Status}".ShouldBe(broken.Ends);
        if (broken.Ends == Both)
        {
            (await world.CallsAsync("PUT /Invoices")).ShouldBe(1, "one invoice, whatever was broken");
            (await world.LedgerAsync())["invoices"]!.AsArray().Count.ShouldBe(1);
        }
        else
        {
            (await world.CallsAsync("PUT /Invoices")).ShouldBe(0);
        }
    }

    [Theory]
    [InlineData(XeroSyncType.INVOICE)]
    [InlineData(XeroSyncType.PAYMENT)]
    public async Task An_answer_that_only_the_journal_knows_is_adopted_without_asking_Xero(XeroSyncType type)
    {
        await using var world = await World.StartAsync(server);
        var links = new[] { await world.LinkAsync(), await world.LinkAsync() };
        await world.PayAsync(links[0], "pi_a");
        await world.PayAsync(links[1], "pi_b");
        if (type == XeroSyncType.PAYMENT)
        {
            await world.FaultAsync("429-minute", resource: "PUT /Payments");
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        }
        await world.DieBetweenJournalAndRowsAsync(type);
        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        var looks = await world.CallsAsync("GET /Invoices");

        var report = await world.RecoverAsync();

        report.Kinds.Select(kind => $"{kind.Kind} {kind.Found} {kind.Done}").ShouldBe(["lease.expired 2 2", "journal.ahead 2 2"], ignoreOrder: true);
        (await world.RowsAsync()).Where(row => row.Type == type.ToString()).ShouldAllBe(row => row.Status == "SUCCESS" && row.OpenRequest == null);
        (await world.CallsAsync("GET /Invoices")).ShouldBe(looks);
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        var attempts = (await world.GetAsync($"/api/syncs/{(await world.RowsAsync(links[0])).Single(row => row.Type == type.ToString()).Id}"))["attempts"]!.AsArray();
        attempts.Select(attempt => $"{attempt!["outcome"]} {attempt["stage"]}").TakeLast(2).ShouldBe(["LOST recovery", "SUCCESS recovery"]);
    }

    [Fact]
    public async Task A_request_that_never_completed_is_closed_as_unknown_and_its_rows_are_looked_up()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.AsWriterAsync("UPDATE paymentsync.requests SET completed_at = NULL, outcome = NULL");
        (await world.RecoverAsync()).Found.ShouldBe(0, "its answer may still come");

        await world.AdvanceAsync(TimeSpan.FromMinutes(3));
        await world.RecoverAsync();
        (await world.ItemsAsync()).ShouldBe(["request.unfinished RESUME DONE"]);
        (await world.Database.ScalarAsync<string>("SELECT outcome FROM paymentsync.requests WHERE completed_at IS NOT NULL")).ShouldBe("UNKNOWN");
        (await world.RecoverAsync()).Found.ShouldBe(0);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task A_held_row_gets_the_journal_entry_of_its_open_request_and_stays_held()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.AsWriterAsync("""
            UPDATE xero_syncs SET open_request_id = gen_random_uuid(), tenant_id = $2, status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = 'xero.total_differs', error_message = 'No.', next_retry_at = NULL
             WHERE payment_link_id = $1 AND sync_type = 'INVOICE'
            """, link, Broken.Tenant);

        await world.RecoverAsync();
        (await world.ItemsAsync()).ShouldBe(["request.missing RESUME DONE"]);
        (await world.RecoverAsync()).Found.ShouldBe(0);
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("xero.total_differs"), row => row.DueAt.ShouldBeNull());
    }

    [Fact]
    public async Task A_payment_in_Xero_on_an_invoice_that_nobody_knows_stops_the_invoice_from_being_sent()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();
        var id = (await world.PairAsync(link)).Invoice.InvoiceId!;
        await world.ForceAsync($"UPDATE xero_syncs SET status = 'PENDING', xero_invoice_id = NULL, next_retry_at = paymentsync.now() WHERE payment_link_id = {link} AND sync_type = 'INVOICE'");
        await world.ForceAsync($"UPDATE xero_syncs SET response_payload = NULL WHERE payment_link_id = {link} AND sync_type = 'PAYMENT'");

        await world.RecoverAsync();
        (await world.ItemsAsync()).ShouldBe(["invoice.behind_payment MANUAL_REVIEW OPEN"]);
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.Code.ShouldBe("payment.invoice_unknown");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);

        // A person finds it in Xero.
        var item = (await world.GetAsync("/api/recovery/items?status=OPEN"))["items"]![0]!["id"]!.GetValue<string>();
        await world.SendAsync(HttpMethod.Post, $"/api/recovery/items/{item}/resolve", new JsonObject { ["action"] = "adopt", ["xeroId"] = id, ["reason"] = "found in Xero" }, expect: 200);
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task An_event_is_heard_again_once_its_link_is_there_though_a_host_inserted_it()
    {
        await using var world = await World.StartAsync(server);
        var (byId, byStripe) = (Guid.NewGuid(), Guid.NewGuid());
        (await world.HearAsync(StripeEvents.Session(byId, "pi_id", 12000))).ShouldBe("UNMATCHED link.unknown");
        (await world.HearAsync(StripeEvents.Session(null, "pi_stripe", 12000, plink: "plink_host"))).ShouldBe("UNMATCHED link.unknown");
        (await world.HearAsync(StripeEvents.Session(Guid.NewGuid(), "pi_never", 12000))).ShouldBe("UNMATCHED link.unknown");
        (await world.RecoverAsync()).Found.ShouldBe(0);
        foreach (var (link, code) in new[] { (byId, "HOSTID"), (byStripe, "HOSTPL") })
        {
            await world.Database.ExecuteAsync("INSERT INTO payment_links (id, organization_id, short_code, amount, currency, invoice_currency, description, updated_at) VALUES ($1, $2, $3, 120, 'GBP', 'GBP', 'Order', paymentsync.now())",
                link, world.Organisation, code);
        }
        await world.Database.ExecuteAsync("INSERT INTO paymentsync.payment_link_settings (payment_link_id, stripe_payment_link) VALUES ($1, 'plink_host')", byStripe);

        (await world.RecoverAsync()).Done.ShouldBe(2);
        (await world.RecoverAsync()).Found.ShouldBe(0);
        await world.DrainAsync();
        (await world.RowsAsync()).Count(row => row.Status == "SUCCESS").ShouldBe(4);
        (await world.EventsAsync()).Select(told => told.Became).ShouldBe(["COMPLETED", "COMPLETED", "UNMATCHED link.unknown"]);
    }

    [Fact]
    public async Task A_row_that_was_never_sent_is_given_up_after_the_time_out_and_one_with_an_open_request_never()
    {
        await using var world = await World.StartAsync(server);
        var (never, open) = (await world.LinkAsync(), await world.LinkAsync());
        await world.PayAsync(never, "pi_never");
        await world.PayAsync(open, "pi_open");
        await world.AsWriterAsync("UPDATE xero_syncs SET open_request_id = gen_random_uuid(), tenant_id = $2 WHERE payment_link_id = $1 AND sync_type = 'INVOICE'", open, Broken.Tenant);
        for (var day = 0; day < 3; day++)
        {
            await world.AsWriterAsync("""
                UPDATE xero_syncs SET status = 'RETRYING', attempt = attempt + 1, next_retry_at = NULL, lease_owner = 'dead', lease_expires_at = paymentsync.now() WHERE sync_type = 'INVOICE' AND status IN ('PENDING', 'FAILED')
                """);
            await world.AdvanceAsync(TimeSpan.FromHours(12.5));
            await world.RecoverAsync();
        }

        (await world.PairAsync(never)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Kind.ShouldBe("PERMANENT"), row => row.Code.ShouldBe("recovery.gave_up"), row => row.DueAt.ShouldBeNull());
        (await world.PairAsync(open)).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("PENDING"), row => row.DueAt.ShouldNotBeNull(), row => row.OpenRequest.ShouldNotBeNull());
        (await world.ItemsAsync()).Count(item => item == "lease.expired MARK_FAILED DONE").ShouldBe(1);
        (await world.RecoverAsync()).Found.ShouldBe(0);

        // Its cause is mended: a replay brings it back.
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = (await world.PairAsync(never)).Invoice.Id, ["reason"] = "mended" }, expect: 202);
        await world.DrainAsync();
        (await world.RowsAsync(never)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task What_comes_back_again_and_again_is_left_to_a_person()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        for (var time = 0; time <= Decisions.MaxTries; time++)
        {
            await world.AsWriterAsync("UPDATE xero_syncs SET next_retry_at = NULL, due_because = NULL WHERE sync_type = 'INVOICE'");
            (await world.RecoverAsync()).Found.ShouldBe(1);
        }
        (await world.RecoverAsync()).Found.ShouldBe(0);
        (await world.ItemsAsync())[^1].ShouldBe("sync.not_due MANUAL_REVIEW OPEN");

        var item = (await world.GetAsync("/api/recovery/items?status=OPEN"))["items"]![0]!["id"]!.GetValue<string>();
        await world.SendAsync(HttpMethod.Post, $"/api/recovery/items/{item}/resolve", new JsonObject { ["action"] = "requeue", ["reason"] = "look at it now" }, expect: 200);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_missing_document_is_built_by_saving_the_settings_and_its_item_closes_by_itself()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.ForceAsync($$"""UPDATE xero_syncs SET document_number = NULL, request_payload = jsonb_build_object('occurredAt', '2026-07-30T08:26:41Z'::text) WHERE payment_link_id = {{link}} AND sync_type = 'INVOICE'""");
        await world.RecoverAsync();
        (await world.PairAsync(link)).Invoice.Code.ShouldBe("settings.document_missing");

        await world.PutOrganisationAsync(world.Organisation);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        await world.RecoverAsync();
        (await world.ItemsAsync()).ShouldBe(["document.missing MANUAL_REVIEW RESOLVED"]);
    }

    [Fact]
    public async Task What_nobody_holds_any_more_is_cleaned_up_and_reported()
    {
        await using var world = await World.StartAsync(server);
        await world.Database.ExecuteAsync("INSERT INTO paymentsync.drain_leases VALUES ($1, 'dead', paymentsync.now() - interval '1 second'), ($2, 'alive', paymentsync.now() + interval '1 minute')", world.Organisation, Guid.NewGuid());
        await world.Database.ExecuteAsync("INSERT INTO paymentsync.call_slots (tenant_id, holder, reserved_at, frees_at) VALUES ('t', 'dead', paymentsync.now(), paymentsync.now()), ('t', 'alive', paymentsync.now(), paymentsync.now() + interval '1 minute')");
        await world.Database.ExecuteAsync("""
            INSERT INTO paymentsync.oauth_states (state_sha256, organization_id, protected_verifier, redirect_url, actor, role, forced, expires_at)
            VALUES ('\x01', $1, '\x00', 'http://localhost', 'a', 'admin', false, paymentsync.now()), ('\x02', $1, '\x00', 'http://localhost', 'a', 'admin', false, paymentsync.now() + interval '1 minute')
            """, world.Organisation);
        await world.Database.ExecuteAsync("INSERT INTO paymentsync.recovery_reports (trigger, node, started_at) VALUES ('TIMER', 'dead', paymentsync.now() - interval '11 minutes')");

        (await world.RecoverAsync()).Done.ShouldBe(4);
        (await world.ItemsAsync()).Order(StringComparer.Ordinal).ShouldBe(["call_slot.abandoned CLEAN_UP DONE", "drain_lease.expired CLEAN_UP DONE", "oauth_state.expired CLEAN_UP DONE", "recovery_run.unfinished CLEAN_UP DONE"]);
        (await world.Database.ScalarAsync<string>("SELECT string_agg(owner, ',') FROM paymentsync.drain_leases")).ShouldBe("alive");
        (await world.Database.ScalarAsync<string>("SELECT string_agg(holder, ',') FROM paymentsync.call_slots WHERE tenant_id = 't'")).ShouldBe("alive");
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.oauth_states")).ShouldBe(1);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.recovery_reports WHERE ended_at IS NULL")).ShouldBe(0);
        (await world.RecoverAsync()).Found.ShouldBe(0);
    }
}
