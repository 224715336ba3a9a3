using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation.Conformance;

/// <summary>
/// What we send and what the simulator answers, against Xero's own description of its accounting API (16.1.0). It is known to say untruths that do not touch these checks:
/// the default of summarizeErrors, scopes, and the examples of DateString. Connections are described elsewhere. Fields that it forgets are listed, with their source, in <see cref="OpenApiSpec.NotDescribed"/>.
/// </summary>
public sealed class ConformanceTests(PostgresServer server)
{
    [Fact]
    public async Task Every_call_of_the_service_and_every_answer_of_the_simulator_is_as_Xero_describes_them()
    {
        var spec = Spec();
        var exchanges = new ConcurrentQueue<Exchange>();
        await using var world = await World.StartAsync(server, tampered: true);
        world.Proxy.OnExchange = exchanges.Enqueue;
        await BookAsync(world);
        var ours = exchanges.Count;
        await AskAsync(world);

        var resources = exchanges.Take(ours).Select(exchange => $"{exchange.Method} {exchange.Path}").Distinct(StringComparer.Ordinal).ToList();
        resources.ShouldContain("PUT /Invoices");
        resources.ShouldContain("PUT /Payments");
        resources.ShouldContain("GET /Invoices");
        exchanges.Select(exchange => exchange.Status).Distinct().ShouldContain(400);
        exchanges.Where(exchange => exchange.Path != "/connections").SelectMany(exchange => spec.Check(exchange).Select(problem => $"{exchange.Method} {exchange.Path}: {problem}")).Distinct(StringComparer.Ordinal).ShouldBeEmpty();
        TestContext.Current.TestOutputHelper!.WriteLine($"{ours} calls of the service ({string.Join(", ", resources)}) and {exchanges.Count - ours} others conform");
    }

    [Theory]
    [InlineData("""{"Invoices":[{"Type":"ACCREC","Contact":{"Name":"Ann"},"LineItems":[],"InvoiceNumbr":"A-1"}]}""", "InvoiceNumbr is not described")]
    [InlineData("""{"Invoices":[{"Type":"SALE","Contact":{"Name":"Ann"},"LineItems":[]}]}""", "Type is SALE")]
    [InlineData("""{"Invoices":[{"Type":"ACCREC","Contact":{"ContactID":"17"},"LineItems":[]}]}""", "ContactID is 17, not string uuid")]
    [InlineData("""{"Invoices":[{"Type":"ACCREC","Contact":{"Name":"Ann"},"LineItems":[{"UnitAmount":"120.00"}]}]}""", "UnitAmount is 120.00, not number")]
    [InlineData("""{"Invoices":{"Type":"ACCREC"}}""", "Invoices is an object, not array")]
    public void What_Xero_does_not_describe_is_found(string body, string problem) =>
        Spec().Check(Sent("PUT", "/Invoices", body)).ShouldContain(found => found.Contains(problem, StringComparison.Ordinal));

    [Fact]
    public void A_path_a_parameter_and_a_length_that_Xero_does_not_describe_are_found()
    {
        var spec = Spec();
        spec.Check(Sent("PUT", "/Bills", "")).ShouldHaveSingleItem().ShouldContain("There is no PUT /Bills");
        spec.Check(Sent("GET", "/Invoices", "") with { Query = new Dictionary<string, string>(StringComparer.Ordinal) { ["InvoiceNumber"] = "A-1" } }).ShouldHaveSingleItem().ShouldContain("InvoiceNumber");
        spec.Check(Sent("GET", "/Invoices", "") with { Query = new Dictionary<string, string>(StringComparer.Ordinal) { ["IDs"] = "17" } }).ShouldHaveSingleItem().ShouldContain("uuid");
        spec.Check(Sent("PUT", "/Invoices", $$$"""{"Invoices":[{"InvoiceNumber":"{{{new string('A', 256)}}}"}]}""")).ShouldContain(found => found.Contains("256 characters", StringComparison.Ordinal));
    }

    static OpenApiSpec Spec() => OpenApiSpec.Load(Path.Combine(SharedData.RequireFolder(), "xero", "xero_accounting.yaml"));

    static Exchange Sent(string method, string path, string body) => new(method, path, new Dictionary<string, string>(StringComparer.Ordinal), new Dictionary<string, string>(StringComparer.Ordinal), body, 204, "");

