using System.Collections.Concurrent;
using XeroSimulator.Faults;
using XeroSimulator.Idempotency;
using XeroSimulator.Identity;
using XeroSimulator.Ledger;
using XeroSimulator.Organisations;

namespace XeroSimulator;

/// <summary>Everything the simulator knows: apps, organisations and their books, keys, faults and the calls it saw.</summary>
internal sealed class World
{
    /// <summary>The default organisation keeps its id over every reset and start.</summary>
    public static readonly Guid DefaultTenantId = new("c0ffee00-0000-4000-8000-00000000de30");

    public const string CustomClientId = "simulator-client";
    public const string CustomClientSecret = "simulator-secret-do-not-use";
    public const string WebClientId = "simulator-app";
    public const string WebClientSecret = "simulator-app-secret-do-not-use";

    private readonly ConcurrentDictionary<Guid, Organisation> _organisations = [];

    public World()
    {
        Identity = new IdentityStore(Clock);
        Calls = new CallLog(Clock);
        Late = new LateCommits(Clock);
        Begin();
    }

    /// <summary>Called after every change, for whoever keeps the state.</summary>
    public Action? WhenChanged { get; set; }

    public SimulatorClock Clock { get; } = new();

    public IdentityStore Identity { get; }

    public IdempotencyStore Keys { get; } = new();

    public FaultQueue Faults { get; } = new();

    public LateCommits Late { get; }

    /// <summary>Null: only ordered faults happen.</summary>
    public Chaos? Chaos { get; set; }

    public CallLog Calls { get; }

    public IReadOnlyList<Organisation> Organisations => [.. _organisations.Values.OrderBy(o => o.Settings.Name, StringComparer.Ordinal).ThenBy(o => o.TenantId)];

    public Organisation? Default => Organisation(DefaultTenantId) ?? (Organisations is [var first, ..] ? first : null);

    public Organisation? Organisation(Guid tenantId) => _organisations.GetValueOrDefault(tenantId);

    public Organisation? Organisation(string tenantId) => Guid.TryParse(tenantId, out var id) ? Organisation(id) : null;

    public void Add(Organisation organisation) => _organisations[organisation.TenantId] = organisation;

    public void Changed() => WhenChanged?.Invoke();

    /// <summary>Back to the first start: one empty organisation, no consents, no faults, real time.</summary>
    public void Reset()
    {
        Clear();
        Clock.SetOffset(TimeSpan.Zero);
        Begin();
    }

    public void Clear()
    {
        _organisations.Clear();
        Identity.Clear();
        Keys.Clear();
        Faults.Clear();
        Chaos = null;
        Late.Clear();
        Calls.Clear();
    }

    private void Begin()
    {
        Add(new Organisation(DefaultTenantId, DefaultOrganisation.Settings("Demo Company (UK)"), DefaultOrganisation.Accounts()));
        Identity.Register(new ClientApp(CustomClientId, CustomClientSecret, "Simulator custom connection", DefaultTenantId));
        Identity.Register(new ClientApp(WebClientId, WebClientSecret, "Simulator web app", TenantId: null));
    }
}
