using XeroSimulator.Gate;

namespace XeroSimulator.Faults;

/// <summary>Hands an answer to the client: whole, or in the way a fault breaks it.</summary>
internal static class Delivery
{
    private static readonly TimeSpan DripDefault = TimeSpan.FromSeconds(10);

    public static async Task SendAsync(HttpContext context, Answer answer)
    {
        context.Response.StatusCode = answer.Status;
        if (answer.Body.Length == 0)
            return;
        context.Response.ContentType = answer.ContentType;
        context.Response.ContentLength = answer.Body.Length;
        await context.Response.Body.WriteAsync(answer.Body, context.RequestAborted);
    }

    /// <summary>Sends what is left of the answer after the fault.</summary>
    public static Task SendBrokenAsync(HttpContext context, Answer answer, Fault fault, FaultQueue faults) => fault.Kind switch
    {
        FaultKinds.CommitThenReset or FaultKinds.RotateThenDrop or FaultKinds.ResetBefore => ResetAsync(context),
        FaultKinds.CommitThenHang => HangAsync(context),
        FaultKinds.Truncated200 => TruncateAsync(context, answer, faults.NextTruncationCutsTheConnection()),
        FaultKinds.SlowDrip => DripAsync(context, answer, fault.Seconds is { } seconds ? TimeSpan.FromSeconds(seconds) : DripDefault),
        _ => SendAsync(context, answer),
    };

    private static Task ResetAsync(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    private static async Task HangAsync(HttpContext context)
    {
        var stopping = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        await Task.Delay(Timeout.InfiniteTimeSpan, gone.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        context.Abort();
    }

    private static async Task TruncateAsync(HttpContext context, Answer answer, bool cutTheConnection)
    {
        var half = answer.Body.AsMemory(0, answer.Body.Length / 2);
        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.ContentType;
        context.Response.ContentLength = cutTheConnection ? answer.Body.Length : half.Length;
        await context.Response.Body.WriteAsync(half, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        if (cutTheConnection)
            context.Abort();
    }

    private static async Task DripAsync(HttpContext context, Answer answer, TimeSpan during)
    {
        const int drops = 20;
        var size = Math.Max(1, (answer.Body.Length + drops - 1) / drops);
        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.ContentType;
        context.Response.ContentLength = answer.Body.Length;
        for (var start = 0; start < answer.Body.Length; start += size)
        {
            await context.Response.Body.WriteAsync(answer.Body.AsMemory(start, Math.Min(size, answer.Body.Length - start)), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(during / drops, context.RequestAborted);
        }
    }
}
