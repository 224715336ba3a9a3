using PaymentSync.Tests.Recovery;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>What one bad document does to the forty-nine that travel with it: nothing.</summary>
public sealed class PoisonTests(PostgresServer server)
{
    const string Invalid = """{"ErrorNumber":14,"Type":"PostDataInvalidException","Message":"JSON for post data was invalid"}""";

    /// <summary>Paid links, some of which carry "poison" in their description and in their payment's reference.</summary>
    static async Task<List<Guid>> PayAsync(World world, int count, params int[] poisons)
    {
        var links = new List<Guid>();
        for (var number = 0; number < count; number++)
        {
            var bad = poisons.Contains(number);
            links.Add(await world.LinkAsync(change: body => body["description"] = bad ? "poison" : "fine"));
            await world.PayAsync(links[number], bad ? $"pi_poison{number}" : $"pi_{number}");
        }
        return links;
    }

    static void Refuse(World world, string resource, int status = 400, string body = Invalid) =>
        world.Proxy.OnRequest = (called, sent) => called == resource && sent.Contains("poison", StringComparison.Ordinal) ? (status, body) : null;

    [Theory]
    [InlineData(400, Invalid)]
    [InlineData(404, "The resource you're looking for cannot be found")]
    [InlineData(413, "too large")]
    [InlineData(412, "")]
    public async Task Fortynine_good_invoices_go_through_and_the_poisoned_one_ends_FAILED(int status, string body)
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var links = await PayAsync(world, 50, 37);
        var calls = 0;
        Refuse(world, "PUT /Invoices", status, body);
        var refuse = world.Proxy.OnRequest!;
        world.Proxy.OnRequest = (called, sent) =>
        {
            calls += called == "PUT /Invoices" ? 1 : 0;
            return refuse(called, sent);
        };
        await world.DrainAsync();

