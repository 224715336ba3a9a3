namespace PaymentSync.Xero;

/// <summary>How long a number of calls takes under the limits. Pure arithmetic.</summary>
static class CallForecast
{
    /// <param name="needed">Calls to make.</param>
    /// <param name="leftToday">Calls of the day that are left; the rest waits for the days after.</param>
    public static TimeSpan TimeFor(long needed, int leftToday, XeroOptions options)
    {
        var perMinute = options.CallsPerMinute - options.MinuteReserve;
        var perDay = options.CallsPerDay - options.DayReserve;
        var today = Math.Max(0, leftToday - options.DayReserve);
        if (needed <= today)
            return TimeSpan.FromMinutes((needed + perMinute - 1) / perMinute);
        var later = needed - today;
        var wholeDays = (later - 1) / perDay;
        var lastDay = later - (wholeDays * perDay);
        return TimeSpan.FromDays(1 + wholeDays) + TimeSpan.FromMinutes((lastDay + perMinute - 1) / perMinute);
    }
}
