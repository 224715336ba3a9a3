using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Shouldly;
using XeroSimulator;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

/// <summary>A simulator of its own for every test, on a free port, spoken to over real HTTP.</summary>
public abstract class SimulatorTest : IAsyncLifetime
{
    protected const string CustomClient = "simulator-client:simulator-secret-do-not-use";
    protected const string WebClient = "simulator-app:simulator-app-secret-do-not-use";
    protected const string DefaultTenant = "c0ffee00-0000-4000-8000-00000000de30";

    private WebApplication _app = null!;
    private string _token = "";

    protected HttpClient Http { get; private set; } = null!;

    protected Uri Address => new(_app.Urls.First());

    public async ValueTask InitializeAsync()
    {
        _app = SimulatorApp.Create(["--urls", "http://127.0.0.1:0"]);
        await _app.StartAsync();
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(20) };
        await NewToken();
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        Http.Dispose();
        await _app.DisposeAsync();
    }

    /// <summary>The token lives 30 minutes of the simulator's clock: a test that goes further takes a new one.</summary>
    protected async Task<string> NewToken(string client = CustomClient)
    {
        var answer = await Token(client, ("grant_type", "client_credentials"));
        answer.Status.ShouldBe(200);
        return _token = answer.Text("access_token");
    }

    protected async Task<Reply> Token(string client, params (string Name, string Value)[] form)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token");
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(client)));
        request.Content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        return await Send(request);
    }

    protected Task<Reply> Get(string path, string? token = null, string? tenant = null, string? accept = "application/json") =>
        Call(HttpMethod.Get, "/api.xro/2.0" + path, null, null, token, tenant, accept);

    protected Task<Reply> Put(string path, object body, string? key = null, string? token = null, string? tenant = null) =>
        Call(HttpMethod.Put, "/api.xro/2.0" + path, body, key, token, tenant);

    protected Task<Reply> Post(string path, object body, string? key = null) => Call(HttpMethod.Post, "/api.xro/2.0" + path, body, key);

    protected async Task<Reply> Simulator(HttpMethod method, string path, object? body = null)
    {
        using var request = new HttpRequestMessage(method, "/simulator" + path);
        if (body is not null)
            request.Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        return await Send(request);
    }

    protected async Task Advance(TimeSpan by) =>
        (await Simulator(HttpMethod.Post, "/clock", new { advanceSeconds = by.TotalSeconds })).Status.ShouldBe(200);

    protected async Task Fault(string fault, string? resource = null, int next = 1, int? seconds = null) =>
        (await Simulator(HttpMethod.Post, "/faults", new { fault, resource, next, seconds })).Status.ShouldBe(201);

    protected async Task Change(object change) =>
        (await Simulator(HttpMethod.Patch, "/organisations/" + DefaultTenant, change)).Status.ShouldBe(200);

    protected async Task<JsonElement> Human(object order)
    {
        var answer = await Simulator(HttpMethod.Post, "/humans", order);
        answer.Status.ShouldBe(200, answer.Body);
        return answer.Json;
    }

    /// <summary>Writes one invoice that must be accepted, and returns it as Xero answers it.</summary>
    protected async Task<JsonElement> Written(object invoice)
    {
        var reply = await Put("/Invoices?summarizeErrors=false", new { Invoices = new[] { invoice } });
        reply.Status.ShouldBe(200, reply.Body);
        var written = reply.Only("Invoices");
        written.GetProperty("HasErrors").GetBoolean().ShouldBeFalse(reply.Body);
        return written;
    }

    /// <summary>Sends one invoice that must be refused, and returns what is said about it.</summary>
    protected async Task<IReadOnlyList<string>> Refused(object invoice)
    {
        var reply = await Put("/Invoices?summarizeErrors=false", new { Invoices = new[] { invoice } });
        reply.Status.ShouldBe(200, reply.Body);
        return reply.Only("Invoices").Errors();
    }

    protected async Task<JsonElement> Paid(object payment)
    {
        var reply = await Put("/Payments?summarizeErrors=false", new { Payments = new[] { payment } });
        reply.Status.ShouldBe(200, reply.Body);
        var paid = reply.Only("Payments");
        paid.GetProperty("HasValidationErrors").GetBoolean().ShouldBeFalse(reply.Body);
        return paid;
    }

    protected async Task<IReadOnlyList<string>> RefusedPayment(object payment)
    {
        var reply = await Put("/Payments?summarizeErrors=false", new { Payments = new[] { payment } });
        reply.Status.ShouldBe(200, reply.Body);
        return reply.Only("Payments").Errors();
    }

    protected async Task<JsonElement> Ledger() => (await Simulator(HttpMethod.Get, "/ledger")).Json.GetProperty("organisations")[0];

    protected async Task<Reply> Call(
        HttpMethod method, string path, object? body = null, string? key = null, string? token = null, string? tenant = null, string? accept = "application/json")
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token ?? _token);
        if (accept is not null)
            request.Headers.TryAddWithoutValidation("Accept", accept);
        if (tenant is not null)
            request.Headers.TryAddWithoutValidation("xero-tenant-id", tenant);
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        if (body is not null)
            request.Content = new StringContent(body as string ?? JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        return await Send(request);
    }

    private async Task<Reply> Send(HttpRequestMessage request)
    {
        using var response = await Http.SendAsync(request);
        var headers = response.Headers.ToDictionary(header => header.Key, header => string.Join(",", header.Value), StringComparer.OrdinalIgnoreCase);
        return new Reply((int)response.StatusCode, await response.Content.ReadAsStringAsync(), headers);
    }
}

public sealed record Reply(int Status, string Body, IReadOnlyDictionary<string, string> Headers)
{
    public JsonElement Json => JsonSerializer.Deserialize<JsonElement>(Body);

    public string Text(string name) => Json.GetProperty(name).GetString()!;

    public JsonElement Only(string list)
    {
        var items = Json.GetProperty(list);
        items.GetArrayLength().ShouldBe(1, Body);
        return items[0];
    }

    public int Count(string list) => Json.GetProperty(list).GetArrayLength();
}

public static class ReplyReading
{
    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString()!;

    public static decimal Money(this JsonElement element, string name) => element.GetProperty(name).GetDecimal();

    public static IReadOnlyList<string> Errors(this JsonElement element) =>
        element.TryGetProperty("ValidationErrors", out var errors) ? [.. errors.EnumerateArray().Select(error => error.Text("Message"))] : [];
}

/// <summary>What the tests send, with only what they differ in to say.</summary>
public static class Sample
{
    public static object Invoice(
        string number, decimal amount = 100m, string? currency = null, string status = "AUTHORISED", string types = "NoTax", string account = "200",
        string? taxType = null, string? reference = null, string contact = "Ann Lee", string date = "2026-09-01", decimal quantity = 1) => new
        {
            Type = "ACCREC",
            InvoiceNumber = number,
            Reference = reference,
            Contact = new { Name = contact },
            Date = date,
            DueDate = date,
            Status = status,
            LineAmountTypes = types,
            CurrencyCode = currency,
            LineItems = new[] { new { Description = "Order", Quantity = quantity, UnitAmount = amount, AccountCode = account, TaxType = taxType } },
        };

    public static object Payment(string invoiceNumber, decimal amount, string account = "090", string? reference = null, string? date = null) => new
    {
        Invoice = new { InvoiceNumber = invoiceNumber },
        Account = new { Code = account },
        Date = date ?? "2026-09-01",
        Amount = amount,
        Reference = reference,
    };

    public static object Batch(params object[] invoices) => new { Invoices = invoices };

    public static object Payments(params object[] payments) => new { Payments = payments };
}
