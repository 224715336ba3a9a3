using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Options;
using PaymentSync.OfficialSdks;
using PaymentSync.StripeWebhooks;
using PaymentSync.Tests.StripeWebhooks;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using Stripe;

namespace PaymentSync.Benchmarks;

/// <summary>
/// Our code beside the official SDKs, in one process and one run: time, CPU and allocated bytes for one event, and for one call to Xero with 50 documents.
/// The simulator runs in the same process, so calls to Xero are measured beside a bare HttpClient that sends the same bytes: what it
/// costs is the simulator and the wire.
/// </summary>
static class ClientsBenchmark
{
    const string Secret = "whsec_benchmark";
    const long Now = 1_785_400_000;

    public static async Task RunAsync()
    {
        Console.WriteLine($"{"",-44}{"µs",12}{"CPU µs",12}{"bytes",14}{"time",9}{"bytes",9}");
        Events();
        await CallsAsync();
    }

    static void Events()
    {
        var body = Encoding.UTF8.GetBytes(StripeEvents.Session(Guid.NewGuid(), "pi_benchmark", 12000));
        var header = SignedStripeEvent.Sign(body, Secret, Now);
        var at = DateTimeOffset.FromUnixTimeSeconds(Now);
        var own = new OwnStripeWebhooks(new StripeSignature([Secret]));
        var net = new StripeNetWebhooks([Secret]);
        Console.WriteLine($"One event of {body.Length:N0} bytes, verified and read");
        Compare(2_000,
            ("our own", () => Yes(own.Verify(header, body, at) == StripeSignatureResult.Valid && own.Read(body) is StripeConfirmation)),
            ("Stripe.net's ConstructEvent", () => Yes(EventUtility.ConstructEvent(Encoding.UTF8.GetString(body), header, Secret, 300, Now, throwOnApiVersionMismatch: false).Id.Length > 0)),
            ("Stripe:Client=StripeNet (with our reader)", () => Yes(net.Verify(header, body, at) == StripeSignatureResult.Valid && net.Read(body) is StripeConfirmation)));
        Console.WriteLine("One forgery, refused");
        var forged = SignedStripeEvent.Sign(body, "whsec_stranger", Now);
        Compare(2_000,
            ("our own", () => Yes(own.Verify(forged, body, at) == StripeSignatureResult.NoMatch)),
            ("Stripe:Client=StripeNet", () => Yes(net.Verify(forged, body, at) == StripeSignatureResult.NoMatch)));
    }

    static void Compare(int rounds, params (string Name, Action Once)[] variants)
    {
        Figures? first = null;
        foreach (var (name, once) in variants)
        {
            for (var i = 0; i < rounds; i++)
                once();
            var meter = Meter.Start();
            for (var i = 0; i < rounds; i++)
                once();
            Tell(name, meter.Stop(rounds), ref first);
        }
    }

    static async Task CallsAsync()
    {
        await using var simulator = XeroSimulator.SimulatorApp.Create(["--urls", "http://127.0.0.1:0"]);
        await simulator.StartAsync();
        var address = new Uri(simulator.Urls.First());
        using var http = new HttpClient { BaseAddress = address };
        var options = Options.Create(new XeroOptions { ApiUrl = new Uri(address, "/api.xro/2.0") });
        using var own = new XeroClient(options);
        using var sdk = new XeroSdkAccounting(options);

        Task Bare(byte[] body, XeroAccess access) => SendAsync(http, HttpMethod.Put, "/api.xro/2.0/Invoices?summarizeErrors=false&unitdp=4", body, access);
        // The simulator, too, has to be warm before the first is measured.
        for (var i = 0; i < 5; i++)
            await FillAsync(Bare, 40);

        Console.WriteLine("One PUT /Invoices of 50");
        Figures? first = null;
        await MeasureAsync("a bare HttpClient", Bare);
        first = null;
        await MeasureAsync("our own", async (body, access) => Yes(await own.PutAsync("Invoices", body, Guid.NewGuid().ToString("N"), Stopwatch.GetTimestamp(), access, CancellationToken.None) is XeroReply.Answered { Status: 200 }));
        await MeasureAsync("Xero:Client=XeroSdk", async (body, access) => Yes(await sdk.PutAsync("Invoices", body, Guid.NewGuid().ToString("N"), Stopwatch.GetTimestamp(), access, CancellationToken.None) is XeroReply.Answered { Status: 200 }));

        Console.WriteLine("One GET /Invoices of 50 by number");
        var query = $"?InvoiceNumbers={string.Join(',', Enumerable.Range(0, 50).Select(i => $"B-1-{i}"))}&page=1&pageSize=100";
        first = null;
        await MeasureAsync("a bare HttpClient", (_, access) => SendAsync(http, HttpMethod.Get, "/api.xro/2.0/Invoices" + query, null, access));
        first = null;
        await MeasureAsync("our own", async (_, access) => Yes(await own.GetAsync("Invoices", query, access, CancellationToken.None) is XeroReply.Answered { Status: 200 }));
        await MeasureAsync("Xero:Client=XeroSdk", async (_, access) => Yes(await sdk.GetAsync("Invoices", query, access, CancellationToken.None) is XeroReply.Answered { Status: 200 }));

        async Task MeasureAsync(string name, Func<byte[], XeroAccess, Task> once)
        {
            const int calls = 40;
            await FillAsync(once, calls);
            var bodies = Enumerable.Range(0, calls).Select(_ => Batch()).ToList();
            var access = await FreshMinuteAsync(http);
            var meter = Meter.Start();
            foreach (var body in bodies)
                await once(body, access);
            Tell(name, meter.Stop(calls), ref first);
        }

        async Task FillAsync(Func<byte[], XeroAccess, Task> once, int calls)
        {
            var access = await FreshMinuteAsync(http);
            for (var i = 0; i < calls; i++)
                await once(Batch(), access);
        }
    }

