using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.Tests.StripeWebhooks;
using Shouldly;

namespace PaymentSync.Tests.Testing;

/// <summary>
/// The whole of it on real parts: PostgreSQL, the service over HTTP, and a Xero organisation over HTTP. Nothing is replaced. Unless
/// <c>Worker:Enabled</c> says otherwise the worker is off and the test says when to drain, so that nothing happens behind its back.
/// </summary>
sealed class World : IAsyncDisposable
{
    public const string WebhookSecret = "whsec_test_0123456789abcdef";
    public const string OldWebhookSecret = "whsec_test_being_rolled_out";
    public const string AdminKey = "admin-key-for-tests-0001";
    public const string OperatorKey = "operator-key-for-tests-1";
    public const string ViewerKey = "viewer-key-for-tests-001";

    readonly List<WebApplication> _nodes = [];
    readonly WebApplication _simulator;
    TimeSpan _ahead;
    bool _audited;

    World(PostgresDatabase database, WebApplication simulator)
    {
        Database = database;
        _simulator = simulator;
        Simulator = new HttpClient { BaseAddress = new Uri(simulator.Urls.First()) };
        Auditor = new Auditor(this);
    }

    public PostgresDatabase Database { get; }
    public HttpClient Simulator { get; }
    public HttpClient Api { get; private set; } = null!;
    public Auditor Auditor { get; }
    public Guid Organisation { get; private init; } = Guid.NewGuid();
    public WebApplication Service => _nodes[0];

    /// <summary>Only in worlds that were started with <c>tampered: true</c>.</summary>
    public TamperingProxy Proxy { get; private set; } = null!;

    public static async Task<World> StartAsync(PostgresServer server, bool connected = true, bool worker = false, Dictionary<string, string>? settings = null, bool tampered = false, Random? chance = null,
        (PostgresDatabase Database, Guid Organisation)? adopted = null)
    {
        var simulator = XeroSimulator.SimulatorApp.Create(["--urls", "http://127.0.0.1:0"]);
        await simulator.StartAsync();
        var world = adopted is { } host ? new World(host.Database, simulator) { Organisation = host.Organisation } : new World(await server.CreateDatabaseAsync(), simulator);
        if (tampered)
        {
            world.Proxy = await TamperingProxy.StartAsync(world.Simulator.BaseAddress!);
            settings = new Dictionary<string, string>(settings ?? [], StringComparer.Ordinal) { ["Xero:ApiUrl"] = $"{world.Proxy.Url}/api.xro/2.0" };
        }
        await world.StartNodeAsync(worker, settings, chance);
        if (adopted is null)
            await world.PutOrganisationAsync(world.Organisation);
        if (connected)
            await world.ConnectAsync();
        return world;
    }

    /// <summary>Another process of the service, as far as the database can tell.</summary>
    public async Task<WebApplication> StartNodeAsync(bool worker = false, Dictionary<string, string>? settings = null, Random? chance = null)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["urls"] = "http://127.0.0.1:0",
            ["environment"] = "Development",
            ["PAYMENTSYNC_MASTER_KEY"] = "a master key for tests",
            ["ConnectionStrings:PaymentSync"] = Database.ConnectionString,
            ["Stripe:WebhookSecrets:0"] = WebhookSecret,
            ["Stripe:WebhookSecrets:1"] = OldWebhookSecret,
            ["Operator:Keys:0"] = $"admin:{AdminKey}",
            ["Operator:Keys:1"] = $"operator:{OperatorKey}",
            ["Operator:Keys:2"] = $"viewer:{ViewerKey}",
            ["Xero:ApiUrl"] = $"{Simulator.BaseAddress}api.xro/2.0",
            ["Xero:IdentityUrl"] = $"{Simulator.BaseAddress}",
            ["Xero:LoginUrl"] = $"{Simulator.BaseAddress}",
            ["Xero:ClientId"] = "simulator-client",
            ["Xero:ClientSecret"] = "simulator-secret-do-not-use",
            ["Xero:CallTimeout"] = "00:00:05",
            ["Xero:MaxIntentAge"] = "00:00:05",
            // So that a scenario can count its own calls; those that are about what organisations are set to turn it on.
            ["Xero:PreFlight"] = "false",
            ["Worker:Enabled"] = worker ? "true" : "false",
            ["Worker:WakeDelay"] = "00:00:00.05",
            ["Worker:SweepInterval"] = "00:00:00.2",
            ["Jobs:Engine"] = "None",
            ["Logging:LogLevel:Default"] = "Warning",
        };
        ChooseParts(all);
        foreach (var (key, value) in settings ?? [])
            all[key] = value;
        var node = PaymentSync.Service.Create([.. all.Select(setting => $"--{setting.Key}={setting.Value}")], chance, PartsOfThisBuild());
        await node.StartAsync();
        lock (_nodes)
            _nodes.Add(node);
        Api ??= Client(node, AdminKey);
        return node;
    }

    /// <summary>What configuration can choose from here; the build with the official SDKs has more.</summary>
    public static Parts PartsOfThisBuild() =>