    /// <summary>Payments in several currencies and policies; some refused, some looked up after a lost answer.</summary>
    static async Task BookAsync(World world)
    {
        var inclusive = Guid.NewGuid();
        var founded = await world.Simulator.PostAsJsonAsync("/simulator/organisations", new { name = "Inclusive", clientId = "inclusive", clientSecret = "secret" });
        founded.EnsureSuccessStatusCode();
        await world.PutOrganisationAsync(inclusive, body => (body["booking"]!["lineAmountTypes"], body["booking"]!["taxType"], body["booking"]!["contacts"], body["booking"]!["amountPolicy"]) = ("Inclusive", "OUTPUT2", "Shared", "AsCharged"));
        await world.ConnectAsync(inclusive, "inclusive", "secret");
        foreach (var organisation in new[] { world.Organisation, inclusive })
        {
            await PayAsync("GBP", 12001);
            await PayAsync("USD", 999);
            await PayAsync("EUR", 1);
            await world.PayAsync(await world.LinkAsync("5000", "JPY", organisation: organisation), $"pi_{Guid.NewGuid():N}", 5000, "jpy");

            async Task PayAsync(string currency, long minor) =>
                await world.PayAsync(await world.LinkAsync((minor / 100m).ToString(System.Globalization.CultureInfo.InvariantCulture), currency, organisation: organisation), $"pi_{Guid.NewGuid():N}", minor, currency);
        }
        (await world.Simulator.PatchAsync(new Uri("/simulator/organisations/c0ffee00-0000-4000-8000-00000000de30", UriKind.Relative), JsonContent.Create(new { currencies = new[] { "GBP", "JPY", "USD" } }))).EnsureSuccessStatusCode();
        await world.FaultAsync("commit-then-500", resource: "PUT /Payments");
        await world.DrainAsync();
        await world.PayAsync(await world.LinkAsync(), "pi_lost");
        await world.FaultAsync("commit-then-500", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.AdvanceAsync(TimeSpan.FromSeconds(30));
        await world.DrainAsync();
    }

    /// <summary>What the service does not ask, and the simulator answers all the same.</summary>
    static async Task AskAsync(World world)
    {
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials")]);
        using var grant = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Simulator.BaseAddress!, "/connect/token")) { Content = form };
        grant.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String("simulator-client:simulator-secret-do-not-use"u8));
        using var granted = await world.Simulator.SendAsync(grant);
        using var http = new HttpClient { BaseAddress = new Uri(world.Proxy.Url) };
        http.DefaultRequestHeaders.Authorization = new("Bearer", (await granted.Content.ReadFromJsonAsync<JsonNode>())!["access_token"]!.GetValue<string>());
        http.DefaultRequestHeaders.Add("Accept", "application/json");

        foreach (var path in new[] { "Organisation", "Accounts", "Currencies", "TaxRates", "Contacts?page=1", "Invoices", "Invoices?page=1&pageSize=100&summaryOnly=true", "Invoices?page=1&pageSize=100", "Payments?page=1" })
            (await http.GetAsync(new Uri($"/api.xro/2.0/{path}", UriKind.Relative))).EnsureSuccessStatusCode();
        var asWritten = new JsonSerializerOptions { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };
        var bad = new { Invoices = new object[] { Sample.Invoice("GOOD"), Sample.Invoice("BAD", currency: "ZAR") } };
        await http.PutAsJsonAsync("/api.xro/2.0/Invoices?summarizeErrors=false&unitdp=4", bad, asWritten);
        await http.PutAsJsonAsync("/api.xro/2.0/Invoices", new { Invoices = new[] { Sample.Invoice("BAD", account: "999", status: "AUTHORISED") } }, asWritten);
        await http.PutAsJsonAsync("/api.xro/2.0/Invoices?summarizeErrors=false", new { Invoices = new[] { Sample.Invoice("DRAFT", account: "999", status: "DRAFT") } }, asWritten);
        await http.PutAsJsonAsync("/api.xro/2.0/Payments?summarizeErrors=false", new { Payments = new[] { Sample.Payment("GOOD", 1000), Sample.Payment("GOOD", 60, reference: "pi_x") } }, asWritten);
        await http.PutAsJsonAsync("/api.xro/2.0/Contacts?summarizeErrors=false", new { Contacts = new[] { new { Name = "Bo", EmailAddress = "bo@example.com" }, new { Name = "Bo", EmailAddress = "nonsense" } } }, asWritten);
        var payment = (await http.GetFromJsonAsync<JsonNode>("/api.xro/2.0/Payments?page=1"))!["Payments"]![0]!;
        await http.GetAsync(new Uri($"/api.xro/2.0/Payments/{payment["PaymentID"]}", UriKind.Relative));
        await http.GetAsync(new Uri($"/api.xro/2.0/Invoices/{payment["Invoice"]!["InvoiceID"]}", UriKind.Relative));
        await http.PostAsJsonAsync("/api.xro/2.0/Invoices", new { Invoices = new[] { new { InvoiceNumber = "GOOD", Reference = "changed" } } }, asWritten);
        world.SkipAudit();
    }
}
