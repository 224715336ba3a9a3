using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Shouldly;

namespace PaymentSync.EndToEnd.Killing;

/// <summary>
/// Kills one process after the other, each at the next point, on one database and one Xero that remember all of it. Payments come in all
/// the while, and are told again until one of the processes has answered, as Stripe would; calls fail in Xero's ways, so that there
/// is always something to look up; and what one process leaves behind is what the next one recovers, and is killed at.
/// </summary>
sealed class KillRun(Deployment deployment, KillGate gate, Random chance)
{
    const int LinksAtOnce = 40;
    const int MostTries = 8;
    const int Done = int.MaxValue;
    /// <summary>Longer than every lease of these nodes, and much shorter than the half hour in which an unanswered refresh token is good.</summary>
    static readonly TimeSpan Lapse = TimeSpan.FromMinutes(3);
    static readonly TimeSpan TokenLife = TimeSpan.FromMinutes(31);
    static readonly (string Fault, string Resource)[] Faults =
    [
        ("commit-then-reset", "PUT /Invoices"), ("reset-before", "PUT /Invoices"), ("commit-then-reset", "PUT /Payments"), ("reset-before", "PUT /Payments"), ("expire-token", "PUT /Invoices"),
    ];

    readonly List<Organisation> _organisations = [];
    readonly Queue<Payment> _links = new();
    readonly List<Payment> _untold = [];
    Node _web = null!;
    int _cycles;

    public int Told { get; private set; }
    public int Kills { get; private set; }
    /// <summary>Kills of a process that was busy with what an earlier death had left.</summary>
    public int KillsDuringRecovery { get; private set; }
    /// <summary>Points that no later process came to again.</summary>
    public List<KillPoint> NotReached { get; } = [];
    /// <summary>Points whose turn never came, because the time was over.</summary>
    public List<KillPoint> LeftOut { get; } = [];

    public async Task PrepareAsync()
    {
        _web = await deployment.StartNodeAsync("web", worker: false, settings: Settings(deployment.Database.ConnectionString, deployment.Simulator.BaseAddress!));
        _organisations.Add(await deployment.OrganisationAsync(_web, "Custom connection"));
        _organisations.Add(await deployment.OrganisationByOAuthAsync(_web, "OAuth"));
    }

    static Dictionary<string, string> Settings(string connectionString, Uri xero) => new(StringComparer.Ordinal)
    {
        ["ConnectionStrings__PaymentSync"] = connectionString,
        ["Xero__ApiUrl"] = $"{xero}api.xro/2.0",
        ["Xero__IdentityUrl"] = $"{xero}",
        ["Xero__LoginUrl"] = $"{xero}",
        ["Xero__ClientId"] = "simulator-app",
        ["Xero__ClientSecret"] = "simulator-app-secret-do-not-use",
        // Quartz's own statements move no row of ours.
        ["Jobs__Engine"] = "None",
        ["Worker__RowLease"] = "00:01:30",
        ["Worker__DrainLease"] = "00:01:00",
        ["Logging__LogLevel__Default"] = "Warning",
    };

    /// <summary>Kills at each point once, those included that only the kills bring to light; in an order, and at a hit, that chance decides.</summary>
    /// <param name="limit">After which no further one is begun; calls and changes come first.</param>
    public async Task KillEverywhereAsync(TimeSpan? limit)
    {
        var tries = new Dictionary<KillPoint, int>();
        var clock = Stopwatch.StartNew();
        while ((limit is null || clock.Elapsed < limit) && Next(tries) is { } point)
        {
            var already = tries.GetValueOrDefault(point);
            // What only recovery does is done where the life before broke off; and one that did not reach its point ended in peace.
            if (already > 0 && tries.Where(entry => entry.Value == Done && LeavesMuch(entry.Key)).Select(entry => entry.Key).ToList() is { Count: > 0 } leaving)
            {
                var leaver = leaving[chance.Next(leaving.Count)];
                if (await CycleAsync(leaver, hit: 1))
                    Deployment.Say($"    kill {Kills}, to leave something behind: {leaver}");
            }
            // Somewhere in the middle of its work, where it comes there often enough; else at its first hit.
            var hit = already == 0 ? 1 + chance.Next(Math.Clamp(gate.Seen[point.What] / _cycles, 1, 4)) : 1;
            var killed = await CycleAsync(point, hit, tokensEnded: already > 0);
            tries[point] = killed ? Done : already + 1;
            Deployment.Say(killed ? $"    kill {Kills}: {point}{(hit > 1 ? $", hit {hit}" : "")}" : $"    not reached in this life: {point}");
        }
        NotReached.AddRange(tries.Where(entry => entry.Value < Done).Select(entry => entry.Key));
        LeftOut.AddRange(gate.Points.Except(tries.Keys));
    }

    /// <summary>A request without an outcome, a call in the air, rows and an organisation that are held; or a recovery that did not come to its end.</summary>
    static bool LeavesMuch(KillPoint point) => point.What.StartsWith("PUT ", StringComparison.Ordinal) || point.What.Contains("paymentsync.recovery_reports", StringComparison.Ordinal);

