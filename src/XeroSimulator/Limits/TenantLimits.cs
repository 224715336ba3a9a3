namespace XeroSimulator.Limits;

/// <summary>One organisation's windows: five in flight, sixty a rolling minute, the day's limit.</summary>
/// <remarks>A refused call costs nothing; a call replayed from its idempotency key costs as much as the first.</remarks>
internal sealed class TenantLimits(int dayLimit, int minuteLimit = TenantLimits.PerMinute)
{
    public const int Concurrent = 5;
    public const int PerMinute = 60;

    private readonly Lock _gate = new();
    private readonly RollingWindow _minute = new(TimeSpan.FromMinutes(1), minuteLimit);
    private readonly RollingWindow _day = new(TimeSpan.FromDays(1), dayLimit);
    private int _inFlight;
    private int _maxInFlight;
    private int _refused;

    public Admission Enter(AppLimit app, DateTimeOffset now)
    {
        lock (_gate)
        {
            var admission = Decide(app, now);
            if (admission.Problem is not null)
            {
                _refused++;
                return admission;
            }

            _minute.Add(now);
            _day.Add(now);
            _maxInFlight = Math.Max(_maxInFlight, ++_inFlight);
            return admission with
            {
                DayRemaining = _day.Remaining(now),
                MinuteRemaining = _minute.Remaining(now),
                Slot = new Slot(Leave),
            };
        }
    }

    public void Set(int dayLimit, int minuteLimit)
    {
        lock (_gate)
            (_day.Limit, _minute.Limit) = (dayLimit, minuteLimit);
    }

    public LimitFigures Figures(DateTimeOffset now)
    {
        lock (_gate)
            return new(_inFlight, _maxInFlight, _minute.Used(now), _minute.Highest, _day.Used(now), _day.Highest, _day.Limit, _refused);
    }

    private Admission Decide(AppLimit app, DateTimeOffset now)
    {
        var state = new Admission(null, null, _day.Remaining(now), _minute.Remaining(now), 0, null);
        if (_inFlight >= Concurrent)
            return state with { Problem = "concurrent", AppMinuteRemaining = app.Remaining(now) };
        if (state.DayRemaining == 0)
            return state with { Problem = "day", RetryAfterSeconds = _day.RetryAfterSeconds(now), AppMinuteRemaining = app.Remaining(now) };
        if (state.MinuteRemaining == 0)
            return state with { Problem = "minute", RetryAfterSeconds = _minute.RetryAfterSeconds(now), AppMinuteRemaining = app.Remaining(now) };
        return app.TryAdd(now, out var appRemaining)
            ? state with { AppMinuteRemaining = appRemaining }
            : state with { Problem = "appminute" };
    }

    private void Leave()
    {
        lock (_gate)
            _inFlight--;
    }
}

/// <param name="Problem">Why the call is refused, in the words of X-Rate-Limit-Problem; null when it is admitted.</param>
/// <param name="RetryAfterSeconds">Known for minute and day only, as at Xero.</param>
internal sealed record Admission(string? Problem, int? RetryAfterSeconds, int DayRemaining, int MinuteRemaining, int AppMinuteRemaining, Slot? Slot);

internal sealed record LimitFigures(int InFlight, int MaxInFlight, int InLastMinute, int MaxPerMinute, int InLastDay, int MaxPerDay, int DayLimit, int Refused);

/// <summary>A place among the five in flight; leaving twice is leaving once.</summary>
internal sealed class Slot(Action leave) : IDisposable
{
    private Action? _leave = leave;

    public void Dispose() => Interlocked.Exchange(ref _leave, null)?.Invoke();
}
