using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>A process that was paused past its leases (SIGSTOP, as a host under pressure or a live migration does) and then goes on.</summary>
public sealed class LateWriteTests(PostgresServer server)
{
    [Fact]
    public Task What_a_process_paused_past_its_lease_learns_too_late_changes_no_row() => Deployment.RunAsync(server, async deployment =>
    {
        var paused = await deployment.StartNodeAsync("paused");
        var organisation = await deployment.OrganisationAsync(paused, "Acme", new JsonObject { ["latencyMilliseconds"] = 1000 });
        await deployment.PaidAsync(paused, organisation, 20);
        await deployment.FreezeInACallAsync(paused);

        var other = await deployment.StartNodeAsync("other");
        await deployment.ChangeAsync(organisation, "latencyMilliseconds", 0);
        await deployment.AdvanceAsync(TimeSpan.FromMinutes(16));
        await deployment.UntilBookedAsync();
        var rows = await RowsAsWrittenAsync(deployment);
        var tries = await deployment.OutcomesAsync();
        tries.Keys.ShouldContain("LOST");
        var calls = (await deployment.CallsAsync())["byResource"]!.ToJsonString();

        await paused.Program.SignalAsync("CONT");
        await deployment.EventuallyAsync(() => Task.FromResult(paused.Program.Output.Contains("nothing is written about them", StringComparison.Ordinal)), "the paused process learns that its lease was lost");
        // It is alive and at work again, and everything is as it was.
        await deployment.PaidAsync(paused, organisation, 1);
        await other.Program.SignalAsync("KILL");
        await deployment.UntilBookedAsync();
        (await RowsAsWrittenAsync(deployment)).Where(rows.Contains).Count().ShouldBe(rows.Count, "a row changed");
        rows.Count.ShouldBe(40);
        Deployment.Say($"calls before it went on: {calls}");
        (await deployment.DocumentsAsync()).ShouldBe((21, 21));
    });

    /// <summary>Every column of every row, and of every try.</summary>
    static Task<IReadOnlyList<string>> RowsAsWrittenAsync(Deployment deployment) =>
        deployment.Database.QueryAsync("SELECT s::text || (SELECT string_agg(a::text, ' ' ORDER BY a.attempt) FROM paymentsync.sync_attempts a WHERE a.sync_id = s.id) FROM xero_syncs s", reader => reader.GetString(0));
}
