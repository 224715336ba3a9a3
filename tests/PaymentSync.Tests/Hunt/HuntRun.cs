using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.Hunt;

/// <summary>Plays one plan against the whole service, ends the chaos, mends what people changed, and moves the clocks until all is quiet.</summary>
sealed class HuntRun(HuntWorld hunt, Plan plan, Tally tally)
{
    public const string Stranger = "A stranger";
    public const decimal StrangersTotal = 7.5m;
    const int MostRounds = 150;
    static readonly string AllCurrencies = """{"periodLockDate":null,"endOfYearLockDate":null,"currencies":["GBP","USD","EUR","JPY"],"invoiceLimit":null,"answerOrder":"AsSent","accounts":[{"code":"200","status":"ACTIVE"},{"code":"090","status":"ACTIVE"}]}""";

    readonly World _world = hunt.World;
    readonly List<PlannedPayment> _undelivered = [];
    readonly List<string> _archived = [];
    bool _flaky;

    /// <summary>What happened, for the reader of a failure.</summary>
    public List<string> Story { get; } = [];

    /// <summary>Numbers of documents that somebody in Xero meddled with.</summary>
    public HashSet<string> Touched { get; } = new(StringComparer.Ordinal);

    /// <summary>Invoices of strangers by their numbers; those that people changed later are not among them any more.</summary>
    public HashSet<string> Strangers { get; } = new(StringComparer.Ordinal);

    /// <summary>Payment ids of which at least one event saying paid was answered with 200.</summary>
    public HashSet<string> Heard { get; } = new(StringComparer.Ordinal);

    public HashSet<Guid> Cancelled { get; } = [];

    public async Task PlayAsync()
    {
        hunt.Begin(plan.Seed);
        foreach (var organisation in plan.Organisations)
            await FoundAsync(organisation);
        foreach (var link in plan.Links.Where(link => !link.Late))
            await RegisterAsync(link);
        await BeginChaosAsync();
        foreach (var step in plan.Script)
            await TakeAsync(step);
        await EndChaosAsync();
        await MendAsync();
        await UntilQuietAsync();
        // What waited for a person's fix is replayed, as a person does who has made it; twice, for what only then came up.
        for (var again = 0; again < 2 && await ReplayAllAsync() > 0; again++)
            await UntilQuietAsync();
        foreach (var end in (await RowsAsync()).GroupBy(row => $"rows {row.Status} {row.Code}".Trim(), StringComparer.Ordinal))
            tally.Add(end.Key, end.Count());
    }

    async Task FoundAsync(PlannedOrganisation organisation)
    {
        var founded = new { name = organisation.Name, tenantId = organisation.TenantId, clientId = organisation.Name, clientSecret = "hunt", currencies = new[] { "GBP", "USD", "EUR", "JPY" } };
        (await _world.Simulator.PostAsJsonAsync("/simulator/organisations", founded)).EnsureSuccessStatusCode();
        await _world.PutOrganisationAsync(organisation.Id, body =>
        {
            body["name"] = organisation.Name;
            var booking = body["booking"]!;
            booking["contacts"] = organisation.Contacts;
            booking["amountPolicy"] = organisation.AmountPolicy;
            booking["lineAmountTypes"] = organisation.LineAmountTypes;
            booking["taxType"] = organisation.TaxType;
        });
        await _world.ConnectAsync(organisation.Id, organisation.Name, "hunt");
    }

    Task<Guid> RegisterAsync(PlannedLink link) => _world.LinkAsync(link.Amount.ToString(CultureInfo.InvariantCulture), link.Currency, id: link.Id, organisation: link.Organisation.Id, change: body =>
    {
        body["shortCode"] = link.ShortCode;
        body["customer"] = new JsonObject { ["name"] = link.Customer, ["email"] = "payer@example.com" };
    });

    async Task BeginChaosAsync()
    {
        var order = new { seed = plan.Seed, probabilities = plan.Faults, humans = plan.Humans, latestCommitSeconds = 45, lateListsSeconds = 30, dripSeconds = 0.2 };
        (await _world.Simulator.PostAsJsonAsync("/simulator/chaos", order)).EnsureSuccessStatusCode();
    }

    async Task EndChaosAsync()
    {
        await FlakyAsync(0);
        using var stopped = await _world.Simulator.DeleteAsync(new Uri("/simulator/chaos", UriKind.Relative));
        var report = JsonNode.Parse(await stopped.Content.ReadAsStringAsync())!;
        Story.Add($"the chaos ends: {report["met"]!.ToJsonString()}");
        foreach (var (fault, times) in report["met"]!.AsObject())
            tally.Add($"fault {fault}", times!.GetValue<int>());
        foreach (var act in report["acts"]!.AsArray().Select(act => act!))
        {
            tally.Add($"person {act["action"]!.GetValue<string>()}");
            Story.Add($"somebody in Xero did: {act.ToJsonString()}");
            switch (act["action"]!.GetValue<string>())
            {
                case "createInvoice":
                    _world.Auditor.MadeByPeople.Add(act["invoiceId"]!.GetValue<string>());
                    break;
                case "archiveContact":
                    _archived.Add(new JsonObject { ["action"] = "restoreContact", ["tenantId"] = act["tenantId"]!.DeepClone(), ["contactName"] = act["contactName"]!.DeepClone() }.ToJsonString());
                    break;
                case "payInvoice":
                    _world.Auditor.MadeByPeople.Add(act["paymentId"]!.GetValue<string>());
                    goto default;
                default:
                    if (act["invoiceNumber"]?.GetValue<string>() is { } number)
                    {
                        Touched.Add(number);
                        Strangers.Remove(number);
                    }
                    break;
            }
        }
    }

