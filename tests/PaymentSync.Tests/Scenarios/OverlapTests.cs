using System.Net;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.Tests.StripeWebhooks;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Jobs that overlap, and nodes whose clocks are wrong: no row is run twice at once.</summary>
public sealed class OverlapTests(PostgresServer server)
{
    [Fact]
    public async Task The_same_jobs_triggered_many_times_at_once_on_two_nodes_run_no_row_twice()
    {
        await using var world = await World.StartAsync(server, worker: true, settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = "5" });
        var other = await world.StartNodeAsync(worker: true, settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = "5" });
        using var second = World.Client(other, World.AdminKey);
        var names = (await world.GetAsync("/api/jobs"))["items"]!.AsArray().Select(job => job!["name"]!.GetValue<string>()).ToList();
        names.Count.ShouldBeGreaterThan(4);
        const int payments = 25;
        for (var number = 0; number < payments; number++)
        {
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
            if (number % 5 == 0)
            {
                var runs = await Task.WhenAll(names.SelectMany(name => new[] { world.Api, second, world.Api, second }.Select(api => api.PostAsync(new Uri($"/api/jobs/{name}/run", UriKind.Relative), content: null))));
                runs.ShouldAllBe(run => run.StatusCode == HttpStatusCode.OK);
            }
        }
        await World.EventuallyAsync(async () => (await world.RowsAsync()).All(row => row.Status == "SUCCESS"), "every row is SUCCESS", TimeSpan.FromMinutes(2));

        (await world.RowsAsync()).ShouldAllBe(row => row.Attempt == 1);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.sync_attempts WHERE outcome = 'SUCCESS'")).ShouldBe(2 * payments);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.sync_attempts")).ShouldBe(2 * payments);
        // Each document left once: no two requests share a member.
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM (SELECT m FROM paymentsync.requests, unnest(members) m GROUP BY m HAVING count(*) > 1) twice")).ShouldBe(0);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(-10)]
    public async Task Nodes_whose_own_clocks_are_ten_minutes_wrong_judge_by_the_databases(int minutesBehind)
    {
        var behind = TimeSpan.FromMinutes(minutesBehind);
        await using var world = await World.StartAsync(server);
        // The machine's clock cannot be changed, but the database's can: what counts is how far they are apart.
        await world.Database.ExecuteAsync("UPDATE paymentsync.test_clock SET ahead = $1", behind);
        await world.Service.Services.GetRequiredService<DatabaseClock>().SampleAsync(CancellationToken.None);
        var other = await world.StartNodeAsync();
        var link = await world.LinkAsync();
        var body = Encoding.UTF8.GetBytes(StripeEvents.Session(link, "pi_1", 12000, "gbp"));

        foreach (var node in new[] { world.Service, other })
        {
            (await world.PostEventAsync(body, signedAt: DateTimeOffset.UtcNow, node: node)).StatusCode.ShouldBe(HttpStatusCode.BadRequest, "signed ten minutes away from the true time");
            (await world.PostEventAsync(body, signedAt: DateTimeOffset.UtcNow + behind, node: node)).StatusCode.ShouldBe(HttpStatusCode.OK);
        }
        for (var number = 2; number < 20; number++)
            (await world.PostEventAsync(Encoding.UTF8.GetBytes(StripeEvents.Session(await world.LinkAsync(), $"pi_{number}", 12000, "gbp")), signedAt: DateTimeOffset.UtcNow + behind)).StatusCode.ShouldBe(HttpStatusCode.OK);
        // One turn each at once, of which the lease gives the organisation to one; then the rest.
        await Task.WhenAll(new[] { world.Service, other }.Select(node => node.Services.GetRequiredService<Drain>().RunAsync(world.Organisation, CancellationToken.None)));
        await world.DrainAsync();

        (await world.RowsAsync()).ShouldAllBe(row => row.Status == "SUCCESS" && row.Attempt == 1);
        // Their leases, too: nobody took what was the other's, and nothing is left behind.
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.sync_attempts WHERE outcome <> 'SUCCESS'")).ShouldBe(0);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.drain_leases")).ShouldBe(0);
    }

    [Fact]
    public void No_production_code_reads_the_machines_clock()
    {
        var offenders = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", "PaymentSync"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(file => File.ReadLines(file).Select((line, number) => $"{Path.GetRelativePath(Repository.Root, file)}:{number + 1}: {line.Trim()}"))
            .Where(line => WallClock.IsMatch(line))
            // What a node believes until the database told it the time, a moment after its start.
            .Where(line => !line.Contains("Sample _sample = new(System.GetUtcNow()", StringComparison.Ordinal));
        offenders.ShouldBeEmpty();
    }

    // Stopwatch is the monotonic clock: it measures how long something took, and has no opinion of the time.
    static readonly System.Text.RegularExpressions.Regex WallClock = new(@"DateTime(?:Offset)?\.(?:UtcNow|Now|Today)|TimeProvider\.System|\bSystem\.GetUtcNow|GetLocalNow|Environment\.TickCount",
        System.Text.RegularExpressions.RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1));
}
