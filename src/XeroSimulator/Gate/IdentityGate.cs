using Microsoft.Net.Http.Headers;
using XeroSimulator.Faults;
using XeroSimulator.Identity;

namespace XeroSimulator.Gate;

/// <summary>The road of a call to identity or /connections: no limits and no keys, but counted, and open to faults.</summary>
internal sealed class IdentityGate(World world)
{
    public RequestDelegate Form(string resource, Func<IFormCollection, string, World, Answer> handle)
    {
        Task<Answer> Answer(HttpContext context) => ReadFormAsync(context, handle);
        return context => ServeAsync(context, resource, Answer);
    }

    public RequestDelegate Bearer(string resource, Func<AccessToken, string, World, Answer> handle)
    {
        Task<Answer> Answer(HttpContext context) => Task.FromResult(Answered(context.Request, handle));
        return context => ServeAsync(context, resource, Answer);
    }

    private Answer Answered(HttpRequest request, Func<AccessToken, string, World, Answer> handle)
    {
        var (token, refusal) = TokenCheck.Of(request, world);
        return token is null ? refusal! : handle(token, request.RouteValues["id"] as string ?? "", world);
    }

    private async Task<Answer> ReadFormAsync(HttpContext context, Func<IFormCollection, string, World, Answer> handle)
    {
        if (!context.Request.HasFormContentType)
            return Answer.OfJson(400, """{"error":"invalid_request"}""");
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        return handle(form, context.Request.Headers[HeaderNames.Authorization].ToString(), world);
    }

    private async Task ServeAsync(HttpContext context, string resource, Func<HttpContext, Task<Answer>> handle)
    {
        using var record = world.Calls.Begin(resource, tenantId: null, context.Request.QueryString.Value, idempotencyKey: null);
        var fault = world.Faults.Take(resource, tenantId: null) ?? world.Chaos?.Next(resource, tenantId: null).Fault;
        record.Fault = fault?.Kind;
        var answer = fault?.Kind switch
        {
            FaultKinds.ResetBefore => Answer.Unavailable,
            FaultKinds.Status503 => Answer.Unavailable,
            FaultKinds.Html502 => Answer.BadGateway,
            _ => await handle(context),
        };
        if (fault?.Kind == FaultKinds.CommitThen500)
            answer = Answer.ServerError;
        if (!HttpMethods.IsGet(context.Request.Method))
            world.Changed();
        record.Status = answer.Status;
        if (FaultKinds.BreakDelivery(fault?.Kind))
        {
            await Delivery.SendBrokenAsync(context, answer, fault!, world.Faults, () => record.End(answer.Status));
            return;
        }

        record.End(answer.Status);
        await Delivery.SendAsync(context, answer);
    }
}
