using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PaymentSync.Tests.Testing;
using PaymentSync.Tests.XeroSimulation;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Xero;

/// <summary>What everybody who talks to Xero owes us, whoever writes the HTTP: run over our own client, and over Xero's SDK in the build that has it.</summary>
public abstract class XeroAccountingContract : SimulatorTest
{
    private protected abstract IXeroAccounting Create(XeroOptions options);

    /// <summary>One invoice as PaymentSync freezes it, with what a writer could spoil: text that looks like a time, quotes, a long fraction.</summary>
    private const string Invoices = """
        {"Invoices":[{"Type":"ACCREC","InvoiceNumber":"PL-2026-01-02T03:04:05Z","Reference":"2026-01-02T03:04:05Z","Contact":{"Name":"Zo\u00EB \"Q\" 2026-01-02T03:04:05Z (z@example.com)"},"Date":"2026-09-01",
        "DueDate":"2026-09-01","CurrencyCode":"GBP","LineAmountTypes":"NoTax","Status":"AUTHORISED","LineItems":[{"Description":"Order /Date(1)/ of 2026-01-02T03:04:05Z, 100 % \\ \uD83D\uDE00","Quantity":1,"UnitAmount":1234567890.12,
        "AccountCode":"200","TaxType":"NONE"}]},{"Type":"ACCREC","InvoiceNumber":"PL-2","Contact":{"Name":"Ann"},"Date":"2026-12-31","DueDate":"2026-12-31","CurrencyCode":"JPY","LineAmountTypes":"Inclusive",
        "Status":"AUTHORISED","LineItems":[{"Description":"x","Quantity":1.0,"UnitAmount":0.10,"AccountCode":"200","TaxType":"NONE"}]}]}
        """;

    [Fact]
    public async Task The_frozen_invoices_arrive_as_they_are_with_the_key_and_the_switches()
    {
        await using var proxy = await TamperingProxy.StartAsync(Address);
        Exchange? seen = null;
        proxy.OnExchange = exchange => seen = exchange;

        await Put("Invoices", Invoices, url: proxy.Url, key: "key-1");

        (seen!.Method, seen.Path).ShouldBe(("PUT", "/Invoices"));
        (seen.Query["summarizeErrors"], seen.Query["unitdp"], seen.Query.Count).ShouldBe(("false", "4", 2));
        seen.Headers["Idempotency-Key"].ShouldBe("key-1");
        seen.Headers["Accept"].ShouldBe("application/json");
        seen.Headers["Content-Type"].ShouldStartWith("application/json");
        seen.Headers["Authorization"].ShouldStartWith("Bearer ");
        seen.Headers.ContainsKey("xero-tenant-id").ShouldBeFalse();
        ShouldBeTheSameJson(seen.Body, Invoices);
    }

    [Fact]
    public async Task The_frozen_payments_arrive_as_they_are_and_name_the_tenant()
    {
        const string payments = """
            {"Payments":[{"Invoice":{"InvoiceID":"0b5e2b4b-5c5c-4e3e-9a3c-3d8f8e6f0001"},"Account":{"Code":"090"},"Date":"2026-09-01","Amount":0.01,"Reference":"2026-01-02T03:04:05Z"},
            {"Invoice":{"InvoiceID":"0b5e2b4b-5c5c-4e3e-9a3c-3d8f8e6f0002"},"Account":{"Code":"090"},"Date":"2028-02-29","Amount":99999999999.99,"Reference":"pi_2"}]}
            """;
        await using var proxy = await TamperingProxy.StartAsync(Address);
        Exchange? seen = null;
        proxy.OnExchange = exchange => seen = exchange;

        await Put("Payments", payments, url: proxy.Url, tenant: DefaultTenant);

        (seen!.Method, seen.Path, seen.Query["summarizeErrors"], seen.Query.Count).ShouldBe(("PUT", "/Payments", "false", 1));
        seen.Headers["xero-tenant-id"].ShouldBe(DefaultTenant);
        ShouldBeTheSameJson(seen.Body, payments);
    }

    [Fact]
    public async Task The_same_document_is_the_same_bytes_each_time_so_that_the_key_brings_the_first_answer()
    {
        var first = (await Put("Invoices", Invoices, key: "again")).ShouldBeOfType<XeroReply.Answered>();
        var second = (await Put("Invoices", Invoices, key: "again")).ShouldBeOfType<XeroReply.Answered>();
        (first.Status, second.Status).ShouldBe((200, 200));
        Read(second).Select(invoice => invoice.Id).ShouldBe(Read(first).Select(invoice => invoice.Id));
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(2);
    }

