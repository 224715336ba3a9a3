using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Tests.Cli;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>What was planned, sent and tried can be told afterwards, by sync and by time, and holds no secret.</summary>
public sealed class JournalTests(PostgresServer server)
{
    [Fact]
    public async Task The_journal_of_a_sync_tells_what_was_planned_sent_and_tried_and_what_each_of_it_means()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link, "pi_told");
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromMinutes(1));
        await world.DrainAsync();
        var (invoice, payment) = await world.PairAsync(link);
        invoice.Status.ShouldBe("SUCCESS");

        var journal = await world.GetAsync($"/api/syncs/{invoice.Id}/journal");

        var planned = journal["planned"]!;
        planned["documentNumber"]!.GetValue<string>().ShouldBe(invoice.Number);
        planned["amount"]!.GetValue<string>().ShouldBe("120.00");
        JsonNode.DeepEquals(planned["document"], JsonNode.Parse(invoice.Document)).ShouldBeTrue();
        var request = journal["requested"]!.AsArray().ShouldHaveSingleItem()!;
        request["resource"]!.GetValue<string>().ShouldBe("PUT /Invoices");
        request["body"]!["Invoices"]![0]!["InvoiceNumber"]!.GetValue<string>().ShouldBe(invoice.Number);
        request["outcome"]!.GetValue<string>().ShouldBe("UNKNOWN");
        request["answer"].ShouldBeNull();
        request["sha256"]!.GetValue<string>().ShouldBe(await world.Database.ScalarAsync<string>("SELECT encode(body_sha256, 'hex') FROM paymentsync.requests WHERE resource = 'PUT /Invoices'"));
        var tries = journal["attempted"]!.AsArray();
        tries.Select(tried => tried!["result"]!.GetValue<string>()).ShouldBe(["unknown", "succeeded"]);
        tries[0]!["requestId"]!.GetValue<Guid>().ShouldBe(request["requestId"]!.GetValue<Guid>());
        tries[0]!["means"]!.GetValue<string>().ShouldContain("Xero is asked before anything is sent again");
        tries[1]!["trigger"]!.GetValue<string>().ShouldBe("VERIFY");

        var answered = (await world.GetAsync($"/api/syncs/{payment.Id}/journal"))["requested"]![0]!;
        answered["answer"]!["Payments"]![0]!["PaymentID"]!.GetValue<string>().ShouldBe(payment.PaymentId);
        await world.SendAsync(HttpMethod.Get, $"/api/syncs/{Guid.NewGuid()}/journal", expect: 404);

        var words = await Paymentsync.RunAsync(world, "syncs", "journal", invoice.Id.ToString());
        words.ExitCode.ShouldBe(0, words.Error);
        words.Output.ShouldContain($"planned: INVOICE {invoice.Number}, 120.00 GBP, for STRIPE pi_told");
        words.Output.ShouldContain("attempt 1 (FIRST, send) unknown, xero.connection_lost. It may be in Xero.");
    }

    [Fact]
    public async Task The_export_of_a_time_has_each_line_of_it_once_in_the_order_in_which_it_happened()
    {
        await using var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = "10" });
        await PayAsync(world, "pi_before", 3);
        await world.AdvanceAsync(TimeSpan.FromHours(1));
        var from = await NowAsync(world);
        // More than two pages of rows and of requests.
        const int payments = 120;
        await PayAsync(world, "pi_in", payments);
        var to = await NowAsync(world);
        await world.AdvanceAsync(TimeSpan.FromHours(1));
        await PayAsync(world, "pi_after", 3);

        var exported = await Paymentsync.RunAsync(world, "journal", "--from", $"{from:O}", "--to", $"{to:O}");

        exported.ExitCode.ShouldBe(0, exported.Error);
        var lines = exported.Output.TrimEnd('\n').Split('\n').Select(line => JsonNode.Parse(line)!).ToList();
        lines[^1]["kind"]!.GetValue<string>().ShouldBe("end");
        lines[^1]["lines"]!.GetValue<int>().ShouldBe(lines.Count - 1);
        lines.RemoveAt(lines.Count - 1);
        lines.Select(line => line["at"]!.GetValue<DateTime>()).ShouldBeInOrder();
        var planned = lines.Where(line => line["kind"]!.GetValue<string>() == "planned").ToList();
        planned.Select(line => line["providerPaymentId"]!.GetValue<string>()).ShouldAllBe(payment => payment.StartsWith("pi_in", StringComparison.Ordinal));
        planned.Select(line => line["syncId"]!.GetValue<Guid>()).Distinct().Count().ShouldBe(2 * payments);
        planned.Count.ShouldBe(2 * payments);
        var tried = lines.Where(line => line["kind"]!.GetValue<string>() == "attempted" && line["result"]!.GetValue<string>() == "succeeded").ToList();
        tried.Select(line => line["syncId"]!.GetValue<Guid>()).Order().ShouldBe(planned.Select(line => line["syncId"]!.GetValue<Guid>()).Order());
        var requests = lines.Where(line => line["kind"]!.GetValue<string>() == "requested").ToList();
        requests.Count.ShouldBe(2 * payments / 10);
        requests.SelectMany(line => line["syncIds"]!.AsArray().Select(id => id!.GetValue<Guid>())).Order().ShouldBe(planned.Select(line => line["syncId"]!.GetValue<Guid>()).Order());
    }

    [Fact]
    public async Task The_export_is_an_operators_with_a_range_and_leaves_word_in_the_audit_log()
    {
        await using var world = await World.StartAsync(server);
        using var viewer = World.Client(world.Service, World.ViewerKey);
        (await viewer.GetAsync(new Uri("/api/journal?from=2026-01-01T00:00:00Z", UriKind.Relative))).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await world.SendAsync(HttpMethod.Get, "/api/journal", expect: 400))["code"]!.GetValue<string>().ShouldBe("journal.range");
        await world.SendAsync(HttpMethod.Get, "/api/journal?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", expect: 400);

        using var operators = World.Client(world.Service, World.OperatorKey);
        (await operators.GetStringAsync(new Uri("/api/journal?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z", UriKind.Relative))).ShouldBe("{\"kind\":\"end\",\"lines\":0}\n");
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.audit_log WHERE action = 'journal.export' AND role = 'operator'")).ShouldBe(1);
    }

    [Fact]
    public async Task Who_stops_listening_ends_the_export_and_nothing_else()
    {
        await using var world = await World.StartAsync(server);
        await PayAsync(world, "pi_told", 30);
        using (var answer = await world.Api.GetAsync(new Uri("/api/journal?from=2020-01-01T00:00:00Z", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead))
        using (var lines = new StreamReader(await answer.Content.ReadAsStreamAsync()))
            (await lines.ReadLineAsync())!.ShouldContain("\"kind\":\"planned\"");
        (await world.Api.GetStringAsync(new Uri("/api/journal?from=2020-01-01T00:00:00Z", UriKind.Relative))).ShouldContain("\"kind\":\"end\"");
    }

    [Fact]
    public async Task Neither_the_export_nor_a_syncs_journal_holds_a_secret()
    {
        await using var world = await OAuthBrowser.ConnectedWorldAsync(server);
        var custom = Guid.NewGuid();
        await world.PutOrganisationAsync(custom);
        var tenant = await FoundAsync(world);
        await world.ConnectAsync(custom, tenant.ClientId, tenant.Secret);
        await world.PayAsync(await world.LinkAsync(), "pi_oauth");
        await world.PayAsync(await world.LinkAsync(organisation: custom), "pi_custom");
        await world.FaultAsync("expire-token", resource: "PUT /Invoices");
        await world.FaultAsync("status-503", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromHours(1));
        await world.DrainAsync();

        var told = await world.Api.GetStringAsync(new Uri("/api/journal?from=2020-01-01T00:00:00Z", UriKind.Relative));
        foreach (var row in await world.RowsAsync())
            told += await world.Api.GetStringAsync(new Uri($"/api/syncs/{row.Id}/journal", UriKind.Relative));

        told.ShouldContain("pi_oauth");
        told.ShouldContain("pi_custom");
        var (refresh, access) = await OAuthBrowser.TokensAsync(world);
        var services = world.Service.Services;
        var granted = (XeroTokens.Answer.Granted)await services.GetRequiredService<XeroTokens>()
            .GetAsync((await services.GetRequiredService<XeroConnections>().FindActiveAsync(custom, CancellationToken.None))!, notThis: null, CancellationToken.None);
        string[] secrets =
        [
            World.AdminKey, World.OperatorKey, World.ViewerKey, World.WebhookSecret, World.OldWebhookSecret, "a master key for tests", "simulator-app-secret-do-not-use", "simulator-secret-do-not-use",
            tenant.Secret, refresh!, access!, granted.AccessToken, "Bearer", "Authorization", "Stripe-Signature",
        ];
        foreach (var secret in secrets)
        {
            told.ShouldNotContain(secret, Case.Insensitive);
            told.ShouldNotContain(Convert.ToHexString(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(secret))), Case.Insensitive);
        }
    }

    static async Task PayAsync(World world, string prefix, int payments)
    {
        for (var number = 0; number < payments; number++)
            await world.PayAsync(await world.LinkAsync(), $"{prefix}_{number}");
        await world.DrainAsync();
    }

    static async Task<DateTime> NowAsync(World world) => await world.Database.ScalarAsync<DateTime>("SELECT paymentsync.now()");

    static async Task<(string ClientId, string Secret)> FoundAsync(World world)
    {
        using var answer = await world.Simulator.PostAsync(new Uri("/simulator/organisations", UriKind.Relative), new StringContent("""{"name":"Acme"}""", System.Text.Encoding.UTF8, "application/json"));
        var founded = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        return (founded["clientId"]!.GetValue<string>(), founded["clientSecret"]!.GetValue<string>());
    }
}
