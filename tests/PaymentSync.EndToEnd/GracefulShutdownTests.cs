using System.Diagnostics;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>SIGTERM, as every deployment sends it: what is on its way is finished, the rest is given back, nothing is retried for it.</summary>
public sealed class GracefulShutdownTests(PostgresServer server)
{
    static readonly TimeSpan Allowed = TimeSpan.FromSeconds(30);

    [Fact]
    public Task A_stopped_worker_finishes_its_calls_records_them_and_gives_back_the_rest() => Deployment.RunAsync(server, async deployment =>
    {
        var worker = await deployment.StartNodeAsync("worker", settings: new(StringComparer.Ordinal) { ["Xero__BatchSize"] = "5" });
        var organisation = await deployment.OrganisationAsync(worker, "Acme", new JsonObject { ["latencyMilliseconds"] = 2000 });
        await deployment.PaidAsync(worker, organisation, 40);
        await deployment.EventuallyAsync(async () => (await deployment.CallsAsync(organisation))["inFlight"]!.GetValue<int>() > 1, "calls are in flight");
        var flying = (await deployment.RowsAsync()).Where(row => row.OpenRequest is not null).ToDictionary(row => row.Id);

        var took = await StopAsync(worker);

        var rows = await deployment.RowsAsync();
        Deployment.Say($"stopped after {took.TotalSeconds:0.0} s; {flying.Count} rows were in a call, {rows.Count(row => row.Status == "SUCCESS")} are booked");
        flying.ShouldNotBeEmpty();
        // Those calls' rows are done by the very same try, or their payment has followed them in the same way.
        rows.Where(row => flying.ContainsKey(row.Id)).ShouldAllBe(row => row.Status == "SUCCESS" && row.Attempt == flying[row.Id].Attempt);
        await ShouldHaveLeftNothingBehindAsync(deployment);
        rows.Count(row => row.Status == "SUCCESS").ShouldBeLessThan(rows.Count, "it would have proved nothing had it stopped after the last row");

        await deployment.StartNodeAsync("next");
        await deployment.UntilBookedAsync();
        await ShouldHaveRetriedNothingAsync(deployment);
    });

    [Fact]
    public Task A_worker_that_is_stopped_while_it_reads_from_Xero_does_not_send_after_it() => Deployment.RunAsync(server, async deployment =>
    {
        var web = await deployment.StartNodeAsync("web", worker: false);
        var organisation = await deployment.OrganisationAsync(web, "Acme");
        // Their invoices are in Xero, their payments were throttled: another drain has to read the invoices before it sends those.
        (await deployment.Simulator.PostAsync(new Uri("/simulator/faults", UriKind.Relative), JsonContentOf(new JsonObject { ["fault"] = "429-minute", ["resource"] = "PUT /Payments", ["next"] = 1 }))).EnsureSuccessStatusCode();
        await deployment.PaidAsync(web, organisation, 5);
        // Only now, so that the five travel together whatever the machine's speed: one that came later would wait for the throttled minute's end.
        var worker = await deployment.StartNodeAsync("worker");
        await deployment.EventuallyAsync(async () => (await deployment.RowsAsync()).Count(row => row is { Type: "PAYMENT", Status: "PENDING", Code: "xero.throttled" }) is var throttled and > 0
            && (await deployment.RowsAsync()).Count(row => row.Status == "SUCCESS") == 10 - throttled, "payments are throttled");
        await deployment.ChangeAsync(organisation, "latencyMilliseconds", 0);
        (await deployment.Simulator.PostAsync(new Uri("/simulator/faults", UriKind.Relative), JsonContentOf(new JsonObject { ["fault"] = "slow-drip", ["resource"] = "GET /Invoices", ["seconds"] = 4 }))).EnsureSuccessStatusCode();
        var sent = (await deployment.CallsAsync())["byResource"]!["PUT /Payments"]!.GetValue<int>();
        await deployment.AdvanceAsync(TimeSpan.FromSeconds(61));
        await deployment.EventuallyAsync(async () => (await deployment.CallsAsync(organisation))["inFlight"]!.GetValue<int>() == 1, "an invoice is being read");

        await StopAsync(worker);

        (await deployment.CallsAsync())["byResource"]!["PUT /Payments"]!.GetValue<int>().ShouldBe(sent);
        var given = (await deployment.RowsAsync()).Where(row => row.Status != "SUCCESS").ToList();
        given.ShouldNotBeEmpty();
        given.ShouldAllBe(row => row.Status == "PENDING" && row.DueAt != null && row.OpenRequest == null && row.Retries == 0);
        await ShouldHaveLeftNothingBehindAsync(deployment);

        await deployment.StartNodeAsync("next");
        await deployment.UntilBookedAsync();
    });

