using System.Collections.Concurrent;

namespace XeroSimulator.Ledger;

/// <summary>Every call, counted by resource; the last ones kept whole.</summary>
internal sealed class CallLog(SimulatorClock clock)
{
    private const int Kept = 20_000;

    private readonly ConcurrentQueue<CallRecord> _records = new();
    private readonly ConcurrentDictionary<string, int> _byResource = new();

    public IReadOnlyDictionary<string, int> ByResource => _byResource;

    public IReadOnlyList<CallRecord> Records => [.. _records];

    public CallRecord Begin(string resource, Guid? tenantId, string? query, string? idempotencyKey)
    {
        var record = new CallRecord(clock, resource, tenantId, query, idempotencyKey);
        _byResource.AddOrUpdate(resource, 1, (_, count) => count + 1);
        _records.Enqueue(record);
        while (_records.Count > Kept)
            _records.TryDequeue(out _);
        return record;
    }

    public void Clear()
    {
        _byResource.Clear();
        _records.Clear();
    }
}

/// <summary>One call. It ends when its answer is on its way, or when its connection is gone.</summary>
internal sealed class CallRecord(SimulatorClock clock, string resource, Guid? tenantId, string? query, string? idempotencyKey) : IDisposable
{
    public string Method { get; } = resource[..resource.IndexOf(' ', StringComparison.Ordinal)];

    public string Resource => resource;

    public Guid? TenantId => tenantId;

    public string? Query => query;

    public string? IdempotencyKey => idempotencyKey;

    public DateTimeOffset StartedAt { get; } = clock.Now;

    public DateTimeOffset? EndedAt { get; private set; }

    /// <summary>The status that was decided; a fault may have kept it from arriving.</summary>
    public int? Status { get; set; }


    public string? Fault { get; set; }

    public void End(int? status)
    {
        Status = status;
        EndedAt = clock.Now;
    }

    public void Dispose() => EndedAt ??= clock.Now;
}