#if OFFICIAL_SDKS
        PaymentSync.OfficialSdks.OfficialParts.Create();
#else
        new();
#endif

    /// <summary>PAYMENTSYNC_TEST_PARTS=official: the same tests with the clients of the official SDKs, unless a test names its own.</summary>
    static void ChooseParts(Dictionary<string, string> settings)
    {
        if (Environment.GetEnvironmentVariable("PAYMENTSYNC_TEST_PARTS") == "official")
            (settings["Stripe:Client"], settings["Xero:Client"]) = ("StripeNet", "XeroSdk");
    }

    public static HttpClient Client(WebApplication node, string? key)
    {
        var client = new HttpClient { BaseAddress = new Uri(node.Urls.First()) };
        if (key is not null)
            client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        return client;
    }

    public async Task<JsonNode> PutOrganisationAsync(Guid id, Action<JsonObject>? change = null)
    {
        var body = JsonNode.Parse("""
            { "name": "Acme", "timeZone": "Europe/London", "booking": { "salesAccountCode": "200", "taxType": "NONE", "lineAmountTypes": "NoTax",
              "clearingAccounts": { "STRIPE": { "GBP": "090", "USD": "091", "EUR": "092", "JPY": "095" }, "HEDERA": { "GBP": "090" } }, "invoicePrefix": "PL-", "contacts": "PerCustomer",
              "amountPolicy": "MustEqualLink", "lockDatePolicy": "Hold" } }
            """)!.AsObject();
        change?.Invoke(body);
        return await SendAsync(HttpMethod.Put, $"/api/organizations/{id}", body);
    }

    public Task<JsonNode> ConnectAsync(Guid? organisation = null, string? clientId = null, string? clientSecret = null) =>
        SendAsync(HttpMethod.Post, $"/api/organizations/{organisation ?? Organisation}/xero-connection", new JsonObject { ["clientId"] = clientId, ["clientSecret"] = clientSecret, ["reason"] = "test" });

    /// <summary>Registers a link of this organisation.</summary>
    public async Task<Guid> LinkAsync(string amount = "120.00", string currency = "GBP", string? stripePaymentLink = null, Guid? id = null, Guid? organisation = null, Action<JsonObject>? change = null)
    {
        var link = id ?? Guid.NewGuid();
        var body = new JsonObject
        {
            ["organizationId"] = organisation ?? Organisation,
            ["shortCode"] = null,
            ["amount"] = amount,
            ["currency"] = currency,
            ["description"] = "Order 42",
            ["reference"] = "INV-0042",
            ["customer"] = new JsonObject { ["name"] = "Ann Lee", ["email"] = "ann@example.com" },
            ["stripePaymentLink"] = stripePaymentLink,
        };
        change?.Invoke(body);
        await SendAsync(HttpMethod.Put, $"/api/payment-links/{link}", body);
        return link;
    }

    /// <summary>Signs and posts, as Stripe would.</summary>
    public async Task<HttpResponseMessage> PostEventAsync(byte[] body, string? secret = null, DateTimeOffset? signedAt = null, WebApplication? node = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(new Uri((node ?? Service).Urls.First()), "/webhooks/stripe")) { Content = new ByteArrayContent(body) };
        var at = (signedAt ?? DateTimeOffset.UtcNow + _ahead).ToUnixTimeSeconds();
        request.Headers.Add("Stripe-Signature", SignedStripeEvent.Sign(body, secret ?? WebhookSecret, at));
        request.Content.Headers.ContentType = new("application/json");
        return await Api.SendAsync(request);
    }

    public Task<HttpResponseMessage> PostEventAsync(string body) => PostEventAsync(Encoding.UTF8.GetBytes(body));

    /// <summary>Posts a signed event, expects that it is taken (200) and returns what became of it, as "OUTCOME" or "OUTCOME reason".</summary>
    public async Task<string> HearAsync(byte[] body, string? secret = null, WebApplication? node = null)
    {
        using var answer = await PostEventAsync(body, secret, node: node);
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(200, text);
        var heard = JsonNode.Parse(text)!;
        return heard["reason"] is { } reason ? $"{heard["outcome"]} {reason}" : $"{heard["outcome"]}";
    }

    public Task<string> HearAsync(string body) => HearAsync(Encoding.UTF8.GetBytes(body));

    /// <summary>What the service remembers of the events it heard, oldest first.</summary>
    public Task<IReadOnlyList<EventRow>> EventsAsync() => Database.QueryAsync("""
        SELECT id, run_key, event_type, fact, provider_payment_id, amount, currency, payment_link_id, status, reason, message, body IS NOT NULL FROM paymentsync.events ORDER BY received_at, id
        """, reader => new EventRow(reader.GetGuid(0), reader.Nullable<string>(1), reader.GetString(2), reader.Nullable<string>(3), reader.Nullable<string>(4), reader.NullableValue<decimal>(5),
        reader.Nullable<string>(6), reader.NullableValue<Guid>(7), reader.GetString(8), reader.Nullable<string>(9), reader.Nullable<string>(10), reader.GetBoolean(11)));

    /// <summary>Posts a paid checkout session of a link and expects yes.</summary>
    public async Task<string> PayAsync(Guid link, string payment = "pi_1", long minor = 12000, string currency = "gbp")
    {
        var answer = await PostEventAsync(StripeEvents.Session(link, payment, minor, currency));
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<JsonNode>())!["outcome"]!.GetValue<string>();
    }

    /// <summary>Sweeps and drains until nothing is due any more.</summary>
    public async Task DrainAsync(WebApplication? node = null)
    {
        var services = (node ?? Service).Services;
        for (var round = 0; round < 50; round++)
        {
            var due = await services.GetRequiredService<Sweep>().RunAsync(CancellationToken.None);
            if (due.Count == 0)
                return;
            var waits = new List<TimeSpan>();
            foreach (var organisation in due)
            {
                if ((await services.GetRequiredService<Drain>().RunAsync(organisation, CancellationToken.None)).Wait is { } wait)
                    waits.Add(wait);
            }
            if (waits.Count > 0)
                return;
        }
        throw new InvalidOperationException("Rows are still due after 50 drains.");
    }

    /// <summary>Moves every clock: the database's, the service's and the simulator's.</summary>
    public async Task AdvanceAsync(TimeSpan time)
    {
        _ahead += time;
        await Database.ExecuteAsync("UPDATE paymentsync.test_clock SET ahead = ahead + $1", time);
        (await Simulator.PostAsJsonAsync("/simulator/clock", new { advanceSeconds = time.TotalSeconds })).EnsureSuccessStatusCode();
        foreach (var node in _nodes)
            await node.Services.GetRequiredService<DatabaseClock>().SampleAsync(CancellationToken.None);
    }

    public async Task FaultAsync(string fault, int next = 1, string? resource = null) =>
        (await Simulator.PostAsJsonAsync("/simulator/faults", new { fault, next, resource })).EnsureSuccessStatusCode();

    /// <summary>After the test took the proxy down: a new one at the same address.</summary>
    public async Task RestoreProxyAsync(string url) => Proxy = await TamperingProxy.StartAsync(Simulator.BaseAddress!, url);

    /// <summary>What a person does in Xero's own pages.</summary>
    public async Task<JsonNode> HumanAsync(string action, JsonObject order)
    {
        order["action"] = action;
        var answer = await Simulator.PostAsJsonAsync("/simulator/humans", order);
        var text = await answer.Content.ReadAsStringAsync();
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        var done = JsonNode.Parse(text)!;
        foreach (var made in new[] { done["invoiceId"], done["paymentId"] }.Where(id => action is "createInvoice" or "payInvoice" && id is not null))
            Auditor.MadeByPeople.Add(made!.GetValue<string>());
        return done;
    }

    public async Task<JsonNode> LedgerAsync() => (await Simulator.GetFromJsonAsync<JsonNode>("/simulator/ledger"))!["organisations"]![0]!;

    public async Task<JsonNode> CallsAsync() => (await Simulator.GetFromJsonAsync<JsonNode>("/simulator/calls"))!;

    public async Task<int> CallsAsync(string resource) => (await CallsAsync())["byResource"]![resource]?.GetValue<int>() ?? 0;

    public async Task<JsonNode> SendAsync(HttpMethod method, string path, JsonNode? body = null, int? expect = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        using var answer = await Api.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        if (expect is { } status)
            ((int)answer.StatusCode).ShouldBe(status, text);
        else
            answer.IsSuccessStatusCode.ShouldBeTrue($"{method} {path}: {(int)answer.StatusCode} {text}");
        return text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!;
    }

    public Task<JsonNode> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public async Task<IReadOnlyList<Row>> RowsAsync(Guid? link = null) => await Database.QueryAsync("""
        SELECT id, payment_link_id, sync_type::text, status::text, xero_invoice_id, xero_payment_id, provider_payment_id, document_number, failure_kind, failure_code, error_message,
               retry_count, next_retry_at, attempt, open_request_id, amount, request_payload::text
          FROM xero_syncs WHERE $1::uuid IS NULL OR payment_link_id = $1 ORDER BY payment_link_id, sync_type
        """, reader => new Row(reader.GetGuid(0), reader.GetGuid(1), reader.GetString(2), reader.GetString(3), reader.Nullable<string>(4), reader.Nullable<string>(5), reader.Nullable<string>(6),
        reader.Nullable<string>(7), reader.Nullable<string>(8), reader.Nullable<string>(9), reader.Nullable<string>(10), reader.GetInt32(11), reader.NullableValue<DateTime>(12), reader.GetInt32(13),
        reader.NullableValue<Guid>(14), reader.NullableValue<decimal>(15), reader.GetString(16)), link);

    public async Task<(Row Invoice, Row Payment)> PairAsync(Guid link)
    {
        var rows = await RowsAsync(link);
        rows.Count.ShouldBe(2);
        return (rows.Single(row => row.Type == "INVOICE"), rows.Single(row => row.Type == "PAYMENT"));
    }

    /// <summary>A change made through PaymentSync's own kind of connection: how states are set up as data.</summary>
    public Task<int> AsWriterAsync(string sql, params object?[] parameters) => Database.ExecuteAsWriterAsync(sql, parameters);

    /// <summary>Waits until it holds, with bounded patience (20 s): for what other threads do.</summary>
    public static async Task EventuallyAsync(Func<Task<bool>> holds, string what, TimeSpan? atMost = null)
    {
        using var patience = new CancellationTokenSource(atMost ?? TimeSpan.FromSeconds(20));
        while (!await holds())
        {
            if (patience.IsCancellationRequested)
                throw new TimeoutException($"It did not happen in time: {what}");
            await Task.Delay(20);
        }
    }

    /// <summary>Checks the promise; done once more, if the test did not, when the world ends.</summary>
    public async Task AuditAsync()
    {
        _audited = true;
        await Auditor.CheckAsync();
    }

    /// <summary>For tests that break on purpose what the auditor checks.</summary>
    public void SkipAudit() => _audited = true;

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (!_audited)
                await AuditAsync();
        }
        finally
        {
            foreach (var node in _nodes)
            {
                await node.StopAsync();
                await node.DisposeAsync();
            }
            if (Proxy is not null)
                await Proxy.DisposeAsync();
            Api.Dispose();
            Simulator.Dispose();
            await _simulator.StopAsync();
            await _simulator.DisposeAsync();
            await Database.DisposeAsync();
        }
    }
}

