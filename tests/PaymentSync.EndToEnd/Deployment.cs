global using World = PaymentSync.EndToEnd.Deployment; // The name by which the linked auditor knows what it looks at.

using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Tests.StripeWebhooks;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>The built programs as an installation runs them: one database, a Xero simulator, and as many nodes as the test starts.</summary>
sealed class Deployment : IAsyncDisposable
{
    public const string WebhookSecret = "whsec_end_to_end_0123456789";
    public const string AdminKey = "admin-key-for-end-to-end-1";
    /// <summary>The service as this build deploys it.</summary>
    public const string Service =
#if OFFICIAL_SDKS
        "PaymentSync.OfficialSdks";
#else
        "PaymentSync";
#endif
    const string MasterKey = "end-to-end master key, not a secret";
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    const int MostLogs = 6;

    readonly ConcurrentQueue<Node> _nodes = [];
    readonly string _logs = Directory.CreateTempSubdirectory("paymentsync-e2e-").FullName;
    RunningProgram _simulator = null!;
    TimeSpan _ahead;
    int _started;
    int _events;

    Deployment(PostgresDatabase database) => Database = database;

    public PostgresDatabase Database { get; }
    public HttpClient Simulator { get; private set; } = null!;

    /// <summary>Runs a test on a new deployment, audits what it left behind, and shows every program's last words when it fails.</summary>
    public static async Task RunAsync(PostgresServer server, Func<Deployment, Task> test) => await RunAsync(await server.CreateDatabaseAsync(), test);

    /// <inheritdoc cref="RunAsync(PostgresServer, Func{Deployment, Task})"/>
    public static async Task RunAsync(PostgresDatabase database, Func<Deployment, Task> test)
    {
        await using var deployment = new Deployment(database);
        try
        {
            await deployment.StartSimulatorAsync();
            await test(deployment);
            await new Auditor(deployment).CheckAsync();
        }
        catch
        {
            deployment.ShowLogs();
            throw;
        }
    }

    public static void Say(string sentence) => TestContext.Current.TestOutputHelper?.WriteLine(sentence);

    async Task StartSimulatorAsync()
    {
        var address = FreeAddress();
        _simulator = await RunningProgram.StartAsync("XeroSimulator", "simulator", _logs, new Dictionary<string, string>(StringComparer.Ordinal), "--urls", address.ToString());
        Simulator = new HttpClient { BaseAddress = address };
        await AnswersAsync(_simulator, Simulator, "/health");
    }

    /// <summary>A node that is ready to serve.</summary>
    public async Task<Node> StartNodeAsync(string name, bool worker = true, Dictionary<string, string>? settings = null)
    {
        var node = await LaunchNodeAsync(name, worker, settings);
        await AnswersAsync(node.Program, node.Api, "/health/ready");
        return node;
    }

