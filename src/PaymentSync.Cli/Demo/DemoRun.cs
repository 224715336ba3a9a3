using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace PaymentSync.Cli.Demo;

/// <summary>Plays a script through the real webhook, watches its rows, and compares the books.</summary>
sealed class DemoRun(Invocation invocation, Api simulator, string secret, Script script, TimeSpan patience)
{
    static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(100);

    // The same in every run: a Xero tenant serves one organisation.
    static readonly Guid Organisation = new("de300000-0000-4000-8000-000000000001");

    static readonly Dictionary<string, string> ClearingAccounts = new(StringComparer.Ordinal) { ["GBP"] = "090", ["USD"] = "091", ["EUR"] = "092", ["JPY"] = "095" };

    readonly Api _api = invocation.Api;
    readonly Webhook _webhook = new(invocation.Api, secret);
    readonly Dictionary<string, Sale> _byLink = script.Sales.ToDictionary(sale => sale.Link.ToString(), StringComparer.Ordinal);

    IReadOnlyList<Sale> ToBook => [.. script.Sales.Where(sale => sale.Ending == Ending.Booked)];

    public async Task<Figures> PlayAsync(CancellationToken cancellationToken)
    {
        var tenant = await ConnectAsync(cancellationToken);
        await RegisterAllAsync(cancellationToken);
        var callsBefore = await CallsAsync(tenant, cancellationToken);

        var sending = Stopwatch.StartNew();
        await SendAsync(cancellationToken);
        sending.Stop();
        Say($"{_webhook.Answers.Count} deliveries to the webhook in {sending.Elapsed.TotalSeconds:0.00} s: two events of each payment, in no order, with repetitions, forgeries and noise.");

        var watch = Stopwatch.StartNew();
        var rows = await WatchAsync(cancellationToken);
        var books = await CompareAsync(tenant, watch, cancellationToken);
        var calls = await CallsAsync(tenant, cancellationToken) - callsBefore;
        return new Figures(_webhook.Answers, sending.Elapsed, rows, ToBook.Count, books, calls, [.. Problems(rows), .. books.Problems]);
    }

    /// <returns>The Xero tenant.</returns>
    async Task<string> ConnectAsync(CancellationToken cancellationToken)
    {
        await SetUpAsync(cancellationToken);
        var path = $"/api/organizations/{Organisation}/xero-connection";
        var connection = await _api.GetAsync(path, cancellationToken);
        if (connection.Text("status") != "ACTIVE")
        {
            await Consent.GiveAsync(_api, Organisation, cancellationToken);
            connection = await _api.GetAsync(path, cancellationToken);
        }
        Say($"Demo Company ({Organisation}) is connected to Xero's {connection.Text("tenantName")}. This is run {script.Run} (--seed {script.Seed} plays it again).");
        return connection.Text("tenantId") ?? throw new ApiException("PaymentSync names no Xero tenant for the demo organisation.");
    }

    /// <summary>Once: settings that are set again wake the organisation, and a drain in the midst of the rush is a call for a few rows.</summary>
    async Task SetUpAsync(CancellationToken cancellationToken)
    {
        var path = $"/api/organizations/{Organisation}";
        var accounts = new JsonObject { ["STRIPE"] = new JsonObject(ClearingAccounts.Select(account => KeyValuePair.Create(account.Key, (JsonNode?)JsonValue.Create(account.Value)))) };
        if (await _api.FindAsync(path, cancellationToken) is { } known && JsonNode.DeepEquals(known["booking"]?["clearingAccounts"], accounts))
            return;
        await _api.SendAsync(HttpMethod.Put, path, new JsonObject
        {
            ["name"] = "Demo Company",
            ["timeZone"] = "Europe/London",
            ["booking"] = new JsonObject
            {
                ["salesAccountCode"] = "200",
                ["taxType"] = "NONE",
                ["lineAmountTypes"] = "NoTax",
                ["clearingAccounts"] = accounts,
                ["invoicePrefix"] = "PL-",
                ["contacts"] = "PerCustomer",
                ["amountPolicy"] = "MustEqualLink",
                ["lockDatePolicy"] = "Hold",
            },
        }, cancellationToken);
    }

