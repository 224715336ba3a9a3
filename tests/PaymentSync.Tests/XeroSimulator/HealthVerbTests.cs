using Shouldly;
using XeroSimulator;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class HealthVerbTests
{
    [Fact]
    public async Task It_succeeds_only_where_a_simulator_answers()
    {
        await using var simulator = SimulatorApp.Create(["--urls", "http://127.0.0.1:0"]);
        await simulator.StartAsync();
        var port = new Uri(simulator.Urls.First()).Port;
        var error = new StringWriter();

        (await HealthVerb.AskAsync($"http://*:{port}", error)).ShouldBe(0);
        error.ToString().ShouldBeEmpty();
        (await HealthVerb.AskAsync("http://127.0.0.1:1", error)).ShouldBe(1);
        error.ToString().ShouldContain("does not answer");
    }
}
