using System.Globalization;
using Microsoft.Net.Http.Headers;
using XeroSimulator.Faults;
using XeroSimulator.Humans;
using XeroSimulator.Idempotency;
using XeroSimulator.Identity;
using XeroSimulator.Limits;
using XeroSimulator.Organisations;

namespace XeroSimulator.Gate;

/// <summary>The road of every call to <c>/api.xro/2.0</c>: token, organisation, limits, idempotency key, and only then the resource.</summary>
/// <remarks>The order is Xero's: a call over the limit is refused before its key is looked at, and a replay costs quota like a first call.</remarks>
internal sealed class ApiGate(World world)
{
    private const int MaxBodyBytes = 3_500_000;
    private const int DefaultRetryAfterSeconds = 30;

    /// <param name="resource">The name under which the call is counted and faults find it, such as <c>PUT /Invoices</c>.</param>
    /// <param name="area">The scope the call needs: invoices, payments, contacts or settings; empty when any token will do.</param>
    public RequestDelegate Around(string resource, string area, Func<ApiCall, Answer> handle) => context => ServeAsync(context, resource, area, handle);

    private async Task ServeAsync(HttpContext context, string resource, string area, Func<ApiCall, Answer> handle)
    {
        var request = context.Request;
        var key = request.Headers["Idempotency-Key"].ToString();
        context.Response.Headers["Xero-Correlation-Id"] = Guid.NewGuid().ToString();

        var (token, app, organisation, refusal) = Identify(request, area);
        using var record = world.Calls.Begin(resource, organisation?.TenantId, request.QueryString.Value, key.Length > 0 ? key : null);
        if (refusal is not null)
        {
            record.End(refusal.Status);
            await Delivery.SendAsync(context, refusal);
            return;
        }

        var admission = organisation!.Limits.Enter(app!.Limit, world.Clock.Now);
        using var slot = admission.Slot;
        if (admission.Problem is not null)
        {
            await SendEndedAsync(context, TooMany(context, admission), record, slot);
            return;
        }

        var chaos = world.Chaos;
        var (chance, draw) = chaos?.Next(resource, organisation.TenantId) ?? default;
        var fault = world.Faults.Take(resource, organisation.TenantId) ?? chance;
        record.Fault = fault?.Kind;
        if (fault?.Kind == FaultKinds.ExpireToken)
            world.Identity.Expire(token!.Token);
        WriteLimits(context, admission);
        if (Before(context, fault, admission) is { } instead)
        {
            if (FaultKinds.BreakDelivery(fault!.Kind))
                await Delivery.SendBrokenAsync(context, instead, fault, world.Faults, () => End(record, null, slot));
            else
                await SendEndedAsync(context, instead, record, slot);
            return;
        }

        var body = await BodyAsync(request);
        var answering = body is null
            ? Task.FromResult(Answer.Text(413, "Request Entity Too Large"))
            : AnswerAsync(request, app, organisation, key, body, fault, Handle);
        // What is done later is answered to nobody: the caller is gone by then.
        var answer = fault?.CommitAfter is null ? await answering : Answer.Unavailable;
        if (!HttpMethods.IsGet(request.Method))
            world.Changed();

        record.Status = answer.Status;
        if (FaultKinds.BreakDelivery(fault?.Kind))
            await Delivery.SendBrokenAsync(context, answer, fault!, world.Faults, () => End(record, answer.Status, slot));
        else
            await SendEndedAsync(context, answer, record, slot);

        Answer Handle(ApiCall call)
        {
            var done = handle(call);
            chaos?.WhileItLasts(() => Whims.Follow(chaos, draw, organisation, call.Now));
            return done;
        }
    }

    private Task<Answer> AnswerAsync(
        HttpRequest request, ClientApp app, Organisation organisation, string key, byte[] body, Fault? fault, Func<ApiCall, Answer> handle)
    {
        var isRead = HttpMethods.IsGet(request.Method);
        if (isRead || key.Length == 0)
            return RunAsync();
        return key.Length > IdempotencyStore.MaxKeyLength
            ? Task.FromResult(IdempotencyStore.KeyTooLong())
            : world.Keys.OnceAsync(app.ClientId, key, request.Method, request.Path + request.QueryString.Value, body, world.Clock.Now, RunAsync);

        async Task<Answer> RunAsync()
        {
            if (!SpeaksJson(request))
                return Answer.Text(406, "Xero would answer in XML here, which is not simulated: send Accept: application/json (and Content-Type: application/json).");
            // Read before the first wait: a request that is done late has no connection any more by then.
            var call = Call(request, app, organisation, body);
            if (organisation.Settings.Latency > TimeSpan.Zero)
                await Task.Delay(organisation.Settings.Latency, CancellationToken.None); // A client that leaves does not stop Xero from finishing.
            var answer = fault?.CommitAfter is { } after
                ? await world.Late.RunAsync(after, due => RunLate(call, due, fault, handle))
                : Run(call, world.Clock.Now, fault, handle);
            return fault?.Kind == FaultKinds.CommitThen500 ? Answer.ServerError : answer;
        }
    }

