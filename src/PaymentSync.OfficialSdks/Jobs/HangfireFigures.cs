using System.Globalization;
using Hangfire;
using Hangfire.Dashboard;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Xero;

namespace PaymentSync.OfficialSdks.Jobs;

/// <summary>Our own figures on the dashboard's home page: what Hangfire counts are jobs, and what matters are payments. One query for all, asked again after a few seconds.</summary>
sealed class HangfireFigures(NpgsqlDataSource database, IOptions<XeroOptions> xero)
{
    static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);
    static readonly Lock Shown = new();
    static bool s_shown;

    readonly Lock _gate = new();
    Read? _read;

    /// <param name="People">FAILED rows without a next try, and events that only a person can settle.</param>
    /// <param name="Oldest">Age of the oldest row that is not SUCCESS; null when all are.</param>
    /// <param name="CallsLeft">Of the day, for the organisation that has the fewest; null when none is connected.</param>
    sealed record Read(long Pending, long Retrying, long Failed, long People, TimeSpan? Oldest, int? CallsLeft, long At);

    /// <summary>Hangfire keeps its figures for the process; each asks the service whose page it is on.</summary>
    public static void Show()
    {
        lock (Shown)
        {
            if (s_shown)
                return;
            s_shown = true;
        }
        GlobalConfiguration.Configuration.UseDashboardMetrics(
            Of("pending", "Syncs PENDING", read => new Metric(read.Pending)),
            Of("retrying", "Syncs RETRYING", read => new Metric(read.Retrying)),
            Of("failed", "Syncs FAILED", read => new Metric(read.Failed) { Style = read.Failed > 0 ? MetricStyle.Warning : MetricStyle.Default }),
            Of("people", "Waiting for a person", read => new Metric(read.People) { Style = read.People > 0 ? MetricStyle.Danger : MetricStyle.Default, Highlighted = read.People > 0 }),
            Of("oldest", "Oldest unsynced", read => new Metric(read.Oldest is { } age ? Words(age) : "none") { Style = read.Oldest > TimeSpan.FromHours(1) ? MetricStyle.Warning : MetricStyle.Default }),
            Of("calls", "Xero calls left today", read => read.CallsLeft is { } left
                ? new Metric(left) { Style = left == 0 ? MetricStyle.Danger : MetricStyle.Default, Title = "Of the organisation that has the fewest" }
                : new Metric("no connection")));
        NavigationMenu.Items.Add(page => new MenuItem("Sign out", page.Url.To("/sign-out")));
    }

    static DashboardMetric Of(string name, string title, Func<Read, Metric> figure) =>
        new($"paymentsync:{name}", title, page => figure(page.Context.GetHttpContext().RequestServices.GetRequiredService<HangfireFigures>().Now()));

    static string Words(TimeSpan age) => age switch
    {
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{age.TotalSeconds:0} s"),
        { TotalHours: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{age.TotalMinutes:0} min"),
        { TotalDays: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{age.TotalHours:0.0} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{age.TotalDays:0.0} days"),
    };

    // Pages of the dashboard are rendered on their thread; six figures of one page ask in a row.
    Read Now()
    {
        lock (_gate)
        {
            if (_read is { } read && TimeSpan.FromMilliseconds(Environment.TickCount64 - read.At) < Fresh)
                return read;
            return _read = Ask();
        }
    }

    Read Ask()
    {
        using var command = database.CreateCommand("""
            SELECT count(*) FILTER (WHERE status = 'PENDING'), count(*) FILTER (WHERE status = 'RETRYING'), count(*) FILTER (WHERE status = 'FAILED'),
                   count(*) FILTER (WHERE status = 'FAILED' AND next_retry_at IS NULL) + (SELECT count(*) FROM paymentsync.events WHERE status IN ('UNMATCHED', 'NEEDS_ACTION', 'QUARANTINED')),
                   (SELECT paymentsync.now()) - min(created_at),
                   (SELECT min(paymentsync.calls_left_today(c.tenant_id, $1)) FROM paymentsync.connections c WHERE c.status = 'ACTIVE')
              FROM xero_syncs WHERE status <> 'SUCCESS'
            """);
        command.Parameters.AddWithValue(xero.Value.CallsPerDay);
        using var reader = command.ExecuteReader();
        reader.Read();
        return new Read(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.NullableValue<TimeSpan>(4), reader.NullableValue<int>(5), Environment.TickCount64);
    }
}
