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
        var fault = new Fault(order.Fault, order.Next ?? 1, order.Resource, order.TenantId, order.Seconds);
        world.Faults.Add(fault);
        return TypedResults.Created("/simulator/faults", FaultOrder.Of(fault));
    }

    private static NoContent Clear(World world)
    {
        world.Faults.Clear();
        return TypedResults.NoContent();
    }
}

internal sealed record FaultOrder(string Fault, int? Next, string? Resource, Guid? TenantId, int? Seconds)
{
    public static FaultOrder Of(Fault fault) => new(fault.Kind, fault.Next, fault.Resource, fault.TenantId, fault.Seconds);
}
