namespace XeroSimulator.Limits;

/// <summary>At most <c>limit</c> calls in any span of the given length: the strictest reading of "per minute" and "per day".</summary>
internal sealed class RollingWindow(TimeSpan length, int limit)
{
    private readonly Queue<DateTimeOffset> _calls = new();

    public int Limit { get; set; } = limit;

    public int Highest { get; private set; }

    public int Used(DateTimeOffset now)
    {
        while (_calls.TryPeek(out var oldest) && oldest + length <= now)
            _calls.Dequeue();
        return _calls.Count;
    }

    public int Remaining(DateTimeOffset now) => Math.Max(0, Limit - Used(now));

    public void Add(DateTimeOffset now)
    {
        _calls.Enqueue(now);
        Highest = Math.Max(Highest, Used(now));
    }

    /// <summary>Whole seconds until one more call fits, never zero.</summary>
    public int RetryAfterSeconds(DateTimeOffset now)
    {
        var free = _calls.TryPeek(out var oldest) ? oldest + length - now : length;
        return Math.Max(1, (int)Math.Ceiling(free.TotalSeconds));
    }
}