        foreach (var (link, number) in links.Select((link, number) => (link, number)))
            (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe(number == 37 ? "FAILED" : "SUCCESS"), pair => pair.Payment.Status.ShouldBe(number == 37 ? "PENDING" : "SUCCESS"));
        (await world.PairAsync(links[37])).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("PERMANENT"), row => row.Code.ShouldBe("xero.refused"), row => row.OpenRequest.ShouldBeNull(), row => row.DueAt.ShouldBeNull(),
            row => row.Message!.ShouldContain(status == 400 ? "JSON for post data was invalid" : $"{status}"));
        calls.ShouldBeLessThanOrEqualTo(13, "one, and two for each halving");
    }

    [Fact]
    public async Task A_poisoned_payment_holds_up_no_other_payment()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var links = await PayAsync(world, 12, 4);
        Refuse(world, "PUT /Payments");
        await world.DrainAsync();

        foreach (var (link, number) in links.Select((link, number) => (link, number)))
            (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe(number == 4 ? "FAILED" : "SUCCESS"));
        (await world.PairAsync(links[4])).Payment.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("PERMANENT"), row => row.Code.ShouldBe("xero.refused"), row => row.OpenRequest.ShouldBeNull());
    }

    [Fact]
    public async Task Two_poisons_are_both_found()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var links = await PayAsync(world, 20, 0, 19);
        Refuse(world, "PUT /Invoices");
        await world.DrainAsync();

        foreach (var (link, number) in links.Select((link, number) => (link, number)))
            (await world.PairAsync(link)).Invoice.Status.ShouldBe(number is 0 or 19 ? "FAILED" : "SUCCESS");
    }

    [Fact]
    public async Task With_few_calls_left_the_reserve_finds_the_poison_and_nobody_good_waits()
    {
        // Of 20 calls a minute 8 are kept: 12 may be sent in the ordinary way, and halving 50 takes no more than 13.
        await using var world = await World.StartAsync(server, tampered: true, settings: new(StringComparer.Ordinal) { ["Xero:CallsPerMinute"] = "16", ["Xero:MinuteReserve"] = "14" });
        var links = await PayAsync(world, 50, 25);
        Refuse(world, "PUT /Invoices");
        await world.DrainAsync();

        foreach (var (link, number) in links.Select((link, number) => (link, number)))
            (await world.PairAsync(link)).Invoice.Status.ShouldBe(number == 25 ? "FAILED" : "SUCCESS");
    }

    [Fact]
    public async Task Without_any_call_left_each_minute_brings_the_halving_further()
    {
        await using var world = await World.StartAsync(server, tampered: true, settings: new(StringComparer.Ordinal) { ["Xero:CallsPerMinute"] = "2", ["Xero:MinuteReserve"] = "0", ["Xero:BatchSize"] = "8" });
        var links = await PayAsync(world, 8, 0);
        Refuse(world, "PUT /Invoices");
        // Some fifteen minutes do; a call that a busy machine breaks off costs a back-off more.
        for (var minute = 0; minute < 240 && (await world.RowsAsync()).Count(row => row.Status is "SUCCESS" or "FAILED") < 15; minute++)
        {
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        }

        (await world.PairAsync(links[0])).Invoice.Status.ShouldBe("FAILED");
        foreach (var link in links.Skip(1))
            (await world.PairAsync(link)).ShouldSatisfyAllConditions(pair => pair.Invoice.Status.ShouldBe("SUCCESS"), pair => pair.Payment.Status.ShouldBe("SUCCESS"));
    }

    [Fact]
    public async Task What_refuses_every_request_is_no_poison_and_costs_few_calls()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var links = await PayAsync(world, 50);
        var calls = 0;
        world.Proxy.OnRequest = (called, _) =>
        {
            calls += called == "PUT /Invoices" ? 1 : 0;
            return called == "PUT /Invoices" ? (404, "not here") : null;
        };
        await world.DrainAsync();

        calls.ShouldBeLessThan(40);
        var rows = (await world.RowsAsync()).Where(row => row.Type == "INVOICE").ToList();
        rows.ShouldAllBe(row => row.OpenRequest == null);
        rows.ShouldContain(row => row.Code == "xero.batch_refused" && row.Kind == "TRANSIENT" && row.DueAt != null);

        world.Proxy.OnRequest = null;
        foreach (var failed in rows.Where(row => row.Kind == "PERMANENT"))
            await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new System.Text.Json.Nodes.JsonObject { ["syncId"] = failed.Id, ["reason"] = "the address is right now" }, expect: 202);
        await world.AdvanceAsync(TimeSpan.FromMinutes(3));
        await world.DrainAsync();
        foreach (var link in links)
            (await world.PairAsync(link)).Payment.Status.ShouldBe("SUCCESS");
    }

    [Fact]
    public async Task A_400_that_names_the_bad_ones_leaves_the_others_uncertain_since_Xero_may_have_made_them()
    {
        await using var world = await World.StartAsync(server, tampered: true);
        var good = await world.LinkAsync(change: body => body["shortCode"] = "GOOD");
        var bad = await world.LinkAsync(change: body => body["shortCode"] = "BAD");
        await world.PayAsync(good, "pi_good");
        await world.PayAsync(bad, "pi_bad");
        world.Proxy.OnRequest = (called, _) => called == "PUT /Invoices"
            ? (400, """{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception occurred","Elements":[{"InvoiceNumber":"PL-BAD","InvoiceID":"00000000-0000-0000-0000-000000000000","HasErrors":true,"ValidationErrors":[{"Message":"A currency rate must be specified"}]}]}""")
            : null;
        await world.DrainAsync();

        (await world.PairAsync(bad)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.currency_rate_missing"), row => row.OpenRequest.ShouldBeNull());
        (await world.PairAsync(good)).Invoice.ShouldSatisfyAllConditions(row => row.Kind.ShouldBe("UNCERTAIN"), row => row.Code.ShouldBe("xero.not_mentioned"), row => row.OpenRequest.ShouldNotBeNull());
    }

    [Fact]
    public async Task A_batch_that_is_too_long_for_one_request_goes_in_parts_without_being_refused_first()
    {
        await using var world = await World.StartAsync(server, tampered: true, settings: new(StringComparer.Ordinal) { ["Xero:LongestBody"] = "6000" });
        var longest = 0;
        var calls = 0;
        world.Proxy.OnRequest = (called, sent) =>
        {
            (longest, calls) = called == "PUT /Invoices" ? (Math.Max(longest, sent.Length), calls + 1) : (longest, calls);
            return null;
        };
        for (var number = 0; number < 10; number++)
            await world.PayAsync(await world.LinkAsync(change: body => body["description"] = new string('x', number == 3 ? 4000 : 1000)), $"pi_{number}");
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
        longest.ShouldBeInRange(3000, 6000);
        calls.ShouldBeInRange(3, 6);
    }

    [Fact]
    public async Task An_adopted_invoice_whose_id_cannot_be_one_holds_up_no_payment_but_its_own()
    {
        await using var world = await World.StartAsync(server);
        var links = await PayAsync(world, 10);
        await world.FaultAsync("429-minute", resource: "PUT /Payments");
        await world.DrainAsync();
        await world.ForceAsync($"UPDATE xero_syncs SET xero_invoice_id = {"sim_1"} WHERE payment_link_id = {links[4]} AND sync_type = 'INVOICE'");
        world.SkipAudit(); // The predecessor's row says nothing of the invoice that is in Xero.
        await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        await world.DrainAsync();

        foreach (var link in links.Where(link => link != links[4]))
            (await world.PairAsync(link)).Payment.Status.ShouldBe("SUCCESS");
        var payment = (await world.PairAsync(links[4])).Payment;
        payment.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Code.ShouldBe("xero.document_missing"), row => row.DueAt.ShouldBeNull(),
            row => row.Message!.ShouldContain("\"sim_1\""));
        await world.SendAsync(HttpMethod.Post, "/api/xero/sync/replay", new System.Text.Json.Nodes.JsonObject { ["syncId"] = payment.Id, ["reason"] = "alone now" }, expect: 202);
        var calls = (await world.CallsAsync())["total"]!.GetValue<int>();
        await world.DrainAsync();
        (await world.PairAsync(links[4])).Payment.Code.ShouldBe("xero.document_missing");
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(calls);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.call_slots WHERE answered_at IS NULL")).ShouldBe(0, "no slot is left behind");
    }

    [Fact]
    public async Task An_id_that_cannot_be_one_keeps_no_other_invoice_from_being_verified()
    {
        await using var world = await World.StartAsync(server);
        var links = await PayAsync(world, 3);
        await world.DrainAsync();
        await world.ForceAsync($"UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'UNCERTAIN', failure_code = 'xero.look_failed', error_message = 'No.', next_retry_at = paymentsync.now() WHERE sync_type = 'INVOICE'");
        await world.ForceAsync($"UPDATE xero_syncs SET xero_invoice_id = {"sim_1"} WHERE payment_link_id = {links[0]} AND sync_type = 'INVOICE'");
        world.SkipAudit();
        await world.DrainAsync();

        (await world.PairAsync(links[0])).Invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Kind.ShouldBe("NEEDS_ACTION"), row => row.Code.ShouldBe("xero.document_missing"), row => row.DueAt.ShouldBeNull());
        foreach (var link in links.Skip(1))
            (await world.PairAsync(link)).Invoice.Status.ShouldBe("SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }
}
