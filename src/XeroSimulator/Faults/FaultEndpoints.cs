using Microsoft.AspNetCore.Http.HttpResults;

namespace XeroSimulator.Faults;

internal static class FaultEndpoints
{
    public static void Map(RouteGroupBuilder simulator)
    {
        simulator.MapPost("/faults", Order);
        simulator.MapGet("/faults", (World world) => world.Faults.Pending.Select(FaultOrder.Of));
        simulator.MapDelete("/faults", Clear);
    }

    private static Results<Created<FaultOrder>, BadRequest<string>> Order(FaultOrder order, World world)
    {
        if (!FaultKinds.All.Contains(order.Fault))
            return TypedResults.BadRequest($"Unknown fault '{order.Fault}'. Known: {string.Join(", ", FaultKinds.All)}.");
        if (order.Next is < 1)
            return TypedResults.BadRequest("next counts the calls that fail and starts at 1.");
        if (order.CommitAfterSeconds is not null && !FaultKinds.CanCommitLate(order.Fault))
            return TypedResults.BadRequest("commitAfterSeconds belongs to commit-then-reset and commit-then-hang.");
        if (order.Seconds < 0 || order.CommitAfterSeconds < 0)
            return TypedResults.BadRequest("Seconds are not below zero.");
        var fault = new Fault(order.Fault, order.Next ?? 1, order.Resource, order.TenantId, order.Seconds, order.CommitAfterSeconds);
        world.Faults.Add(fault);
        return TypedResults.Created("/simulator/faults", FaultOrder.Of(fault));
    }

    private static NoContent Clear(World world)
    {
        world.Faults.Clear();
        return TypedResults.NoContent();
    }
}

internal sealed record FaultOrder(string Fault, int? Next, string? Resource, Guid? TenantId, double? Seconds, double? CommitAfterSeconds)
{
    public static FaultOrder Of(Fault fault) => new(fault.Kind, fault.Next, fault.Resource, fault.TenantId, fault.Seconds, fault.CommitAfterSeconds);
}
