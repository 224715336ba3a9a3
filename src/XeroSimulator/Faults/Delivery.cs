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
        await context.Response.Body.WriteAsync(answer.Body, CancellationToken.None); // To a client that left, a write is nothing, not an error.
    }

    /// <summary>Sends what is left of the answer after the fault.</summary>
    /// <param name="ending">Called before the client can notice the end: what it sends next must not find this call still in flight.</param>
    public static Task SendBrokenAsync(HttpContext context, Answer answer, Fault fault, FaultQueue faults, Action ending) => fault.Kind switch
    {
        FaultKinds.CommitThenReset or FaultKinds.RotateThenDrop or FaultKinds.ResetBefore => ResetAsync(context, ending),
        FaultKinds.CommitThenHang => HangAsync(context, ending),
        FaultKinds.Truncated200 => TruncateAsync(context, answer, faults.NextTruncationCutsTheConnection(), ending),
        FaultKinds.SlowDrip => DripAsync(context, answer, fault.Seconds is { } seconds ? TimeSpan.FromSeconds(seconds) : DripDefault, ending),
        _ => throw new ArgumentException($"{fault.Kind} does not break the delivery.", nameof(fault)),
    };

    private static Task ResetAsync(HttpContext context, Action ending)
    {
        ending();
        context.Abort();
        return Task.CompletedTask;
    }

    private static async Task HangAsync(HttpContext context, Action ending)
    {
        var stopping = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        await Task.Delay(Timeout.InfiniteTimeSpan, gone.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ending();
        context.Abort();
    }

    private static async Task TruncateAsync(HttpContext context, Answer answer, bool cutTheConnection, Action ending)
    {
        var half = answer.Body.AsMemory(0, answer.Body.Length / 2);
        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.ContentType;
        context.Response.ContentLength = cutTheConnection ? answer.Body.Length : half.Length;
        ending();
        await context.Response.Body.WriteAsync(half, CancellationToken.None);
        await context.Response.Body.FlushAsync(CancellationToken.None);
        if (cutTheConnection)
            context.Abort();
    }

    private static async Task DripAsync(HttpContext context, Answer answer, TimeSpan during, Action ending)
    {
        const int drops = 20;
        var size = Math.Max(1, (answer.Body.Length + drops - 1) / drops);
        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.ContentType;
        context.Response.ContentLength = answer.Body.Length;
        for (var start = 0; start < answer.Body.Length; start += size)
        {
            await Task.Delay(during / drops, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (context.RequestAborted.IsCancellationRequested)
                return;
            if (start + size >= answer.Body.Length)
                ending();
            await context.Response.Body.WriteAsync(answer.Body.AsMemory(start, Math.Min(size, answer.Body.Length - start)), CancellationToken.None);
            await context.Response.Body.FlushAsync(CancellationToken.None);
        }
    }
}
