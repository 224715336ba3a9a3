using System.Text.Json;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

/// <summary>Faults by chance: the same seed gives the same ones again, whatever else goes on at the same time.</summary>
public sealed class ChaosTests : SimulatorTest
{
    private static readonly Dictionary<string, double> Half = new() { ["status-503"] = 0.25, ["html-502"] = 0.15, ["429-concurrent"] = 0.1 };

    [Fact]
    public async Task The_same_seed_gives_the_same_faults_again_and_another_seed_others()
    {
        var first = await Statuses(seed: 7, calls: 40);
        (await Statuses(seed: 7, calls: 40)).ShouldBe(first);
        (await Statuses(seed: 8, calls: 40)).ShouldNotBe(first);
        first.ShouldContain(200);
        first.ShouldContain(503);
        first.ShouldContain(502);
    }

    [Fact]
    public async Task Calls_of_other_resources_in_between_change_nothing()
    {
        var alone = await Statuses(seed: 7, calls: 20);
        await Begin(seed: 7, Half);
        List<int> among = [];
        for (var call = 0; call < 20; call++)
        {
            await Get("/Currencies");
            among.Add((await Get("/Accounts")).Status);
        }

        among.ShouldBe(alone);
    }

    [Fact]
    public async Task A_fault_that_was_ordered_comes_first_and_a_stop_ends_it_all()
    {
        await Begin(seed: 1, new() { ["status-503"] = 1 });
        await Fault("html-502");
        (await Get("/Accounts")).Status.ShouldBe(502);
        (await Get("/Accounts")).Status.ShouldBe(503);
        (await Simulator(HttpMethod.Get, "/chaos")).Json.GetProperty("met").GetProperty("status-503").GetInt32().ShouldBe(2);

        (await Simulator(HttpMethod.Delete, "/chaos")).Status.ShouldBe(200);
        (await Get("/Accounts")).Status.ShouldBe(200);
        (await Simulator(HttpMethod.Get, "/chaos")).Status.ShouldBe(404);
        (await Simulator(HttpMethod.Delete, "/chaos")).Status.ShouldBe(204);
    }

    [Fact]
    public async Task Odds_that_cannot_be_are_refused()
    {
        (await Simulator(HttpMethod.Post, "/chaos", new { seed = 1, probabilities = new { nonsense = 0.1 } })).Status.ShouldBe(400);
        (await Simulator(HttpMethod.Post, "/chaos", new { seed = 1, probabilities = new Dictionary<string, double> { ["status-503"] = 0.6, ["html-502"] = 0.6 } })).Status.ShouldBe(400);
        (await Simulator(HttpMethod.Post, "/chaos", new { seed = 1, humans = 1.5 })).Status.ShouldBe(400);
    }

    [Fact]
    public async Task People_meddle_under_Xeros_rules_and_the_acts_are_told()
    {
        await Begin(seed: 3, [], humans: 1);
        for (var number = 0; number < 12; number++)
            await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice($"A-{number}")));
        var acts = (await Simulator(HttpMethod.Delete, "/chaos")).Json.GetProperty("acts").EnumerateArray().Select(act => act.Text("action")).ToList();
        acts.ShouldNotBeEmpty();
        acts.Distinct().Count().ShouldBeGreaterThan(2);
    }

    [Fact]
    public async Task Nobody_meddles_any_more_once_the_acts_were_told()
    {
        await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("A"), Sample.Invoice("B"), Sample.Invoice("C")));
        for (var seed = 1; seed <= 6; seed++)
        {
            await Simulator(HttpMethod.Post, "/faults", new { fault = "commit-then-reset", resource = "PUT /Invoices", commitAfterSeconds = 45 });
            await Begin(seed, [], humans: 1);
            await Should.ThrowAsync<HttpRequestException>(() => Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice($"LATE-{seed}"))));
            (await Simulator(HttpMethod.Delete, "/chaos")).Json.GetProperty("acts").GetArrayLength().ShouldBe(0);
            await Advance(TimeSpan.FromSeconds(46));
        }

        var invoices = (await Ledger()).GetProperty("invoices").EnumerateArray().ToList();
        invoices.Select(invoice => $"{invoice.Text("status")} {invoice.Text("total")} {invoice.Text("amountDue")}").Distinct().ShouldHaveSingleItem();
        invoices.Count.ShouldBe(9);
    }

    [Theory]
    [InlineData("commit-then-reset")]
    [InlineData("commit-then-hang")]
    public async Task A_request_can_be_done_long_after_its_caller_gave_up(string fault)
    {
        (await Simulator(HttpMethod.Post, "/faults", new { fault, resource = "PUT /Invoices", commitAfterSeconds = 45 })).Status.ShouldBe(201);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await Should.ThrowAsync<Exception>(async () => await Impatiently(Sample.Batch(Sample.Invoice("LATE")), patience.Token));

        await Advance(TimeSpan.FromSeconds(30));
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(0);
        await Advance(TimeSpan.FromSeconds(15));
        (await Ledger()).GetProperty("invoices").EnumerateArray().ShouldHaveSingleItem().Text("invoiceNumber").ShouldBe("LATE");
    }

    [Fact]
    public async Task Its_key_answers_a_repeat_only_when_it_is_done()
    {
        await Simulator(HttpMethod.Post, "/faults", new { fault = "commit-then-reset", commitAfterSeconds = 45 });
        await Should.ThrowAsync<HttpRequestException>(() => Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("LATE")), key: "k"));
        var repeat = Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("LATE")), key: "k");
        await Get("/Invoices");
        repeat.IsCompleted.ShouldBeFalse();

        await Advance(TimeSpan.FromSeconds(46));
        await Get("/Invoices");
        (await repeat).Only("Invoices").Text("StatusAttributeString").ShouldBe("OK");
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(1);
    }

    [Fact]
    public async Task A_late_request_meets_the_organisation_as_it_is_by_then()
    {
        await Simulator(HttpMethod.Post, "/faults", new { fault = "commit-then-reset", commitAfterSeconds = 45 });
        await Should.ThrowAsync<HttpRequestException>(() => Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("LATE"))));
        await Change(new { periodLockDate = "2026-09-30" });
        await Advance(TimeSpan.FromSeconds(46));
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task Only_faults_that_leave_the_caller_in_the_dark_can_commit_late() =>
        (await Simulator(HttpMethod.Post, "/faults", new { fault = "status-503", commitAfterSeconds = 45 })).Status.ShouldBe(400);

    private async Task Impatiently(object body, CancellationToken patience)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/api.xro/2.0/Invoices?summarizeErrors=false");
        request.Headers.Authorization = new("Bearer", await NewToken());
        request.Headers.Add("Accept", "application/json");
        request.Content = new StringContent(JsonSerializer.Serialize(body), System.Text.Encoding.UTF8, "application/json");
        using var answer = await Http.SendAsync(request, patience);
    }

    private async Task<List<int>> Statuses(int seed, int calls)
    {
        await Begin(seed, Half);
        List<int> statuses = [];
        for (var call = 0; call < calls; call++)
            statuses.Add((await Get("/Accounts")).Status);
        await Simulator(HttpMethod.Delete, "/chaos");
        await Advance(TimeSpan.FromSeconds(61));
        return statuses;
    }

    private async Task Begin(int seed, Dictionary<string, double> probabilities, double? humans = null) =>
        (await Simulator(HttpMethod.Post, "/chaos", new { seed, probabilities, humans })).Status.ShouldBe(201);
}
