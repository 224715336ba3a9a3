using Microsoft.AspNetCore.Http.HttpResults;
using XeroSimulator.Faults;
using XeroSimulator.Humans;
using XeroSimulator.Ledger;
using XeroSimulator.Organisations;

namespace XeroSimulator;

/// <summary>/simulator/*: what Xero does not have: its ledger to read, its clock to move, its faults to order.</summary>
internal static class SimulatorEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        var simulator = routes.MapGroup("/simulator").AddEndpointFilter(async (context, next) =>
        {
            var result = await next(context);
            if (!HttpMethods.IsGet(context.HttpContext.Request.Method))
                context.HttpContext.RequestServices.GetRequiredService<World>().Changed();
            return result;
        });
        SimulatorOrganisationEndpoints.Map(simulator);
        HumanEndpoints.Map(simulator);
        FaultEndpoints.Map(simulator);
        ChaosEndpoints.Map(simulator);
        LedgerEndpoints.Map(simulator);
        CallEndpoints.Map(simulator);
        simulator.MapPost("/reset", Reset);
        simulator.MapPost("/clock", Advance);
        simulator.MapGet("/clock", (World world) => new ClockAnswer(world.Clock.Now));
    }

    private static NoContent Reset(World world)
    {
        world.Reset();
        return TypedResults.NoContent();
    }

    private static Results<Ok<ClockAnswer>, BadRequest<string>> Advance(ClockOrder order, World world)
    {
        if (order.AdvanceSeconds < 0)
            return TypedResults.BadRequest("The clock does not go back.");
        world.Clock.Advance(TimeSpan.FromSeconds(order.AdvanceSeconds));
        return TypedResults.Ok(new ClockAnswer(world.Clock.Now));
    }
}

internal sealed record ClockOrder(double AdvanceSeconds);

internal sealed record ClockAnswer(DateTimeOffset Now);
