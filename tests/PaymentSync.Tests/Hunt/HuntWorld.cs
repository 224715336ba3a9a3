using Microsoft.AspNetCore.Builder;
using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.Hunt;

/// <summary>One world for several seeds, each with organisations of its own: two nodes that drain differently, and a database that can be made to fail.</summary>
sealed class HuntWorld : IAsyncDisposable
{
    readonly SeededChance[] _chances;

    HuntWorld(World world, WebApplication[] nodes, SeededChance[] chances)
    {
        World = world;
        Nodes = nodes;
        _chances = chances;
    }

    public World World { get; }

    /// <summary>The first sends full batches in four lanes, the second three documents at a time in one.</summary>
    public IReadOnlyList<WebApplication> Nodes { get; }

    public static async Task<HuntWorld> StartAsync(PostgresServer server)
    {
        SeededChance[] chances = [new(), new()];
        var world = await World.StartAsync(server, settings: Settings(batch: "50", lanes: "4"), chance: chances[0]);
        var second = await world.StartNodeAsync(settings: Settings(batch: "3", lanes: "1"), chance: chances[1]);
        await FlakyDatabase.InstallAsync(world.Database);
        return new HuntWorld(world, [world.Service, second], chances);
    }

    public void Begin(int seed)
    {
        foreach (var chance in _chances)
            chance.Begin(seed);
    }

    public ValueTask DisposeAsync()
    {
        // Each seed was audited when it ended.
        World.SkipAudit();
        return World.DisposeAsync();
    }

    static Dictionary<string, string> Settings(string batch, string lanes) => new(StringComparer.Ordinal)
    {
        ["Xero:CallTimeout"] = "00:00:02",
        ["Xero:MaxIntentAge"] = "00:00:02",
        ["Xero:BatchSize"] = batch,
        ["Worker:Lanes"] = lanes,
        ["Logging:LogLevel:Default"] = "None",
    };
}
