using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PaymentSync.Jobs;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Workers that die or lose their lease. Each crash is set up as data: the worker's steps up to it, and then nothing.</summary>
public sealed class CrashTests(PostgresServer server)
{
    const string Tenant = "c0ffee00-0000-4000-8000-00000000de30";
    static readonly TimeSpan Lease = TimeSpan.FromMinutes(5);

    [Theory]
    [InlineData(XeroSyncType.INVOICE)]
    [InlineData(XeroSyncType.PAYMENT)]
    public async Task A_worker_that_dies_between_Xeros_yes_and_our_write_leaves_no_twin(XeroSyncType type)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        if (type == XeroSyncType.PAYMENT)
        {
            // Up to the payment, all goes well: its invoice is in Xero, and nothing has been said of the payment.
            await world.FaultAsync("429-minute", resource: "PUT /Payments");
            await world.DrainAsync();
            await world.AdvanceAsync(TimeSpan.FromSeconds(61));
        }
        await DieAfterXerosYesAsync(world, type);
        (await world.RowsAsync(link)).Single(row => row.Type == type.ToString()).Status.ShouldBe("RETRYING");
        await world.DrainAsync();
        (await world.RowsAsync(link)).Single(row => row.Type == type.ToString()).Status.ShouldBe("RETRYING", "its lease still runs");

        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/recovery/run");
        await world.DrainAsync();

        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync(type == XeroSyncType.INVOICE ? "PUT /Invoices" : "PUT /Payments")).ShouldBe(type == XeroSyncType.INVOICE ? 1 : 2);
        var ledger = await world.LedgerAsync();
        ledger["invoices"]!.AsArray().Count.ShouldBe(1);
        ledger["payments"]!.AsArray().Count.ShouldBe(1);
        var lost = await world.GetAsync($"/api/syncs/{(await world.RowsAsync(link)).Single(row => row.Type == type.ToString()).Id}");
        lost["attempts"]!.AsArray().Select(attempt => attempt!["outcome"]!.GetValue<string>()).ShouldContain("LOST");
    }

    [Fact]
    public async Task A_worker_that_dies_before_it_sends_costs_nothing_but_time()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        var queue = world.Service.Services.GetRequiredService<SyncQueue>();
        (await queue.ClaimAsync(world.Organisation, XeroSyncType.INVOICE, 50, "dead", Lease, CancellationToken.None)).Count.ShouldBe(1);

        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/recovery/run");
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS" && row.Retries == 0);
    }

    [Fact]
    public async Task A_worker_whose_lease_was_lost_does_not_send_and_writes_nothing()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        var services = world.Service.Services;
        var queue = services.GetRequiredService<SyncQueue>();
        var late = await queue.ClaimAsync(world.Organisation, XeroSyncType.INVOICE, 50, "late", Lease, CancellationToken.None);

        await world.AdvanceAsync(TimeSpan.FromMinutes(6));
        await world.SendAsync(HttpMethod.Post, "/api/jobs/recovery/run");
        await world.DrainAsync();
        var settled = await world.RowsAsync(link);
        settled.ShouldAllBe(row => row.Status == "SUCCESS");

        // The late worker wakes up: its intent is refused, so nothing is sent; its result is refused, so nothing is overwritten.
        (await services.GetRequiredService<IntentJournal>().CommitAsync(IntentOf(late, world), "late", Lease, TimeSpan.FromSeconds(2), CancellationToken.None)).ShouldBeFalse();
        var result = new Outcomes(new Random(1)).Failed(late[0], "send", new Failure(FailureKind.PERMANENT, FailureCodes.Refused, "late"), settles: true);
        (await queue.CompleteAsync(world.Organisation, [result], "late", request: null, CancellationToken.None)).ShouldBe(0);
        (await world.RowsAsync(link)).ShouldBe(settled);
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
    }

    [Fact]
    public async Task A_batch_of_which_one_lease_was_lost_is_not_sent_at_all()
    {
        await using var world = await World.StartAsync(server);
        for (var number = 0; number < 3; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        var services = world.Service.Services;
        var claimed = await services.GetRequiredService<SyncQueue>().ClaimAsync(world.Organisation, XeroSyncType.INVOICE, 50, "me", Lease, CancellationToken.None);
        await world.AsWriterAsync("UPDATE xero_syncs SET attempt = attempt + 1, lease_owner = 'other' WHERE id = $1", claimed[1].Id);

        (await services.GetRequiredService<IntentJournal>().CommitAsync(IntentOf(claimed, world), "me", Lease, TimeSpan.FromSeconds(2), CancellationToken.None)).ShouldBeFalse();
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.requests")).ShouldBe(0);
        (await world.RowsAsync()).ShouldAllBe(row => row.OpenRequest == null);
        world.SkipAudit();
    }

    [Fact]
    public async Task An_intent_that_grew_too_old_is_not_sent_and_journalled_as_such()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        var client = world.Service.Services.GetRequiredService<XeroClient>();
        var long_ago = System.Diagnostics.Stopwatch.GetTimestamp() - (System.Diagnostics.Stopwatch.Frequency * 60);
        (await client.PutAsync("Invoices", "{}"u8.ToArray(), "key", long_ago, new XeroAccess("token", null), CancellationToken.None)).ShouldBeOfType<XeroReply.NotSent>();
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(0);
        await world.DrainAsync();
    }

    [Fact]
    public async Task Two_drains_of_one_organisation_never_run_at_once()
    {
        await using var world = await World.StartAsync(server);
        await world.PayAsync(await world.LinkAsync());
        var leases = world.Service.Services.GetRequiredService<DrainLeases>();
        (await leases.TakeAsync(world.Organisation, "another node", TimeSpan.FromMinutes(2), CancellationToken.None)).ShouldBeTrue();
        await world.Service.Services.GetRequiredService<Drain>().RunAsync(world.Organisation, CancellationToken.None);
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(0);

        await world.AdvanceAsync(TimeSpan.FromMinutes(3));
        await world.DrainAsync();
        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task Without_a_connection_a_row_fails_with_its_sentence_and_nothing_is_retried_until_it_is_connected()
    {
        await using var world = await World.StartAsync(server, connected: false);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.DrainAsync();

        var (invoice, payment) = await world.PairAsync(link);
        invoice.ShouldSatisfyAllConditions(row => row.Status.ShouldBe("FAILED"), row => row.Code.ShouldBe("xero.no_connection"), row => row.Message.ShouldBe("No active Xero connection for organization"),
            row => row.DueAt.ShouldBeNull(), row => row.Retries.ShouldBe(0));
        payment.Code.ShouldBe("waiting.invoice");
        await world.AdvanceAsync(TimeSpan.FromDays(3));
        await world.DrainAsync();
        (await world.CallsAsync())["total"]!.GetValue<int>().ShouldBe(0);
        (await world.PairAsync(link)).Invoice.Attempt.ShouldBe(0);

        (await world.ConnectAsync())["wokenSyncs"]!.GetValue<int>().ShouldBe(1);
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
    }

    [Fact]
    public async Task A_row_with_an_open_request_verifies_first_once_it_is_connected_again()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.SendAsync(HttpMethod.Delete, $"/api/organizations/{world.Organisation}/xero-connection");
        await world.AdvanceAsync(TimeSpan.FromHours(2));
        await world.DrainAsync();
        (await world.PairAsync(link)).Invoice.ShouldSatisfyAllConditions(row => row.Code.ShouldBe("xero.no_connection"), row => row.OpenRequest.ShouldNotBeNull());

        await world.ConnectAsync();
        await world.DrainAsync();
        (await world.RowsAsync(link)).ShouldAllBe(row => row.Status == "SUCCESS");
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        (await world.CallsAsync("GET /Invoices")).ShouldBe(1);
    }

    static Intent IntentOf(IReadOnlyList<ClaimedSync> members, World world) =>
        new(Guid.CreateVersion7(), world.Organisation, Tenant, "PUT /Invoices", Guid.NewGuid().ToString("N"), XeroDocuments.Invoices(members), members);

    /// <summary>Claim, intent and the call itself, as the worker does them; then the process is gone.</summary>
    static async Task DieAfterXerosYesAsync(World world, XeroSyncType type)
    {
        var services = world.Service.Services;
        var members = await services.GetRequiredService<SyncQueue>().ClaimAsync(world.Organisation, type, 50, "dead", Lease, CancellationToken.None);
        members.Count.ShouldBe(1);
        var (resource, body) = type == XeroSyncType.INVOICE ? ("Invoices", XeroDocuments.Invoices(members)) : ("Payments", XeroDocuments.Payments(members));
        var intent = new Intent(Guid.CreateVersion7(), world.Organisation, Tenant, $"PUT /{resource}", Guid.NewGuid().ToString("N"), body, members);
        (await services.GetRequiredService<IntentJournal>().CommitAsync(intent, "dead", Lease, services.GetRequiredService<IOptions<XeroOptions>>().Value.CallTimeout, CancellationToken.None)).ShouldBeTrue();
        var connection = await services.GetRequiredService<XeroConnections>().FindActiveAsync(world.Organisation, CancellationToken.None);
        var token = (XeroTokens.Answer.Granted)await services.GetRequiredService<XeroTokens>().GetAsync(connection!, notThis: null, CancellationToken.None);
        var reply = await services.GetRequiredService<XeroClient>().PutAsync(resource, body, intent.IdempotencyKey, System.Diagnostics.Stopwatch.GetTimestamp(), new XeroAccess(token.AccessToken, null), CancellationToken.None);
        reply.ShouldBeOfType<XeroReply.Answered>().Status.ShouldBe(200);
    }
}