    /// <summary>The simulator has Xero's limits; its clock is moved so that none is met while it is measured.</summary>
    static async Task<XeroAccess> FreshMinuteAsync(HttpClient http)
    {
        (await http.PostAsJsonAsync("/simulator/clock", new { advanceSeconds = 61 })).EnsureSuccessStatusCode();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token") { Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials")]) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String("simulator-client:simulator-secret-do-not-use"u8));
        using var answer = await http.SendAsync(request);
        return new XeroAccess((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("access_token").GetString()!, TenantId: null);
    }

    static int _batch;

    static byte[] Batch()
    {
        var batch = ++_batch;
        return JsonSerializer.SerializeToUtf8Bytes(new
        {
            Invoices = Enumerable.Range(0, 50).Select(i => new
            {
                Type = "ACCREC",
                InvoiceNumber = $"B-{batch}-{i}",
                Reference = $"INV-{batch}-{i}",
                Contact = new { Name = "Ann Lee (ann@example.com)" },
                Date = "2026-09-01",
                DueDate = "2026-09-01",
                CurrencyCode = "GBP",
                LineAmountTypes = "NoTax",
                Status = "AUTHORISED",
                LineItems = new[] { new { Description = "Order 42", Quantity = 1m, UnitAmount = 120.00m, AccountCode = "200", TaxType = "NONE" } },
            }),
        });
    }

    static async Task SendAsync(HttpClient http, HttpMethod method, string path, byte[]? body, XeroAccess access)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new ByteArrayContent(body) };
        if (request.Content is not null)
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", access.AccessToken);
        request.Headers.Accept.ParseAdd("application/json");
        using var answer = await http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        await answer.Content.ReadAsByteArrayAsync();
    }

    static void Yes(bool yes)
    {
        if (!yes)
            throw new InvalidOperationException("What is measured did not do its work.");
    }

    static void Tell(string name, Figures figures, ref Figures? first)
    {
        first ??= figures;
        Console.WriteLine($"  {name,-42}{figures.Microseconds,12:N1}{figures.CpuMicroseconds,12:N1}{figures.Bytes,14:N0}{figures.Microseconds / first.Microseconds,8:0.0}x{figures.Bytes / first.Bytes,8:0.0}x");
    }

    sealed record Figures(double Microseconds, double CpuMicroseconds, double Bytes);

    sealed record Meter(long Started, TimeSpan Cpu, long Bytes)
    {
        public static Meter Start()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return new Meter(Stopwatch.GetTimestamp(), Process.GetCurrentProcess().TotalProcessorTime, GC.GetTotalAllocatedBytes(precise: true));
        }

        public Figures Stop(int rounds) => new(Stopwatch.GetElapsedTime(Started).TotalMicroseconds / rounds, (Process.GetCurrentProcess().TotalProcessorTime - Cpu).TotalMicroseconds / rounds,
            (double)(GC.GetTotalAllocatedBytes(precise: true) - Bytes) / rounds);
    }
}
