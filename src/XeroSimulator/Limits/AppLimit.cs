namespace XeroSimulator.Limits;

/// <summary>10,000 calls a minute over all organisations of one app.</summary>
internal sealed class AppLimit(int perMinute = AppLimit.PerMinute)
{
    public const int PerMinute = 10_000;

    private readonly Lock _gate = new();
    private readonly RollingWindow _minute = new(TimeSpan.FromMinutes(1), perMinute);

    public int Remaining(DateTimeOffset now)
    {
        lock (_gate)
            return _minute.Remaining(now);
    }

    public bool TryAdd(DateTimeOffset now, out int remaining)
    {
        lock (_gate)
        {
            if (_minute.Remaining(now) == 0)
            {
                remaining = 0;
                return false;
            }

            _minute.Add(now);
            remaining = _minute.Remaining(now);
            return true;
        }
    }
}
