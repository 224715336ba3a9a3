using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using PaymentSync.Jobs;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Jobs;

public sealed class SweepTests(PostgresServer server)
{
    [Fact]
    public async Task Sweeps_of_several_nodes_wait_for_no_row_and_so_never_for_each_other()
    {
        await using var world = await World.StartAsync(server, connected: false);
        var (held, free) = (await world.LinkAsync(), await world.LinkAsync());
        await world.PayAsync(held, "pi_held");
        await world.PayAsync(free, "pi_free");
        var sweep = world.Service.Services.GetRequiredService<Sweep>();

        // Another node is at the same rows, has one of them and wants the next: whoever waits for it while it waits for us waits for ever.
        await using var other = new NpgsqlConnection(world.Database.ConnectionString);
        await other.OpenAsync();
        await using (var transaction = await other.BeginTransactionAsync())
        {
            await using var hold = new NpgsqlCommand("SELECT 1 FROM xero_syncs WHERE payment_link_id = $1 FOR UPDATE", other, transaction) { Parameters = { new() { Value = held } } };
            await hold.ExecuteNonQueryAsync();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            await sweep.RunAsync(patience.Token);
            (await world.PairAsync(free)).Invoice.Code.ShouldBe("xero.no_connection");
            (await world.PairAsync(held)).Invoice.Status.ShouldBe("PENDING");
        }
        await sweep.RunAsync(CancellationToken.None);
        (await world.PairAsync(held)).Invoice.Code.ShouldBe("xero.no_connection");
    }
}
