namespace XeroSimulator.Faults;

/// <summary>The orders not yet used up, oldest first; a call meets at most one of them.</summary>
internal sealed class FaultQueue
{
    private readonly Lock _gate = new();
    private readonly List<Fault> _pending = [];
    private int _truncations;

    public IReadOnlyList<Fault> Pending
    {
        get
        {
            lock (_gate)
                return [.. _pending];
        }
    }

    public void Add(Fault fault)
    {
        lock (_gate)
            _pending.Add(fault);
    }

    public void Clear()
    {
        lock (_gate)
            _pending.Clear();
    }

    public Fault? Take(string resource, Guid? tenantId)
    {
        lock (_gate)
        {
            var index = _pending.FindIndex(fault =>
                FaultKinds.Fits(fault.Kind, resource)
                && (fault.Resource is null || string.Equals(fault.Resource, resource, StringComparison.OrdinalIgnoreCase))
                && (fault.TenantId is null || fault.TenantId == tenantId));
            if (index < 0)
                return null;
            var fault = _pending[index];
            if (fault.Next <= 1)
                _pending.RemoveAt(index);
            else
                _pending[index] = fault with { Next = fault.Next - 1 };
            return fault;
        }
    }

    /// <summary>The two ways a 200 can stop in the middle take turns, the cut connection first.</summary>
    public bool NextTruncationCutsTheConnection() => (Interlocked.Increment(ref _truncations) & 1) == 1;
}