    /// <summary>A node that was started, and may be ready soon, or dead.</summary>
    public async Task<Node> LaunchNodeAsync(string name, bool worker = true, Dictionary<string, string>? settings = null)
    {
        var address = FreeAddress();
        var all = ServiceSettings(Database.ConnectionString, address);
        foreach (var (key, value) in new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Xero__ApiUrl"] = $"{Simulator.BaseAddress}api.xro/2.0",
            ["Xero__IdentityUrl"] = $"{Simulator.BaseAddress}",
            ["Xero__LoginUrl"] = $"{Simulator.BaseAddress}",
            ["Xero__CallTimeout"] = "00:00:10",
            ["Jobs__Engine"] = "Quartz",
            ["Worker__Enabled"] = worker ? "true" : "false",
            ["Worker__WakeDelay"] = "00:00:00.1",
            ["Worker__SweepInterval"] = "00:00:00.3",
            ["Worker__RecoveryInterval"] = "00:00:01",
            // A moved clock ages leases while their holder works: only a test that wants one to run out moves it that far.
            ["Worker__RowLease"] = "00:15:00",
            ["Worker__DrainLease"] = "00:15:00",
        })
        {
            all[key] = value;
        }
        foreach (var (key, value) in settings ?? [])
            all[key] = value;
        var node = new Node(await RunningProgram.StartAsync(Service, $"{name}-{Interlocked.Increment(ref _started)}", _logs, all), address);
        _nodes.Enqueue(node);
        return node;
    }

    /// <summary>What every start of the service needs, outside of development.</summary>
    public static Dictionary<string, string> ServiceSettings(string connectionString, Uri address) => new(StringComparer.Ordinal)
    {
        ["ASPNETCORE_ENVIRONMENT"] = "Production",
        ["PAYMENTSYNC_URL"] = address.ToString(),
        ["PAYMENTSYNC_MASTER_KEY"] = MasterKey,
        ["ConnectionStrings__PaymentSync"] = connectionString,
        ["Stripe__WebhookSecrets__0"] = WebhookSecret,
        ["Operator__Keys__0"] = $"admin:{AdminKey}",
    };

    /// <summary>Nobody listens there now. Somebody could before the program does; then it says so and the test fails.</summary>
    public static Uri FreeAddress()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
    }

    async Task AnswersAsync(RunningProgram program, HttpClient client, string path) => await EventuallyAsync(async () =>
    {
        try
        {
            using var answer = await client.GetAsync(new Uri(path, UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }, $"{program.Name} answers {path}");

    /// <summary>An organisation with a Xero organisation of its own, connected.</summary>
    public async Task<Organisation> OrganisationAsync(Node node, string name, JsonObject? xero = null)
    {
        var (organisation, tenant) = await FoundAsync(node, name, xero?.DeepClone().AsObject() ?? []);
        await SendAsync(node, HttpMethod.Post, $"/api/organizations/{organisation.Id}/xero-connection",
            new JsonObject { ["clientId"] = tenant["clientId"]!.GetValue<string>(), ["clientSecret"] = tenant["clientSecret"]!.GetValue<string>(), ["reason"] = "test" });
        return organisation;
    }

    async Task<(Organisation Organisation, JsonNode Tenant)> FoundAsync(Node node, string name, JsonObject order)
    {
        order["name"] = name;
        using var founded = await Simulator.PostAsJsonAsync("/simulator/organisations", order);
        founded.EnsureSuccessStatusCode();
        var tenant = (await founded.Content.ReadFromJsonAsync<JsonNode>())!;
        var organisation = new Organisation(Guid.NewGuid(), tenant["tenantId"]!.GetValue<string>());
        await SendAsync(node, HttpMethod.Put, $"/api/organizations/{organisation.Id}", JsonNode.Parse("""
            { "name": "?", "timeZone": "Europe/London", "booking": { "salesAccountCode": "200", "taxType": "NONE", "lineAmountTypes": "NoTax",
              "clearingAccounts": { "STRIPE": { "GBP": "090" } }, "invoicePrefix": "PL-", "contacts": "PerCustomer", "amountPolicy": "MustEqualLink", "lockDatePolicy": "Hold" } }
            """.Replace("?", name, StringComparison.Ordinal))!);
        return (organisation, tenant);
    }

    /// <summary>The same, connected by OAuth by the simulator's web app, which the node's settings name.</summary>
    public async Task<Organisation> OrganisationByOAuthAsync(Node node, string name)
    {
        var (organisation, _) = await FoundAsync(node, name, order: []);
        // The browser of a person who agrees: to Xero's page, and back with what it gave.
        using var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
        using var asking = new HttpRequestMessage(HttpMethod.Get, new Uri(node.Address, $"/xero/connect?organizationId={organisation.Id}"));
        asking.Headers.Authorization = node.Api.DefaultRequestHeaders.Authorization;
        using var departed = await browser.SendAsync(asking);
        using var agreed = await browser.GetAsync(new Uri($"{departed.Headers.Location}&simulator_tenant={organisation.TenantId}"));
        using var back = await browser.GetAsync(agreed.Headers.Location);
        back.IsSuccessStatusCode.ShouldBeTrue(await back.Content.ReadAsStringAsync());
        return organisation;
    }

    /// <summary>Changes the Xero organisation while the nodes work: latencyMilliseconds, dayLimit.</summary>
    public async Task ChangeAsync(Organisation organisation, string setting, int value) =>
        (await Simulator.PatchAsJsonAsync($"/simulator/organisations/{organisation.TenantId}", new JsonObject { [setting] = value })).EnsureSuccessStatusCode();

    /// <summary>Registers links of these amounts, one for each payment.</summary>
    public static async Task<IReadOnlyList<Payment>> LinksAsync(IReadOnlyList<Node> nodes, Organisation organisation, int count)
    {
        var payments = Enumerable.Range(0, count).Select(number => new Payment(Guid.NewGuid(), $"pi_{Guid.NewGuid():N}"[..20], 1000 + (number % 977), organisation)).ToList();
        await AtOnceAsync(payments, payment => SendAsync(nodes, HttpMethod.Put, $"/api/payment-links/{payment.Link}", new JsonObject
        {
            ["organizationId"] = organisation.Id,
            ["shortCode"] = null,
            ["amount"] = (payment.Minor / 100m).ToString("0.00", CultureInfo.InvariantCulture),
            ["currency"] = "GBP",
            ["description"] = "Order 42",
            ["reference"] = "INV-0042",
            ["customer"] = new JsonObject { ["name"] = "Ann Lee", ["email"] = "ann@example.com" },
        }));
        return payments;
    }

    /// <summary>Registers links and pays them at once.</summary>
    public async Task<IReadOnlyList<Payment>> PaidAsync(Node node, Organisation organisation, int count)
    {
        var payments = await LinksAsync([node], organisation, count);
        await AtOnceAsync(payments, payment => PayAsync(payment, node));
        return payments;
    }

    /// <summary>Signs and posts the payment's event as Stripe would.</summary>
    public async Task PayAsync(Payment payment, params IReadOnlyList<Node> nodes)
    {
        // Nodes ask the database for the time every ten seconds. One that has not seen yet that the test moved it takes this for an event of the future; Stripe comes again.
        await EventuallyAsync(async () => Code(await SendAsync(nodes, Event(payment), mayBe: "signature.in_future")) is null, "the node knows the time");
    }

    static string? Code(JsonNode answer) => answer is JsonObject { } body ? body["code"]?.GetValue<string>() : null;

    /// <returns>The answer's status; null: nobody answered.</returns>
    public async Task<int?> TellAsync(Payment payment, Node node)
    {
        try
        {
            using var request = Event(payment)();
            using var answer = await node.Api.SendAsync(request);
            return (int)answer.StatusCode;
        }
        catch (Exception problem) when (problem is HttpRequestException or OperationCanceledException)
        {
            return null;
        }
    }

    Func<HttpRequestMessage> Event(Payment payment)
    {
        var body = Encoding.UTF8.GetBytes($$"""
            { "id": "evt_{{Interlocked.Increment(ref _events).ToString("D8", CultureInfo.InvariantCulture)}}", "object": "event", "api_version": "2026-07-29.dahlia", "created": 1785400001,
              "data": { "object": { "id": "cs_test_{{payment.Intent}}", "object": "checkout.session", "amount_subtotal": {{payment.Minor}}, "amount_total": {{payment.Minor}}, "currency": "gbp",
                "livemode": false, "metadata": { "payment_link_id": "{{payment.Link}}" }, "mode": "payment", "payment_intent": "{{payment.Intent}}", "payment_status": "paid", "status": "complete" } },
              "livemode": false, "pending_webhooks": 1, "type": "checkout.session.completed" }
            """);
        return () =>
        {
            var request = new HttpRequestMessage(HttpMethod.Post, "/webhooks/stripe") { Content = new ByteArrayContent(body) };
            request.Content.Headers.ContentType = new("application/json");
            request.Headers.Add("Stripe-Signature", SignedStripeEvent.Sign(body, WebhookSecret, (DateTimeOffset.UtcNow + _ahead).ToUnixTimeSeconds()));
            return request;
        };
    }

    public static Task AtOnceAsync<T>(IEnumerable<T> items, Func<T, Task> what) =>
        Parallel.ForEachAsync(items, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (item, _) => await what(item));

    public static Task<JsonNode> SendAsync(Node node, HttpMethod method, string path, JsonNode? body = null) => SendAsync([node], method, path, body);

    static Task<JsonNode> SendAsync(IReadOnlyList<Node> nodes, HttpMethod method, string path, JsonNode? body) =>
        SendAsync(nodes, () => new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) });

    /// <summary>To one node and, when that is gone because the test stopped or killed it, to the next: as Stripe, too, would come again and find another.</summary>
    static async Task<JsonNode> SendAsync(IReadOnlyList<Node> nodes, Func<HttpRequestMessage> make, string? mayBe = null)
    {
        foreach (var node in nodes)
        {
            using var request = make();
            try
            {
                using var answer = await node.Api.SendAsync(request);
                var text = await answer.Content.ReadAsStringAsync();
                var body = text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!;
                (answer.IsSuccessStatusCode || (mayBe is not null && Code(body) == mayBe)).ShouldBeTrue($"{request.Method} {request.RequestUri} at {node.Program.Name}: {(int)answer.StatusCode} {text}");
                return body;
            }
            catch (HttpRequestException) when (node.Program.MayExit)
            {
                // The next one, then.
            }
        }
        throw new InvalidOperationException($"No node answered, of {string.Join(", ", nodes.Select(node => node.Program.Name))}.");
    }

    /// <summary>Moves the database's clock and the simulator's. No call is begun or recorded as answered in between, else one of the two would take it for a minute older than the other does.</summary>
    public async Task AdvanceAsync(TimeSpan time)
    {
        // Not from a pool: the database may have crashed since.
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Database.ConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        // Both begin and end with a change of this table.
        await using (var hold = new NpgsqlCommand("LOCK TABLE paymentsync.call_budgets IN EXCLUSIVE MODE", connection))
            await hold.ExecuteNonQueryAsync();
        (await Simulator.PostAsJsonAsync("/simulator/clock", new { advanceSeconds = time.TotalSeconds })).EnsureSuccessStatusCode();
        await using (var move = new NpgsqlCommand("UPDATE paymentsync.test_clock SET ahead = ahead + $1", connection))
        {
            move.Parameters.AddWithValue(time);
            await move.ExecuteNonQueryAsync();
        }
        await transaction.CommitAsync();
        _ahead += time;
    }

    /// <summary>Until every row is SUCCESS. Whenever nothing moves, what is left waits for the clock, which is moved a minute on.</summary>
    /// <returns>How often it had to be moved.</returns>
    public async Task<int> UntilBookedAsync()
    {
        var (moved, still, before) = (0, 0, -1L);
        await EventuallyAsync(async () =>
        {
            var state = await Database.QueryAsync("""
                SELECT count(*) FILTER (WHERE status <> 'SUCCESS'), sum(attempt)::bigint + (SELECT coalesce(max(id), 0) FROM paymentsync.call_slots) FROM xero_syncs
                """, reader => (Left: reader.GetInt64(0), Steps: reader.NullableValue<long>(1) ?? 0));
            if (state[0].Left == 0)
                return true;
            still = state[0].Steps == before ? still + 1 : 0;
            before = state[0].Steps;
            if (still == 20)
            {
                (moved, still) = (moved + 1, 0);
                await AdvanceAsync(TimeSpan.FromSeconds(61));
            }
            return false;
        }, "every row is SUCCESS");
        return moved;
    }

    /// <summary>Freezes the first of these nodes that has calls on their way to Xero, and returns it.</summary>
    public async Task<Node> FreezeInACallAsync(params Node[] nodes)
    {
        Node? frozen = null;
        await EventuallyAsync(async () =>
        {
            foreach (var node in nodes)
            {
                if (await FreezesAsync(node))
                {
                    frozen = node;
                    return true;
                }
            }
            return false;
        }, $"{string.Join(" or ", nodes.Select(node => node.Program.Name))} has calls in flight");
        return frozen!;
    }

    async Task<bool> FreezesAsync(Node node)
    {
        if (await HeldAsync(node) == 0)
            return false;
        await node.Program.SignalAsync("STOP");
        // What it had told the database by then is still done; what is held after that stays held.
        for (var look = 0; look < 5; look++)
        {
            await Task.Delay(20);
            if (await HeldAsync(node) == 0)
            {
                await node.Program.SignalAsync("CONT");
                return false;
            }
        }
        return true;
    }

    Task<long> HeldAsync(Node node) => Database.ScalarAsync<long>(
        "SELECT count(*) FROM xero_syncs WHERE status = 'RETRYING' AND open_request_id IS NOT NULL AND lease_owner LIKE $1", $"%:{node.Program.Id}:%");

    /// <summary>Polls until it holds; fails at once when a program is gone that should run.</summary>
    public async Task EventuallyAsync(Func<Task<bool>> holds, string what, TimeSpan? atMost = null)
    {
        using var patience = new CancellationTokenSource(atMost ?? Patience);
        while (!await holds())
        {
            foreach (var program in _nodes.Select(node => node.Program).Append(_simulator).Where(program => program is { HasExited: true, MayExit: false }))
                throw new InvalidOperationException($"{program.Name} ended while the test waited until {what}: {program.Error}");
            if (patience.IsCancellationRequested)
                throw new TimeoutException($"It did not happen within {(atMost ?? Patience).TotalSeconds:0} seconds: {what}");
            await Task.Delay(50);
        }
    }

    public async Task<JsonNode> CallsAsync() => (await Simulator.GetFromJsonAsync<JsonNode>("/simulator/calls"))!;

    public async Task<JsonNode> CallsAsync(Organisation organisation) => (await CallsAsync())["tenants"]![organisation.TenantId]!;

    public async Task<IReadOnlyList<Row>> RowsAsync() => await Database.QueryAsync("""
        SELECT id, organization_id, sync_type::text, status::text, xero_invoice_id, xero_payment_id, document_number, failure_code, retry_count, next_retry_at, attempt, open_request_id, lease_owner FROM xero_syncs
        """, reader => new Row(reader.GetGuid(0), reader.GetGuid(1), reader.GetString(2), reader.GetString(3), reader.Nullable<string>(4), reader.Nullable<string>(5), reader.Nullable<string>(6),
        reader.Nullable<string>(7), reader.GetInt32(8), reader.NullableValue<DateTime>(9), reader.GetInt32(10), reader.NullableValue<Guid>(11), reader.Nullable<string>(12)));

    /// <summary>How often tries ended in which way.</summary>
    public async Task<IReadOnlyDictionary<string, long>> OutcomesAsync() =>
        (await Database.QueryAsync("SELECT outcome, count(*) FROM paymentsync.sync_attempts GROUP BY outcome", reader => (Outcome: reader.GetString(0), Count: reader.GetInt64(1))))
        .ToDictionary(entry => entry.Outcome, entry => entry.Count, StringComparer.Ordinal);

    /// <summary>Live documents in all Xero organisations together.</summary>
    public async Task<(int Invoices, int Payments)> DocumentsAsync()
    {
        var organisations = (await Simulator.GetFromJsonAsync<JsonNode>("/simulator/ledger"))!["organisations"]!.AsArray();
        int Live(string kind) => organisations.Sum(organisation => organisation![kind]!.AsArray().Count(document => document!["status"]!.GetValue<string>() is not ("VOIDED" or "DELETED")));
        return (Live("invoices"), Live("payments"));
    }

    void ShowLogs()
    {
        foreach (var program in _nodes.TakeLast(MostLogs).Select(node => node.Program).Append(_simulator).OfType<RunningProgram>())
        {
            Say($"---- {program.Name} (process {program.Id}), its last lines");
            foreach (var line in $"{program.Output}\n{program.Error}".Split('\n').TakeLast(60))
                Say(line);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
            await node.DisposeAsync();
        if (_simulator is not null)
            await _simulator.DisposeAsync();
        Simulator?.Dispose();
        await Database.DisposeAsync();
        Directory.Delete(_logs, recursive: true);
    }
}

/// <param name="TenantId">Its Xero organisation in the simulator.</param>
sealed record Organisation(Guid Id, string TenantId);

/// <param name="Intent">Stripe's id of the payment intent.</param>
/// <param name="Minor">Pence.</param>
sealed record Payment(Guid Link, string Intent, long Minor, Organisation Organisation);

/// <summary>A row of xero_syncs as these tests look at it.</summary>
sealed record Row(Guid Id, Guid Organisation, string Type, string Status, string? InvoiceId, string? PaymentId, string? Number, string? Code, int Retries, DateTime? DueAt, int Attempt, Guid? OpenRequest, string? Owner);