    [Fact]
    public async Task The_answer_tells_ids_numbers_and_exact_amounts_of_the_good_and_texts_of_the_bad()
    {
        var mixed = Invoices.Replace("\"CurrencyCode\":\"JPY\"", "\"CurrencyCode\":\"CHF\"", StringComparison.Ordinal);
        var invoices = Read((await Put("Invoices", mixed)).ShouldBeOfType<XeroReply.Answered>());
        var good = invoices.Single(invoice => invoice.Number == "PL-2026-01-02T03:04:05Z");
        (good.Total, good.AmountDue, good.Currency, good.Status, good.Verdict.HasErrors).ShouldBe((1234567890.12m, 1234567890.12m, "GBP", "AUTHORISED", false));
        Guid.TryParse(good.Id, out _).ShouldBeTrue();
        good.Contact.ShouldBe("Zoë \"Q\" 2026-01-02T03:04:05Z (z@example.com)");
        var bad = invoices.Single(invoice => invoice.Number == "PL-2");
        (bad.Id, bad.Verdict.HasErrors).ShouldBe((null, true));
        bad.Verdict.Errors.ShouldHaveSingleItem().ShouldContain("CHF");

        var payments = $$"""{"Payments":[{"Invoice":{"InvoiceID":"{{good.Id}}"},"Account":{"Code":"090"},"Date":"2026-09-01","Amount":0.10,"Reference":"2026-01-02T03:04:05Z"}]}""";
        var paid = XeroAnswer.Payments((await Put("Payments", payments, key: "pay")).ShouldBeOfType<XeroReply.Answered>().Body)!.ShouldHaveSingleItem();
        (paid.Reference, paid.Amount, paid.InvoiceId, paid.Verdict.HasErrors).ShouldBe(("2026-01-02T03:04:05Z", 0.10m, good.Id, false));

        foreach (var filter in new[] { $"IDs={good.Id}", "InvoiceNumbers=PL-2026-01-02T03%3A04%3A05Z,PL-7" })
        {
            var read = Read((await Get("Invoices", $"?{filter}&page=1&pageSize=100")).ShouldBeOfType<XeroReply.Answered>()).ShouldHaveSingleItem();
            (read.Id, read.AmountDue, read.AmountPaid).ShouldBe((good.Id, 1234567890.02m, 0.10m));
            read.Payments.ShouldHaveSingleItem().Reference.ShouldBe("2026-01-02T03:04:05Z");
        }
    }

    [Theory]
    [InlineData("commit-then-reset", "unknown xero.connection_lost")]
    [InlineData("commit-then-hang", "unknown xero.timed_out")]
    [InlineData("slow-drip", "unknown xero.timed_out")]
    [InlineData("commit-then-500", "answered 500")]
    [InlineData("reset-before", "unknown xero.connection_lost")]
    [InlineData("truncated-200", "unknown xero.connection_lost")]
    [InlineData("status-503", "answered 503")]
    [InlineData("html-502", "answered 502")]
    [InlineData("expire-token", "answered 401")]
    [InlineData("429-minute", "answered 429 minute, some seconds")]
    [InlineData("429-day", "answered 429 day, some seconds")]
    [InlineData("429-concurrent", "answered 429 concurrent")]
    public async Task Every_way_that_Xero_fails_is_told_for_what_it_is(string fault, string expected)
    {
        await Fault(fault, "PUT /Invoices", seconds: fault == "slow-drip" ? 30 : null);
        Told(await Put("Invoices", Invoices, timeout: TimeSpan.FromSeconds(3))).ShouldBe(expected);
        Told(await Put("Invoices", Invoices, key: "another")).ShouldStartWith("answered");
    }

    [Fact]
    public async Task The_limits_are_told_with_a_yes_and_with_a_no()
    {
        foreach (var body in new[] { Invoices, "{\"Invoices\":[]}" })
        {
            var headers = (await Put("Invoices", body)).ShouldBeOfType<XeroReply.Answered>().Headers;
            headers.RemainingToday.ShouldNotBeNull().ShouldBeInRange(1, 5000);
            headers.AppRemainingThisMinute.ShouldNotBeNull().ShouldBeInRange(1, 10_000);
            headers.CorrelationId.ShouldNotBeNullOrEmpty();
        }
    }