    [Fact]
    public Task A_rolling_restart_of_three_nodes_under_load_loses_nothing_and_retries_nothing() => Deployment.RunAsync(server, async deployment =>
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Xero__BatchSize"] = "10" };
        var nodes = await Task.WhenAll(deployment.StartNodeAsync("a", settings: settings), deployment.StartNodeAsync("b", settings: settings), deployment.StartNodeAsync("c", settings: settings));
        var organisations = new List<Organisation>();
        for (var number = 0; number < 5; number++)
            organisations.Add(await deployment.OrganisationAsync(nodes[0], $"Organisation {number}", new JsonObject { ["latencyMilliseconds"] = 300 }));

        // Five payments a second for each organisation, for as long as nodes come and go; each goes to the next node that takes it.
        using var restarted = new CancellationTokenSource();
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        var told = 0;
        var load = Task.Run(async () =>
        {
            while (!restarted.IsCancellationRequested)
            {
                await pace.WaitForNextTickAsync();
                Node[] up = [.. nodes.Where(node => !node.Program.MayExit)];
                await Deployment.AtOnceAsync(organisations, async organisation =>
                {
                    foreach (var payment in await Deployment.LinksAsync(up, organisation, 1))
                        await deployment.PayAsync(payment, [.. up.Skip(told % up.Length), .. up]);
                    Interlocked.Increment(ref told);
                });
            }
        });
        for (var number = 0; number < nodes.Length; number++)
        {
            // A new minute's calls, so that there is something to stop.
            await deployment.AdvanceAsync(TimeSpan.FromSeconds(61));
            await deployment.EventuallyAsync(async () => load.IsCompleted || (await deployment.RowsAsync()).Any(row => row.Owner is not null && row.Owner.Contains($":{nodes[number].Program.Id}:", StringComparison.Ordinal)), "the node works");
            var took = await StopAsync(nodes[number]);
            Deployment.Say($"{nodes[number].Program.Name} stopped after {took.TotalSeconds:0.0} s");
            nodes[number] = await deployment.StartNodeAsync("next", settings: settings);
        }
        await restarted.CancelAsync();
        await load;
        var minutes = await deployment.UntilBookedAsync();

        Deployment.Say($"{told} payments were told meanwhile; the clock was moved {minutes} minutes for the rest");
        (await deployment.DocumentsAsync()).ShouldBe((told, told));
        await ShouldHaveRetriedNothingAsync(deployment);
    });

    static StringContent JsonContentOf(JsonObject body) => new(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");

    static async Task<TimeSpan> StopAsync(Node node)
    {
        var clock = Stopwatch.StartNew();
        await node.Program.SignalAsync("TERM");
        (await node.Program.ExitAsync(Allowed)).ShouldBe(0, node.Program.Error);
        return clock.Elapsed;
    }

    static async Task ShouldHaveLeftNothingBehindAsync(Deployment deployment)
    {
        (await deployment.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS"
            || (row.Status == "PENDING" && row.Owner == null && row.Retries == 0 && (row.DueAt != null || row.Code == "waiting.invoice")));
        (await deployment.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.drain_leases")).ShouldBe(0);
        (await deployment.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.call_slots WHERE answered_at IS NULL")).ShouldBe(0);
        (await deployment.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.requests WHERE completed_at IS NULL")).ShouldBe(0);
    }

    static async Task ShouldHaveRetriedNothingAsync(Deployment deployment)
    {
        (await deployment.OutcomesAsync()).Keys.ShouldBe(["SUCCESS"]);
        (await deployment.RowsAsync()).ShouldAllBe(row => row.Retries == 0);
    }
}