    async Task RegisterAllAsync(CancellationToken cancellationToken)
    {
        await Parallel.ForEachAsync(script.Sales.Where(sale => sale != script.RegisteredLate), new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = cancellationToken },
            async (sale, stopping) => await RegisterAsync(sale, stopping));
        var currencies = string.Join(", ", script.Sales.GroupBy(sale => sale.Currency, StringComparer.Ordinal).Select(group => $"{group.Count()} in {group.Key}"));
        Say($"{script.Sales.Count} payment links: {currencies}. One of them is registered only after its payment.");
    }

    Task<JsonNode> RegisterAsync(Sale sale, CancellationToken cancellationToken) => _api.SendAsync(HttpMethod.Put, $"/api/payment-links/{sale.Link}", new JsonObject
    {
        ["organizationId"] = Organisation,
        ["shortCode"] = null,
        ["amount"] = sale.AmountText,
        ["currency"] = sale.Currency,
        ["description"] = sale.Description,
        ["reference"] = null,
        ["customer"] = new JsonObject { ["name"] = sale.Customer, ["email"] = sale.Email },
        ["stripePaymentLink"] = sale.StripeLink,
    }, cancellationToken);

    async Task SendAsync(CancellationToken cancellationToken)
    {
        foreach (var delivery in script.First())
            await _webhook.SendAllAsync([delivery], cancellationToken);
        var rush = script.Rush();
        await _webhook.SendAllAsync(rush.Take(rush.Count / 2), cancellationToken);
        await RegisterAsync(script.RegisteredLate, cancellationToken);
        await _webhook.SendAllAsync(rush.Skip(rush.Count / 2), cancellationToken);
        foreach (var delivery in script.Last())
            await _webhook.SendAllAsync([delivery], cancellationToken);
    }

    /// <summary>Shows the rows of this run reach SUCCESS, for as long as patience lasts.</summary>
    async Task<IReadOnlyList<JsonNode>> WatchAsync(CancellationToken cancellationToken)
    {
        if (!invocation.Json && invocation.Console.Profile.Capabilities is { Interactive: true, Ansi: true })
        {
            return await invocation.Console.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn()).StartAsync(async progress =>
            {
                var invoices = progress.AddTask("invoices in Xero", maxValue: ToBook.Count);
                var payments = progress.AddTask("payments in Xero", maxValue: ToBook.Count);
                return await LookAsync((invoiced, paid, _) => (invoices.Value, payments.Value) = (invoiced, paid), cancellationToken);
            });
        }
        var said = (0, 0);
        return await LookAsync((invoiced, paid, elapsed) =>
        {
            if (said != (invoiced, paid))
                Say($"  after {elapsed.TotalSeconds:0.0} s: {invoiced} of {ToBook.Count} invoices and {paid} of {ToBook.Count} payments are SUCCESS");
            said = (invoiced, paid);
        }, cancellationToken);
    }

    async Task<IReadOnlyList<JsonNode>> LookAsync(Action<int, int, TimeSpan> show, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var rows = await RowsOfThisRunAsync(cancellationToken);
            var done = rows.Where(row => row.Text("status") == "SUCCESS" && _byLink[row.Text("paymentLinkId")!].Ending == Ending.Booked).ToList();
            show(done.Count(row => row.Text("syncType") == "INVOICE"), done.Count(row => row.Text("syncType") == "PAYMENT"), watch.Elapsed);
            if (done.Count == 2 * ToBook.Count || watch.Elapsed > patience)
                return rows;
            await Task.Delay(BetweenLooks, cancellationToken);
        }
    }

    /// <summary>The newest rows, page by page until all that this run can have are found.</summary>
    async Task<IReadOnlyList<JsonNode>> RowsOfThisRunAsync(CancellationToken cancellationToken)
    {
        var rows = new List<JsonNode>();
        await foreach (var page in PagesAsync([], cancellationToken))
        {
            var ours = page.Where(row => _byLink.ContainsKey(row.Text("paymentLinkId") ?? "")).ToList();
            rows.AddRange(ours);
            if (rows.Count > 0 && ours.Count < page.Count)
                break;
        }
        return rows;
    }

    /// <summary>Until the ledger and the rows agree: somebody else's payment may be on its way between the two looks.</summary>
    async Task<Books> CompareAsync(string tenant, Stopwatch watch, CancellationToken cancellationToken)
    {
        while (true)
        {
            var rows = new List<JsonNode>();
            await foreach (var page in PagesAsync([("organizationId", Organisation.ToString()), ("status", "SUCCESS"), ("type", "PAYMENT")], cancellationToken))
                rows.AddRange(page);
            if ((await simulator.GetAsync($"/simulator/ledger?tenantId={tenant}", cancellationToken)).Items("organisations") is not [var ledger])
                throw new ApiException($"The simulator knows no organisation {tenant}: PaymentSync talks to another Xero than this simulator.");
            var books = Books.Compare(rows, ledger, ClearingAccounts, ToBook);
            if (books.Problems.Count == 0 || watch.Elapsed > patience)
                return books;
            await Task.Delay(BetweenLooks, cancellationToken);
        }
    }

    async IAsyncEnumerable<IReadOnlyList<JsonNode>> PagesAsync((string, string?)[] filter, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? cursor = null;
        do
        {
            var page = await _api.GetAsync("/api/syncs" + Json.Query([.. filter, ("limit", "200"), ("cursor", cursor)]), cancellationToken);
            yield return page.Items("items");
            cursor = page.Text("nextCursor");
        }
        while (cursor is not null);
    }

    async Task<long> CallsAsync(string tenant, CancellationToken cancellationToken)
    {
        var calls = await simulator.GetAsync("/simulator/calls", cancellationToken);
        return calls["tenants"]?[tenant] is null ? 0 : calls.Number("total");
    }

    IEnumerable<string> Problems(IReadOnlyList<JsonNode> rows)
    {
        foreach (var wrong in _webhook.Answers.Where(answer => !answer.AsItShould).GroupBy(answer => (answer.Delivery.Signing, answer.Status, answer.Outcome)))
            yield return $"{wrong.Count()} deliveries ({wrong.Key.Signing}) were answered {wrong.Key.Status} {wrong.Key.Outcome}.";
        var waiting = rows.Where(row => row.Text("status") != "SUCCESS" && _byLink[row.Text("paymentLinkId")!].Ending == Ending.Booked).ToList();
        var missing = (2 * ToBook.Count) - rows.Count(row => _byLink[row.Text("paymentLinkId")!].Ending == Ending.Booked);
        if (waiting.Count > 0)
            yield return $"{waiting.Count} rows were not SUCCESS after {patience.TotalSeconds:0} s, the first because: {Words.Why(waiting[0]) ?? waiting[0].Text("status")}. PaymentSync goes on with them.";
        if (missing > 0)
            yield return $"{missing} rows of paid links do not exist.";
    }

    void Say(FormattableString line)
    {
        if (!invocation.Json)
            invocation.Say(line.ToString(CultureInfo.InvariantCulture));
    }
}