    [Fact]
    public async Task A_400_is_handed_on_with_its_elements()
    {
        const string refusal = """{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception occurred","Elements":[{"InvoiceNumber":"PL-2","HasErrors":true,"ValidationErrors":[{"Message":"Invoice # must be unique."}]}]}""";
        var reply = await PutTampered(_ => (400, refusal));
        XeroAnswer.RefusalTexts(reply.ShouldBeOfType<XeroReply.Answered>().Body).ShouldBe(["Invoice # must be unique."]);
        ((XeroReply.Answered)reply).Status.ShouldBe(400);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("<html>Good day</html>")]
    [InlineData("{\"Invoices\":[{\"InvoiceID\":")]
    [InlineData("{\"Invoices\":7}")]
    [InlineData("{\"Invoices\":[{\"InvoiceID\":\"0b5e2b4b-5c5c-4e3e-9a3c-3d8f8e6f0001\",\"InvoiceNumber\":\"PL-2\",\"Total\":\"lots\"}]} and more")]
    public async Task A_200_that_cannot_be_read_is_never_a_yes_and_never_an_error_of_Xeros(string body)
    {
        var reply = await PutTampered(_ => (200, body));
        if (reply is XeroReply.Answered answered)
            (answered.Status, XeroAnswer.Invoices(answered.Body)).ShouldBe((200, null));
        else
            reply.ShouldBeOfType<XeroReply.Unknown>();
    }

    [Fact]
    public async Task A_word_that_Xero_never_used_before_is_read_or_leaves_the_outcome_unknown()
    {
        await using var proxy = await TamperingProxy.StartAsync(Address);
        proxy.OnAnswer = (_, json) => json["Invoices"]![0]!["Status"] = "FROZEN";
        foreach (var reply in new[] { await Put("Invoices", Invoices, url: proxy.Url), await Get("Invoices", "?InvoiceNumbers=PL-2&page=1&pageSize=100", url: proxy.Url) })
        {
            if (reply is XeroReply.Answered answered)
                Read(answered).ShouldContain(invoice => invoice.Status == "FROZEN");
            else
                reply.ShouldBeOfType<XeroReply.Unknown>();
        }
    }

    [Theory]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task A_redirect_is_an_answer_and_not_an_order(int status)
    {
        await using var elsewhere = await StartAsync(context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = new Uri(Address, "/api.xro/2.0" + context.Request.Path).AbsoluteUri;
            return Task.CompletedTask;
        });
        Told(await Put("Invoices", Invoices, url: elsewhere.Urls.First())).ShouldBe($"answered {status}");
        Told(await Get("Organisation", "", url: elsewhere.Urls.First())).ShouldBe($"answered {status}");
        (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("total").GetInt32().ShouldBe(0);
    }

    [Fact]
    public async Task A_compressed_answer_is_read()
    {
        await using var packing = await StartAsync(async context =>
        {
            context.Request.Headers.AcceptEncoding.ToString().ShouldContain("gzip");
            context.Response.Headers.ContentEncoding = "gzip";
            context.Response.ContentType = "application/json";
            await using var gzip = new GZipStream(context.Response.Body, CompressionLevel.Fastest);
            await gzip.WriteAsync("""{"Organisations":[{"Name":"Packed","BaseCurrency":"GBP"}]}"""u8.ToArray());
        });
        SettingsAnswer.Read(SettingsPart.Organisation, (await Get("Organisation", "", url: packing.Urls.First())).ShouldBeOfType<XeroReply.Answered>().Body).ShouldNotBeNull().ShouldContain("GBP");
    }

