namespace XeroSimulator.Faults;

/// <summary>Requests that Xero took and will only carry out later, when their caller has long given up.</summary>
/// <remarks>
/// They are done by whoever speaks to the simulator first once their time has come, before that caller is served, so that a moved clock and a
/// running one mean the same. Kept in memory only: a stop forgets them, as a crash at Xero would.
/// </remarks>
internal sealed class LateCommits(SimulatorClock clock)
{
    private readonly Lock _gate = new();
    private readonly PriorityQueue<Action, DateTimeOffset> _waiting = new();

    public int Waiting
    {
        get
        {
            lock (_gate)
                return _waiting.Count;
        }
    }

    public Task<T> RunAsync<T>(TimeSpan after, Func<DateTimeOffset, T> commit)
    {
        var due = clock.Now + after;
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
            _waiting.Enqueue(() => Complete(done, commit, due), due);
        _ = ReleaseLaterAsync(after);
        return done.Task;
    }

    public void Release()
    {
        while (Next() is { } commit)
            commit();
    }

    public void Clear()
    {
        lock (_gate)
            _waiting.Clear();
    }

    private static void Complete<T>(TaskCompletionSource<T> done, Func<DateTimeOffset, T> commit, DateTimeOffset due)
    {
        try
        {
            done.SetResult(commit(due));
        }
        catch (Exception problem)
        {
            done.SetException(problem);
        }
    }

    private Action? Next()
    {
        lock (_gate)
            return _waiting.TryPeek(out _, out var due) && due <= clock.Now ? _waiting.Dequeue() : null;
    }

    /// <summary>A duplicate may be waiting for this answer without anybody else calling.</summary>
    private async Task ReleaseLaterAsync(TimeSpan after)
    {
        await Task.Delay(after + TimeSpan.FromMilliseconds(10), CancellationToken.None);
        Release();
    }
}
