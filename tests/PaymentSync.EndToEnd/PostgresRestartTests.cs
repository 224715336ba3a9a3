using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Npgsql;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>The database crashes again and again under load, on a cluster of this test's own.</summary>
public sealed class PostgresRestartTests
{
    const int Restarts = 6;
    const int FewestPayments = 60;
    static readonly TimeSpan Between = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task A_database_that_crashes_every_few_seconds_loses_no_payment_and_the_service_goes_on_by_itself()
    {
        await using var cluster = await PostgresCluster.StartAsync();
        await using var admin = NpgsqlDataSource.Create(cluster.ConnectionString);
        await using (var create = admin.CreateCommand("CREATE DATABASE restarted"))
            await create.ExecuteNonQueryAsync();
        var database = new PostgresDatabase(admin, "restarted");
        await PostgresServer.PrepareTemplate(database.ConnectionString);
        await Deployment.RunAsync(database, async deployment =>
        {
            var nodes = await Task.WhenAll(deployment.StartNodeAsync("first"), deployment.StartNodeAsync("second"));
            var slow = new JsonObject { ["latencyMilliseconds"] = 100 };
            var organisations = new[] { await deployment.OrganisationAsync(nodes[0], "One", slow), await deployment.OrganisationAsync(nodes[0], "Two", slow) };
            var links = new List<Payment>();
            foreach (var organisation in organisations)
                links.AddRange(await Deployment.LinksAsync(nodes, organisation, 150));
            // Alternating between the organisations, as many as there is time for.
            links = [.. links.Take(150).Zip(links.Skip(150)).SelectMany(pair => new[] { pair.First, pair.Second })];

            using var over = new CancellationTokenSource();
            var answers = new ConcurrentDictionary<int, int>();
            var told = 0;
            var telling = Task.Run(async () =>
            {
                foreach (var payment in links)
                {
                    if (over.IsCancellationRequested && told >= FewestPayments)
                        break;
                    var answer = 0;
                    for (var times = 0; answer != 200; times++)
                    {
                        answer = await deployment.TellAsync(payment, nodes[times % 2]) ?? 0;
                        answers.AddOrUpdate(answer, 1, (_, count) => count + 1);
                        // As Stripe comes back, only sooner.
                        await Task.Delay(50);
                    }
                    told++;
                }
            });
            for (var restart = 0; restart < Restarts; restart++)
            {
                await Task.Delay(Between);
                await cluster.RestartAsync();
            }
            await over.CancelAsync();
            await telling;
            database.ForgetConnections();

            // What was held when the database went is given back when its leases are over.
            await deployment.AdvanceAsync(TimeSpan.FromMinutes(16));
            await deployment.UntilBookedAsync();
            Deployment.Say($"{told} payments through {Restarts} crashes; answers of the webhook: {string.Join(", ", answers.Select(answer => $"{answer.Value} × {answer.Key}"))}");
            Deployment.Say($"outcomes of tries: {string.Join(", ", (await deployment.OutcomesAsync()).Select(pair => $"{pair.Key} {pair.Value}"))}");
            answers.Keys.ShouldBeSubsetOf([200, 503]);
            (await deployment.RowsAsync()).Count.ShouldBe(2 * told);
            (await deployment.DocumentsAsync()).ShouldBe((told, told));
            nodes.ShouldAllBe(node => !node.Program.HasExited);
        });
    }
}