    [Fact]
    public async Task Where_nobody_listens_nothing_was_sent()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var url = $"http://{taken.LocalEndpoint}";
        taken.Stop();
        (await Put("Invoices", Invoices, url: url)).ShouldBeOfType<XeroReply.NotSent>();
        (await Put("Invoices", Invoices, url: "http://nobody.invalid")).ShouldBeOfType<XeroReply.NotSent>();
        (await Get("Organisation", "", url: url)).ShouldNotBeOfType<XeroReply.Answered>();
    }

    [Fact]
    public async Task An_intent_that_is_too_old_is_not_sent()
    {
        using var client = (IDisposable)Create(Options(url: null, timeout: null));
        var reply = await ((IXeroAccounting)client).PutAsync("Invoices", Encoding.UTF8.GetBytes(Invoices), "old", Stopwatch.GetTimestamp() - 20 * Stopwatch.Frequency, await AccessAsync(null), CancellationToken.None);
        reply.ShouldBeOfType<XeroReply.NotSent>().Reason.ShouldContain("too old");
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task What_an_organisation_is_set_to_can_be_read()
    {
        await Written(Sample.Invoice("A-1", contact: "O'Neil & Söhne + Co #1?"));
        foreach (var part in Enum.GetValues<SettingsPart>())
        {
            var query = part == SettingsPart.Contacts ? $"?where={Uri.EscapeDataString("Name==\"O'Neil & Söhne + Co #1?\"")}&includeArchived=true&page=1&pageSize=100" : "";
            var answered = (await Get(part.ToString(), query)).ShouldBeOfType<XeroReply.Answered>(part.ToString());
            var stock = await Get("/" + part + query);
            (answered.Status, stock.Status).ShouldBe((200, 200));
            SettingsAnswer.Read(part, answered.Body).ShouldNotBeNull(part.ToString()).ShouldBe(SettingsAnswer.Read(part, Encoding.UTF8.GetBytes(stock.Body)));
            if (part == SettingsPart.Contacts)
                SettingsAnswer.Read(part, answered.Body)!.ShouldContain("ACTIVE");
        }
    }

    [Fact]
    public async Task Two_calls_at_once_keep_their_own_age_and_answer()
    {
        using var client = (IDisposable)Create(Options(null, null));
        var accounting = (IXeroAccounting)client;
        var access = await AccessAsync(null);
        var now = Stopwatch.GetTimestamp();
        var calls = Enumerable.Range(0, 5).Select(i => accounting.PutAsync("Invoices", Encoding.UTF8.GetBytes(JsonSerializer.Serialize(Sample.Batch(Sample.Invoice($"B-{i}", currency: "GBP", reference: "r", taxType: "NONE")))),
            $"k{i}", i == 2 ? now - 20 * Stopwatch.Frequency : now, access, CancellationToken.None)).ToList();
        var replies = await Task.WhenAll(calls);
        replies[2].ShouldBeOfType<XeroReply.NotSent>();
        for (var i = 0; i < replies.Length; i++)
        {
            if (i != 2)
                Read(replies[i].ShouldBeOfType<XeroReply.Answered>()).ShouldHaveSingleItem().Number.ShouldBe($"B-{i}");
        }
    }

    async Task<XeroReply> Put(string resource, string body, string key = "k", string? url = null, string? tenant = null, TimeSpan? timeout = null)
    {
        using var client = (IDisposable)Create(Options(url, timeout));
        return await ((IXeroAccounting)client).PutAsync(resource, Encoding.UTF8.GetBytes(body), key, Stopwatch.GetTimestamp(), await AccessAsync(tenant), CancellationToken.None);
    }

    async Task<XeroReply> Get(string resource, string query, string? url = null)
    {
        using var client = (IDisposable)Create(Options(url, null));
        return await ((IXeroAccounting)client).GetAsync(resource, query, await AccessAsync(null), CancellationToken.None);
    }

    async Task<XeroReply> PutTampered(Func<string, (int, string)?> answer)
    {
        await using var proxy = await TamperingProxy.StartAsync(Address);
        proxy.OnRequest = (_, body) => answer(body);
        return await Put("Invoices", Invoices, url: proxy.Url);
    }

    XeroOptions Options(string? url, TimeSpan? timeout) => new()
    {
        ApiUrl = new Uri(new Uri(url ?? Address.AbsoluteUri), "/api.xro/2.0"),
        CallTimeout = timeout ?? TimeSpan.FromSeconds(30),
        MaxIntentAge = TimeSpan.FromSeconds(10),
    };

    async Task<XeroAccess> AccessAsync(string? tenant) => new(await NewToken(), tenant);

    static List<XeroInvoice> Read(XeroReply.Answered answered) => XeroAnswer.Invoices(answered.Body).ShouldNotBeNull(Encoding.UTF8.GetString(answered.Body));

    static string Told(XeroReply reply) => reply switch
    {
        XeroReply.Answered { Status: 429, Headers: var headers } => $"answered 429 {headers.LimitProblem}{(headers.RetryAfter is null ? "" : ", some seconds")}",
        XeroReply.Answered answered => $"answered {answered.Status}",
        XeroReply.Unknown unknown => $"unknown {unknown.Code}",
        XeroReply.NotSent notSent => $"not sent: {notSent.Reason}",
        _ => reply.ToString(),
    };

    static async Task<WebApplication> StartAsync(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder(["--urls", "http://127.0.0.1:0"]);
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync();
        return app;
    }

    /// <summary>The same fields, no more and no fewer, the same text, and numbers equal as decimals.</summary>
    static void ShouldBeTheSameJson(string actual, string expected) => Canonical(JsonNode.Parse(actual)).ShouldBe(Canonical(JsonNode.Parse(expected)));

    static string Canonical(JsonNode? node) => node switch
    {
        JsonObject fields => $"{{{string.Join(",", fields.OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => $"{field.Key}:{Canonical(field.Value)}"))}}}",
        JsonArray items => $"[{string.Join(",", items.Select(Canonical))}]",
        JsonValue value when value.GetValueKind() == JsonValueKind.Number => (value.GetValue<decimal>() / 1.0000000000000000000000000000m).ToString(System.Globalization.CultureInfo.InvariantCulture),
        JsonValue value when value.GetValueKind() == JsonValueKind.String => JsonSerializer.Serialize(value.GetValue<string>()),
        _ => node?.ToJsonString() ?? "null",
    };
}

public sealed class XeroClientTests : XeroAccountingContract
{
    private protected override IXeroAccounting Create(XeroOptions options) => new XeroClient(Options.Create(options));
}
