using Microsoft.AspNetCore.Http.HttpResults;

namespace XeroSimulator.Faults;

/// <summary>/simulator/chaos: start it, look at it, stop it. A second start begins anew.</summary>
internal static class ChaosEndpoints
{
    public static void Map(RouteGroupBuilder simulator)
    {
        simulator.MapPost("/chaos", Start);
        simulator.MapGet("/chaos", Results<Ok<ChaosAnswer>, NotFound<string>> (World world) =>
            world.Chaos is { } chaos ? TypedResults.Ok(ChaosAnswer.Of(chaos)) : TypedResults.NotFound("No chaos."));
        simulator.MapDelete("/chaos", Stop);
    }

    private static Results<Created<ChaosAnswer>, BadRequest<string>> Start(ChaosOrder order, World world)
    {
        if (Problem(order) is { } problem)
            return TypedResults.BadRequest(problem);
        world.Chaos?.End();
        world.Chaos = new Chaos(order);
        return TypedResults.Created("/simulator/chaos", ChaosAnswer.Of(world.Chaos));
    }

    /// <summary>Answers with all it did; requests that are still to be done late are done when their time comes, and nobody meddles after them.</summary>
    private static Results<Ok<ChaosAnswer>, NoContent> Stop(World world)
    {
        var chaos = world.Chaos;
        world.Chaos = null;
        chaos?.End();
        return chaos is null ? TypedResults.NoContent() : TypedResults.Ok(ChaosAnswer.Of(chaos));
    }

    private static string? Problem(ChaosOrder order)
    {
        var probabilities = order.Probabilities ?? new Dictionary<string, double>();
        if (probabilities.Keys.FirstOrDefault(kind => !FaultKinds.All.Contains(kind)) is { } unknown)
            return $"Unknown fault '{unknown}'. Known: {string.Join(", ", FaultKinds.All)}.";
        if (probabilities.Values.Any(probability => probability is not (>= 0 and <= 1)) || probabilities.Values.Sum() > 1 || order.Humans is not (null or (>= 0 and <= 1)))
            return "Probabilities are from 0 to 1; those of the faults make at most 1 together.";
        return order is { LatestCommitSeconds: < 0 } or { LateListsSeconds: < 0 } or { DripSeconds: < 0 } ? "Seconds are not below zero." : null;
    }
}

/// <param name="Met">How many calls met each fault.</param>
/// <param name="Acts">What people did, in order.</param>
internal sealed record ChaosAnswer(
    int Seed,
    IReadOnlyDictionary<string, double> Probabilities,
    double Humans,
    double? LatestCommitSeconds,
    double? LateListsSeconds,
    double? DripSeconds,
    IReadOnlyDictionary<string, int> Met,
    IReadOnlyList<ChaosAct> Acts)
{
    public static ChaosAnswer Of(Chaos chaos) => new(
        chaos.Order.Seed, chaos.Order.Probabilities ?? new Dictionary<string, double>(), chaos.Order.Humans ?? 0, chaos.Order.LatestCommitSeconds,
        chaos.Order.LateListsSeconds, chaos.Order.DripSeconds, chaos.Met, [.. chaos.Acts]);
}
