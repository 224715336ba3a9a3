using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace XeroSimulator.Faults;

/// <summary>What may go wrong, how often, and how badly. Every time is in seconds of the simulator's clock, but a drip is real time.</summary>
/// <param name="Probabilities">By fault, each from 0 to 1, together at most 1: a call meets one fault or none.</param>
/// <param name="Humans">How probable it is that somebody does something in Xero's pages right after a call.</param>
/// <param name="LatestCommitSeconds">Half of the commit-then-reset and commit-then-hang calls are done only later, up to this.</param>
/// <param name="LateListsSeconds">Up to how late lists show what a late-lists call made.</param>
/// <param name="DripSeconds">How long a slow-drip takes.</param>
internal sealed record ChaosOrder(
    int Seed,
    IReadOnlyDictionary<string, double>? Probabilities,
    double? Humans,
    double? LatestCommitSeconds,
    double? LateListsSeconds,
    double? DripSeconds);

/// <summary>Faults by chance, and by the same chance again for the same seed.</summary>
/// <remarks>
/// A decision is drawn from the seed, the organisation's tenant id, the resource and how many calls of that resource the organisation has had
/// since the chaos began. Calls of different resources or organisations that overtake each other change nothing; nor does what is in them,
/// which differs from run to run, since ids do.
/// </remarks>
internal sealed class Chaos(ChaosOrder order)
{
    private const double LateListsDefault = 30;

    private readonly ConcurrentDictionary<(Guid? Tenant, string Resource), int> _calls = new();
    private readonly ConcurrentDictionary<string, int> _met = new();
    private readonly Lock _acting = new();
    private bool _over;

    public ChaosOrder Order => order;

    public IReadOnlyDictionary<string, int> Met => _met;

    public ConcurrentQueue<ChaosAct> Acts { get; } = new();

    /// <summary>A request that is done only after the chaos ended has nobody follow it any more: what people did was told by then.</summary>
    public void WhileItLasts(Action act)
    {
        lock (_acting)
        {
            if (!_over)
                act();
        }
    }

    public void End()
    {
        lock (_acting)
            _over = true;
    }

    public (Fault? Fault, Draw Draw) Next(string resource, Guid? tenantId)
    {
        var ordinal = _calls.AddOrUpdate((tenantId, resource), 1, (_, count) => count + 1);
        var draw = new Draw(string.Create(CultureInfo.InvariantCulture, $"{order.Seed}|{tenantId}|{resource}|{ordinal}"));
        if (Kind(resource, draw.Of("fault")) is not { } kind)
            return (null, draw);
        _met.AddOrUpdate(kind, 1, (_, count) => count + 1);
        double? seconds = kind switch
        {
            FaultKinds.LateLists => Math.Ceiling(draw.Of("late") * (order.LateListsSeconds ?? LateListsDefault)),
            FaultKinds.SlowDrip => order.DripSeconds,
            _ => null,
        };
        double? commit = FaultKinds.CanCommitLate(kind) && order.LatestCommitSeconds is { } latest && draw.Of("when") < 0.5
            ? Math.Ceiling(draw.Of("commit") * latest)
            : null;
        return (new Fault(kind, 1, resource, tenantId, seconds, commit), draw);
    }

    /// <summary>In the fixed order of the kinds, so that a dictionary's order means nothing.</summary>
    private string? Kind(string resource, double chance)
    {
        foreach (var kind in FaultKinds.All)
        {
            if (!FaultKinds.Fits(kind, resource))
                continue;
            chance -= order.Probabilities?.GetValueOrDefault(kind) ?? 0;
            if (chance < 0)
                return kind;
        }

        return null;
    }
}

/// <summary>As many independent numbers in [0, 1) as are asked for by name, always the same for the same call.</summary>
internal readonly record struct Draw(string Call)
{
    public double Of(string what)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(Call + "|" + what));
        return (BinaryPrimitives.ReadUInt64LittleEndian(hash) >> 11) * (1.0 / (1UL << 53));
    }

    public int Index(string what, int count) => (int)(Of(what) * count);
}

/// <summary>What somebody did, and to what.</summary>
internal sealed record ChaosAct(Guid TenantId, string Action, string? InvoiceNumber, Guid? InvoiceId, Guid? PaymentId, string? ContactName);