    /// <summary>What organisations changed is put back as it was, and contacts are restored: the causes that people mend in Xero.</summary>
    async Task MendAsync()
    {
        foreach (var organisation in plan.Organisations)
        {
            await ChangeAsync(organisation, AllCurrencies);
            await TryAsync(HttpMethod.Post, $"/api/organizations/{organisation.Id}/xero-connection", Credentials(organisation));
        }
        foreach (var order in _archived)
            await _world.Simulator.PostAsync(new Uri("/simulator/humans", UriKind.Relative), new StringContent(order, Encoding.UTF8, "application/json"));
    }

    async Task TakeAsync(Step step)
    {
        Story.Add($"{step}: {await DoAsync(step)}");
    }

    async Task<string> DoAsync(Step step)
    {
        switch (step)
        {
            case Step.Deliver deliver:
                return await DeliverAsync(deliver.Payment, deliver.Fact);
            case Step.Register register:
                // Under a failing database too: a person tries until it is done.
                var flaky = _flaky;
                await FlakyAsync(0);
                await RegisterAsync(register.Link);
                await FlakyAsync(flaky ? 20 : 0);
                return "done";
            case Step.Cancel cancel:
                // Even an answer that says no may be a lost yes.
                Cancelled.Add(cancel.Link.Id);
                return await TryAsync(HttpMethod.Post, $"/api/payment-links/{cancel.Link.Id}/cancel", new JsonObject { ["reason"] = "hunt" });
            case Step.TakeNumber take:
                return await TakeNumberAsync(take.Link);
            case Step.Advance advance:
                await _world.AdvanceAsync(advance.By);
                return "done";
            case Step.Drain drain:
                await Task.WhenAll(drain.Nodes.Select(node => DrainAsync(hunt.Nodes[node])));
                return await CountsAsync();
            case Step.Recover:
                return await TryAsync(HttpMethod.Post, "/api/jobs/recovery/run");
            case Step.Replay replay:
                return await ReplayOneAsync(replay.Which);
            case Step.Disconnect disconnect:
                return await TryAsync(HttpMethod.Delete, $"/api/organizations/{disconnect.Organisation.Id}/xero-connection");
            case Step.Connect connect:
                return await TryAsync(HttpMethod.Post, $"/api/organizations/{connect.Organisation.Id}/xero-connection", Credentials(connect.Organisation));
            case Step.Change change:
                await ChangeAsync(change.Organisation, change.Json);
                return "done";
            case Step.Flaky flakiness:
                await FlakyAsync(flakiness.PerThousand);
                return "done";
            default:
                throw new InvalidOperationException($"Nobody knows how to do {step}.");
        }
    }

    async Task<string> DeliverAsync(PlannedPayment payment, string fact)
    {
        var (link, id) = (payment.Link, payment.Id);
        var minor = string.Equals(link.Currency, "JPY", StringComparison.Ordinal) ? (long)payment.Charged : (long)(payment.Charged * 100);
        var currency = link.Currency.ToUpperInvariant() switch { "USD" => "usd", "EUR" => "eur", "JPY" => "jpy", _ => "gbp" };
        using var answer = await _world.PostEventAsync(fact switch
        {
            "intent" => StripeEvents.Intent(link.Id, id, minor, currency),
            "unpaid" => StripeEvents.Session(link.Id, id, minor, currency, paymentStatus: "unpaid"),
            "expired" => StripeEvents.Session(link.Id, id, minor, currency, type: "checkout.session.expired", paymentStatus: "unpaid"),
            _ => StripeEvents.Session(link.Id, id, minor, currency),
        });
        var pays = fact is "paid" or "intent";
        if (answer.IsSuccessStatusCode && pays)
            Heard.Add(id);
        else if (!answer.IsSuccessStatusCode && pays)
            _undelivered.Add(payment);
        return $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
    }

    async Task<string> TakeNumberAsync(PlannedLink link)
    {
        var order = new { action = "createInvoice", tenantId = link.Organisation.TenantId, invoiceNumber = link.Number, amount = StrangersTotal, contactName = Stranger };
        using var answer = await _world.Simulator.PostAsJsonAsync("/simulator/humans", order);
        var text = await answer.Content.ReadAsStringAsync();
        if (!answer.IsSuccessStatusCode)
            return text;
        Touched.Add(link.Number);
        Strangers.Add(link.Number);
        _world.Auditor.MadeByPeople.Add(JsonNode.Parse(text)!["invoiceId"]!.GetValue<string>());
        return "taken";
    }