    KillPoint? Next(Dictionary<KillPoint, int> tries)
    {
        var left = gate.Points.Where(point => tries.GetValueOrDefault(point) < MostTries)
            .OrderBy(point => point.Kind).ThenBy(point => tries.GetValueOrDefault(point)).ThenBy(point => point.What, StringComparer.Ordinal).ThenBy(point => point.Moment).ToList();
        if (left.Count == 0)
            return null;
        var first = left.TakeWhile(point => tries.GetValueOrDefault(point) == tries.GetValueOrDefault(left[0]) && point.Kind == left[0].Kind).ToList();
        return first[chance.Next(first.Count)];
    }

    /// <summary>One life of the service: payments, faults, the leftovers of the one before, and its death.</summary>
    /// <param name="point">Null: it is killed when it has nothing to do any more.</param>
    /// <returns>Whether it died at the point.</returns>
    public async Task<bool> CycleAsync(KillPoint? point, int hit, bool tokensEnded = false)
    {
        _cycles++;
        var lost = await HeldAsync();
        await AdvanceAsync(tokensEnded ? TokenLife : Lapse);
        await OrderFaultAsync();
        await TakeLinksAsync();
        gate.Arm(point, hit);
        var node = await deployment.LaunchNodeAsync("killed", settings: Settings(gate.ConnectionString, gate.Xero));
        gate.Watch(node.Program);
        var telling = TellAsync(node);
        var died = await EndOrIdleAsync(node, telling);
        if (!died)
            node.Program.Kill();
        await node.Program.ExitAsync(TimeSpan.FromSeconds(60));
        await gate.HangUpAsync();
        await telling;
        if (died && point is not null)
        {
            Kills++;
            KillsDuringRecovery += lost > 0 ? 1 : 0;
        }
        node.Program.MayExit.ShouldBeTrue($"{node.Program.Name} ended by itself: {node.Program.Error}");
        return died;
    }

    /// <summary>A process that nobody kills finishes what all the dead ones left.</summary>
    public async Task SettleAsync()
    {
        (await deployment.Simulator.DeleteAsync(new Uri("/simulator/faults", UriKind.Relative))).EnsureSuccessStatusCode();
        await deployment.AdvanceAsync(Lapse);
        var last = await deployment.StartNodeAsync("last", settings: Settings(deployment.Database.ConnectionString, deployment.Simulator.BaseAddress!));
        foreach (var payment in _untold)
        {
            await deployment.PayAsync(payment, last);
            Told++;
        }
        _untold.Clear();
        await deployment.UntilBookedAsync();
        last.Program.Kill();
        await last.Program.ExitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>Not while a refresh token waits for its answer: half an hour later it would be dead, and rightly.</summary>
    async Task AdvanceAsync(TimeSpan time)
    {
        if (time > Lapse && await deployment.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.connections WHERE refresh_started_at IS NOT NULL") > 0)
            time = Lapse;
        await deployment.AdvanceAsync(time);
    }

    Task<long> HeldAsync() => deployment.Database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs WHERE status = 'RETRYING' OR open_request_id IS NOT NULL");

    async Task OrderFaultAsync()
    {
        (await deployment.Simulator.DeleteAsync(new Uri("/simulator/faults", UriKind.Relative))).EnsureSuccessStatusCode();
        var (fault, resource) = Faults[_cycles % Faults.Length];
        (await deployment.Simulator.PostAsJsonAsync("/simulator/faults", new JsonObject { ["fault"] = fault, ["next"] = 1, ["resource"] = resource })).EnsureSuccessStatusCode();
    }

    async Task TakeLinksAsync()
    {
        foreach (var organisation in _links.Count < 4 ? _organisations : [])
        {
            foreach (var payment in await Deployment.LinksAsync([_web], organisation, LinksAtOnce))
                _links.Enqueue(payment);
        }
        // Alternating, so that each organisation has something to do in every life.
        var next = _links.GroupBy(payment => payment.Organisation).SelectMany(group => group.Take(2)).ToHashSet();
        _untold.AddRange(next);
        var rest = _links.Where(payment => !next.Contains(payment)).ToList();
        _links.Clear();
        foreach (var payment in rest)
            _links.Enqueue(payment);
    }

    async Task TellAsync(Node node)
    {
        foreach (var payment in _untold.ToList())
        {
            while (await deployment.TellAsync(payment, node) != 200)
            {
                if (node.Program.HasExited)
                    return;
                await Task.Delay(20);
            }
            _untold.Remove(payment);
            Told++;
        }
    }

    /// <returns>True: it is dead; false: it has nothing to do.</returns>
    async Task<bool> EndOrIdleAsync(Node node, Task telling)
    {
        var idle = 0;
        await deployment.EventuallyAsync(async () =>
        {
            if (node.Program.HasExited)
                return true;
            var busy = !telling.IsCompleted || await deployment.Database.ScalarAsync<long>("""
                SELECT (SELECT count(*) FROM xero_syncs WHERE status = 'RETRYING' OR next_retry_at <= paymentsync.now()) + (SELECT count(*) FROM paymentsync.drain_leases)
                """) > 0;
            idle = busy ? 0 : idle + 1;
            // A second and a half: each of its timers has rung once more by then.
            return idle == 30;
        }, string.Create(CultureInfo.InvariantCulture, $"life {_cycles} ends, or has nothing to do"));
        return node.Program.HasExited;
    }
}
