using System.Threading.Channels;

namespace PaymentSync.Jobs;

/// <summary>
/// Which organisations have something to do, within this process: coalesced, first come first served. Losing one costs only
/// latency, since the sweep finds due rows by itself.
/// </summary>
sealed class Wakes
{
    readonly Channel<Guid> _queue = Channel.CreateUnbounded<Guid>(new UnboundedChannelOptions { SingleReader = true });
    readonly HashSet<Guid> _waiting = [];

    public void Wake(Guid organisation)
    {
        lock (_waiting)
        {
            if (!_waiting.Add(organisation))
                return;
        }
        _queue.Writer.TryWrite(organisation);
    }

    /// <summary>The next organisation to drain. It counts as woken until <see cref="Starting"/>, so that wakes in between add nothing.</summary>
    public ValueTask<Guid> NextAsync(CancellationToken cancellationToken) => _queue.Reader.ReadAsync(cancellationToken);

    /// <summary>Its drain starts now: wakes from here on mean rows that this drain may not see.</summary>
    public void Starting(Guid organisation)
    {
        lock (_waiting)
            _waiting.Remove(organisation);
    }
}