    async Task<string> ReplayOneAsync(double which)
    {
        var rows = (await RowsAsync()).Where(row => row.Status != "SUCCESS").OrderBy(row => row.Number, StringComparer.Ordinal).ThenBy(row => row.Type, StringComparer.Ordinal).ToList();
        return rows.Count == 0 ? "nothing to replay" : await ReplayAsync(rows[(int)(which * rows.Count)]);
    }

    async Task<int> ReplayAllAsync()
    {
        var stuck = (await RowsAsync()).Where(row => row.Status == "FAILED").ToList();
        foreach (var row in stuck)
            Story.Add($"replay {row.Type} {row.Number} ({row.Code}): {await ReplayAsync(row)}");
        return stuck.Count;
    }

    Task<string> ReplayAsync(Row row) => TryAsync(HttpMethod.Post, "/api/xero/sync/replay", new JsonObject { ["syncId"] = row.Id, ["reason"] = "hunt" });

    public async Task<IReadOnlyList<Row>> RowsAsync()
    {
        var links = plan.Links.Select(link => link.Id).ToHashSet();
        return [.. (await _world.RowsAsync()).Where(row => links.Contains(row.Link))];
    }

    /// <summary>Recovery, drains, and time, until no row has a time at which it goes on.</summary>
    async Task UntilQuietAsync()
    {
        for (var round = 0; round < MostRounds; round++)
        {
            foreach (var payment in _undelivered.ToList())
            {
                _undelivered.Remove(payment);
                Story.Add($"deliver {payment.Id} again: {await DeliverAsync(payment, "paid")}");
            }
            await TryAsync(HttpMethod.Post, "/api/jobs/recovery/run");
            var wait = await DrainAsync(hunt.Nodes[round % hunt.Nodes.Count]);
            var next = await _world.Database.ScalarAsync<TimeSpan?>("""
                SELECT min(coalesce(lease_expires_at, next_retry_at)) - paymentsync.now() FROM xero_syncs WHERE status = 'RETRYING' OR next_retry_at IS NOT NULL
                """);
            if (next is null && _undelivered.Count == 0)
                return;
            var by = new[] { TimeSpan.Zero, wait ?? TimeSpan.Zero, next ?? TimeSpan.Zero }.Max() + TimeSpan.FromSeconds(1);
            Story.Add($"{by} pass: {await CountsAsync()}");
            await _world.AdvanceAsync(by);
        }
        Story.Add($"It was still not quiet after {MostRounds} rounds.");
    }

    /// <returns>How long the drains want to wait, if they do.</returns>
    async Task<TimeSpan?> DrainAsync(WebApplication node)
    {
        TimeSpan? wait = null;
        try
        {
            for (var round = 0; round < 4 && wait is null; round++)
            {
                var due = await node.Services.GetRequiredService<Sweep>().RunAsync(CancellationToken.None);
                if (due.Count == 0)
                    break;
                foreach (var organisation in due)
                    wait = await DrainOneAsync(node, organisation) ?? wait;
            }
        }
        catch (Exception problem) when (_flaky && DatabaseSetup.IsUnavailable(problem))
        {
            tally.Add("broken sweeps");
            Story.Add($"the sweep broke off: {problem.Message}");
        }
        return wait;
    }

    async Task<TimeSpan?> DrainOneAsync(WebApplication node, Guid organisation)
    {
        try
        {
            return (await node.Services.GetRequiredService<Drain>().RunAsync(organisation, CancellationToken.None)).Wait;
        }
        catch (Exception problem) when (_flaky && DatabaseSetup.IsUnavailable(problem))
        {
            // As the worker does: its rows come back when their leases run out.
            tally.Add("broken drains");
            Story.Add($"a drain broke off: {problem.Message}");
            return null;
        }
    }

    async Task FlakyAsync(int perThousand)
    {
        _flaky = perThousand > 0;
        await FlakyDatabase.SetAsync(_world.Database, plan.Seed, perThousand);
    }

    async Task ChangeAsync(PlannedOrganisation organisation, string json) =>
        (await _world.Simulator.PatchAsync(new Uri($"/simulator/organisations/{organisation.TenantId}", UriKind.Relative), new StringContent(json, Encoding.UTF8, "application/json"))).EnsureSuccessStatusCode();

    /// <summary>A call that may be refused, or not succeed at all: what it is told then is part of the story.</summary>
    async Task<string> TryAsync(HttpMethod method, string path, JsonNode? body = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        using var answer = await _world.Api.SendAsync(request);
        return $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
    }

    static JsonObject Credentials(PlannedOrganisation organisation) => new() { ["clientId"] = organisation.Name, ["clientSecret"] = "hunt", ["reason"] = "hunt" };

    async Task<string> CountsAsync() => string.Join(", ", (await RowsAsync()).GroupBy(row => $"{row.Status} {row.Code}".Trim(), StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => $"{group.Count()} {group.Key}"));
}
