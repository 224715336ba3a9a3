using System.Threading.Channels;

namespace PaymentSync.Jobs;

/// <summary>
/// Which organisations have something to do, within this process: coalesced, first come first served. Losing one costs only
/// latency, since the sweep finds due rows by itself.
/// </summary>
sealed class Wakes
{
    readonly Channel<Guid> _queue = Channel.CreateUnbounded<Guid>(new UnboundedChannelOptions { SingleReader = true });
    readonly Dictionary<Guid, TaskCompletionSource<DrainResult>> _waiting = [];
    bool _stopped;

    public void Wake(Guid organisation) => Wake(organisation, out _);

    /// <param name="drained">Ends as the drain does that this wake leads to. Cancelled: this node stops, and will not drain it.</param>
    /// <returns>False: it goes with one that waits already.</returns>
    public bool Wake(Guid organisation, out Task<DrainResult> drained)
    {
        TaskCompletionSource<DrainResult> source;
        lock (_waiting)
        {
            if (_stopped)
            {
                drained = Task.FromCanceled<DrainResult>(new CancellationToken(canceled: true));
                return true;
            }
            if (_waiting.TryGetValue(organisation, out var waiting))
            {
                drained = waiting.Task;
                return false;
            }
            source = _waiting[organisation] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        _queue.Writer.TryWrite(organisation);
        drained = source.Task;
        return true;
    }

    /// <summary>The next organisation to drain. It counts as woken until <see cref="Starting"/>, so that wakes in between add nothing.</summary>
    public ValueTask<Guid> NextAsync(CancellationToken cancellationToken) => _queue.Reader.ReadAsync(cancellationToken);

    /// <summary>Its drain starts now: wakes from here on mean rows that this drain may not see.</summary>
    /// <returns>Who is to be told how it ended.</returns>
    public TaskCompletionSource<DrainResult> Starting(Guid organisation)
    {
        lock (_waiting)
            return _waiting.Remove(organisation, out var drained) ? drained : new();
    }

    /// <summary>Nothing is drained any more.</summary>
    public void Stop()
    {
        lock (_waiting)
        {
            _stopped = true;
            foreach (var drained in _waiting.Values)
                drained.TrySetCanceled();
            _waiting.Clear();
        }
    }
}