/// <summary>A row of xero_syncs as tests look at it.</summary>
sealed record Row(Guid Id, Guid Link, string Type, string Status, string? InvoiceId, string? PaymentId, string? Payment, string? Number, string? Kind, string? Code, string? Message,
    int Retries, DateTime? DueAt, int Attempt, Guid? OpenRequest, decimal? Amount, string Document)
{
    public JsonElement Json => JsonDocument.Parse(Document).RootElement;
}

/// <summary>An event as the service keeps it.</summary>
sealed record EventRow(Guid Id, string? RunKey, string Type, string? Fact, string? Payment, decimal? Amount, string? Currency, Guid? Link, string Status, string? Reason, string? Message, bool HasBody)
{
    /// <summary>"STATUS" or "STATUS reason".</summary>
    public string Became => Reason is null ? Status : $"{Status} {Reason}";
}

/// <summary>Event bodies as Stripe sends them, cut down to what matters and what must not.</summary>
static class StripeEvents
{
    static int _number;

    public static string Session(Guid? link, string? payment, long minor, string currency = "gbp", string type = "checkout.session.completed", string paymentStatus = "paid", string? plink = null,
        string? session = null, bool livemode = false, long created = 1785400001, string mode = "payment") => $$"""
        {
          "id": "evt_{{Interlocked.Increment(ref _number).ToString("D8", CultureInfo.InvariantCulture)}}", "object": "event", "api_version": "2026-07-29.dahlia", "created": {{created}},
          "data": { "object": { "id": "{{session ?? $"cs_test_{payment}"}}", "object": "checkout.session", "amount_subtotal": {{minor}}, "amount_total": {{minor}}, "currency": "{{currency}}",
            "livemode": {{(livemode ? "true" : "false")}}, "metadata": {{(link is null ? "{}" : $$"""{ "payment_link_id": "{{link}}" }""")}}, "mode": "{{mode}}",
            "payment_intent": {{(payment is null ? "null" : $"\"{payment}\"")}}, "payment_link": {{(plink is null ? "null" : $"\"{plink}\"")}}, "payment_status": "{{paymentStatus}}", "status": "complete" } },
          "livemode": {{(livemode ? "true" : "false")}}, "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null }, "type": "{{type}}"
        }
        """;

    public static string Intent(Guid? link, string payment, long minor, string currency = "gbp", string type = "payment_intent.succeeded", long created = 1785400000) => $$"""
        {
          "id": "evt_{{Interlocked.Increment(ref _number).ToString("D8", CultureInfo.InvariantCulture)}}", "object": "event", "api_version": "2026-07-29.dahlia", "created": {{created}},
          "data": { "object": { "id": "{{payment}}", "object": "payment_intent", "amount": {{minor}}, "amount_received": {{minor}}, "currency": "{{currency}}", "livemode": false,
            "metadata": {{(link is null ? "{}" : $$"""{ "payment_link_id": "{{link}}" }""")}}, "status": "succeeded" } },
          "livemode": false, "pending_webhooks": 1, "request": { "id": "req_1", "idempotency_key": null }, "type": "{{type}}"
        }
        """;
}
