using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Jobs;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Jobs;

public sealed class DrainTests(PostgresServer server)
{
    [Fact]
    public async Task A_payment_that_comes_during_a_drain_waits_for_company_and_the_drain_asks_to_be_woken()
    {
        await using var world = await World.StartAsync(server);
        await world.PayAsync(await world.LinkAsync(), "pi_first");
        var second = await world.LinkAsync();
        (await world.Simulator.PatchAsJsonAsync("/simulator/organisations/c0ffee00-0000-4000-8000-00000000de30", new { latencyMilliseconds = 300 })).EnsureSuccessStatusCode();

        var draining = world.Service.Services.GetRequiredService<Drain>().RunAsync(world.Organisation, CancellationToken.None);
        await World.EventuallyAsync(async () => (await world.CallsAsync())["total"]!.GetValue<int>() == 1, "the first invoice is on its way");
        await world.PayAsync(second, "pi_second");
        var result = await draining;

        result.More.ShouldBeTrue();
        (await world.CallsAsync("PUT /Invoices")).ShouldBe(1);
        (await world.CallsAsync("PUT /Payments")).ShouldBe(1);
        (await world.RowsAsync(second)).ShouldAllBe(row => row.Status == "PENDING");

        await world.DrainAsync();
        (await world.RowsAsync(second)).ShouldAllBe(row => row.Status == "SUCCESS");
    }
}
