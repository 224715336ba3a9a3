using PaymentSync.Telemetry;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Telemetry;

public sealed class HealthVerbTests(PostgresServer server)
{
    [Theory]
    [InlineData(null, "http://127.0.0.1:8080/")]
    [InlineData("", "http://127.0.0.1:8080/")]
    [InlineData("http://*:8080", "http://127.0.0.1:8080/")]
    [InlineData("http://+:9000", "http://127.0.0.1:9000/")]
    [InlineData("http://0.0.0.0:80", "http://127.0.0.1:80/")]
    [InlineData("http://[::]:81", "http://127.0.0.1:81/")]
    [InlineData("https://*:8443;http://*:8081", "http://127.0.0.1:8081/")]
    [InlineData("https://*:8443", "https://127.0.0.1:8443/")]
    [InlineData("http://localhost:8082", "http://localhost:8082/")]
    public void It_looks_where_the_service_listens(string? listensOn, string address) => HealthVerb.Address(listensOn).ShouldBe(new Uri(address));

    [Fact]
    public async Task It_succeeds_only_where_a_healthy_service_answers()
    {
        await using var world = await World.StartAsync(server, connected: false);
        var service = new Uri(world.Service.Urls.First());
        var error = new StringWriter();

        (await HealthVerb.AskAsync(service, "live", error)).ShouldBe(0);
        (await HealthVerb.AskAsync(service, "ready", error)).ShouldBe(0);
        error.ToString().ShouldBeEmpty();
        (await HealthVerb.AskAsync(world.Simulator.BaseAddress!, "live", error)).ShouldBe(1);
        error.ToString().ShouldContain("answered 404");
        (await HealthVerb.AskAsync(new Uri("http://127.0.0.1:1"), "live", error)).ShouldBe(1);
        error.ToString().ShouldContain("does not answer");
    }

    [Fact]
    public async Task What_it_does_not_know_is_wrong_usage() => (await HealthVerb.RunAsync(["lively"])).ShouldBe(2);
}