    private Answer RunLate(ApiCall call, DateTimeOffset due, Fault fault, Func<ApiCall, Answer> handle)
    {
        var answer = Run(call, due, fault, handle);
        world.Changed();
        return answer;
    }

    private static ApiCall Call(HttpRequest request, ClientApp app, Organisation organisation, byte[] body) => new()
    {
        Organisation = organisation,
        ProviderName = app.Name,
        Query = new Query(request.Query),
        Id = request.RouteValues["id"] as string,
        Body = body,
        ModifiedSince = request.GetTypedHeaders().IfModifiedSince,
    };

    private static Answer Run(ApiCall call, DateTimeOffset now, Fault? fault, Func<ApiCall, Answer> handle)
    {
        var listedFrom = fault?.Kind == FaultKinds.LateLists ? now + TimeSpan.FromSeconds(fault.Seconds ?? DefaultRetryAfterSeconds) : now;
        try
        {
            lock (call.Organisation.Gate)
                return handle(call with { Now = now, ListedFrom = listedFrom });
        }
        catch (BadRequestException refused)
        {
            return refused.Answer;
        }
    }

    private (AccessToken? Token, ClientApp? App, Organisation? Organisation, Answer? Refusal) Identify(HttpRequest request, string area)
    {
        var (token, refusal) = TokenCheck.Of(request, world);
        if (token is null || world.Identity.App(token.ClientId) is not { } app)
            return (null, null, null, refusal ?? Answer.Problem(401, "Unauthorized", "AuthenticationUnsuccessful"));

        // A custom connection knows its organisation; a header that names it is tolerated, one that names another is not.
        var header = request.Headers["xero-tenant-id"].ToString();
        var organisation = header.Length > 0 ? world.Organisation(header) : app.TenantId is { } own ? world.Organisation(own) : null;
        var isOwn = app.TenantId is null || app.TenantId == organisation?.TenantId;
        if (organisation is null || !isOwn || !world.Identity.IsConnected(app.ClientId, organisation.TenantId))
            return (token, app, null, Answer.Problem(403, "Forbidden", "AuthenticationUnsuccessful"));

        return area.Length == 0 || Scopes.Needed(area, write: !HttpMethods.IsGet(request.Method)).Any(token.Allows)
            ? (token, app, organisation, null)
            : (token, app, organisation, Answer.Problem(401, "Unauthorized", "AuthorizationUnsuccessful"));
    }

    /// <summary>The faults that keep the call from being processed.</summary>
    private Answer? Before(HttpContext context, Fault? fault, Admission admission) => fault?.Kind switch
    {
        FaultKinds.ResetBefore or FaultKinds.Status503 => Answer.Unavailable,
        FaultKinds.Html502 => Answer.BadGateway,
        FaultKinds.ExpireToken => TokenCheck.Expired(world.Clock.Now),
        FaultKinds.MinuteLimit => TooMany(context, admission with
        {
            Problem = "minute",
            MinuteRemaining = 0,
            RetryAfterSeconds = (int?)fault.Seconds ?? DefaultRetryAfterSeconds,
        }),
        FaultKinds.DayLimit => TooMany(context, admission with
        {
            Problem = "day",
            DayRemaining = 0,
            RetryAfterSeconds = (int?)fault.Seconds ?? (int)TimeSpan.FromHours(8).TotalSeconds,
        }),
        FaultKinds.ConcurrentLimit => TooMany(context, admission with { Problem = "concurrent" }),
        _ => null,
    };

    private static Answer TooMany(HttpContext context, Admission admission)
    {
        WriteLimits(context, admission);
        context.Response.Headers["X-Rate-Limit-Problem"] = admission.Problem;
        if (admission.RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        return Answer.Text(429, "");
    }

    private static void WriteLimits(HttpContext context, Admission admission)
    {
        var headers = context.Response.Headers;
        headers["X-DayLimit-Remaining"] = admission.DayRemaining.ToString(CultureInfo.InvariantCulture);
        headers["X-MinLimit-Remaining"] = admission.MinuteRemaining.ToString(CultureInfo.InvariantCulture);
        headers["X-AppMinLimit-Remaining"] = admission.AppMinuteRemaining.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>The place in flight is free before the last byte leaves: a client that sends its next call on seeing the answer is within its five.</summary>
    private static Task SendEndedAsync(HttpContext context, Answer answer, Ledger.CallRecord record, Slot? slot)
    {
        End(record, answer.Status, slot);
        return Delivery.SendAsync(context, answer);
    }

    private static void End(Ledger.CallRecord record, int? status, Slot? slot)
    {
        record.End(status);
        slot?.Dispose();
    }

    private static bool SpeaksJson(HttpRequest request) =>
        request.Headers[HeaderNames.Accept].ToString().Contains("json", StringComparison.OrdinalIgnoreCase)
        && (HttpMethods.IsGet(request.Method) || request.HasJsonContentType());

    private static async Task<byte[]?> BodyAsync(HttpRequest request)
    {
        if (request.ContentLength > MaxBodyBytes)
            return null;
        using var buffer = new MemoryStream();
        await request.Body.CopyToAsync(buffer, request.HttpContext.RequestAborted);
        return buffer.Length <= MaxBodyBytes ? buffer.ToArray() : null;
    }
}
