using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Xero;

namespace PaymentSync.Telemetry;

/// <summary>
/// What is not booked, why it might not be, and what waits for a person, as gauges. Every node that exports reads them from the database
/// by itself: a figure that a job left in one node's memory would stay there when the next run of that job is on another node.
/// </summary>
/// <remarks>All nodes tell the same, so a query takes the maximum, not the sum. While the database is away there are no figures, not old ones.</remarks>
sealed partial class BacklogGauges : BackgroundService
{
    static readonly TimeSpan Every = TimeSpan.FromSeconds(15);
    readonly NpgsqlDataSource _database;
    readonly XeroOptions _xero;
    readonly ILogger<BacklogGauges> _log;
    Figures? _figures;

    /// <param name="OldestDue">Seconds since the row that is due longest became due; 0 when none is.</param>
    /// <param name="OldestUncertain">Seconds since the oldest request was sent whose outcome is unknown; 0 when there is none.</param>
    /// <param name="CallsLeft">Of the day, in the organisation that has least; null without a connection.</param>
    /// <param name="DaysLeft">Until the first refresh token dies; null without an OAuth connection.</param>
    sealed record Figures(long Pending, long Retrying, long Failed, double OldestDue, long Uncertain, double OldestUncertain, long UncertainOverAnHour,
        long Syncs, long Events, long Items, long? CallsLeft, double? DaysLeft);

    public BacklogGauges(NpgsqlDataSource database, IOptions<XeroOptions> xero, IMeterFactory meters, ILogger<BacklogGauges> log)
    {
        (_database, _xero, _log) = (database, xero.Value, log);
        var meter = meters.Create(Metrics.MeterName);
        meter.CreateObservableGauge("paymentsync.sync.unfinished", () => Each("status", ("PENDING", read => read.Pending), ("RETRYING", read => read.Retrying), ("FAILED", read => read.Failed)), "{sync}", "Syncs that are not SUCCESS, by status.");
        meter.CreateObservableGauge("paymentsync.sync.oldest_due", () => One<double>(read => read.OldestDue), "s", "How long the sync that is due longest waits for a worker; 0 when none is due.");
        meter.CreateObservableGauge("paymentsync.sync.uncertain", () => One<long>(read => read.Uncertain), "{sync}", "Syncs of which it is not known whether Xero has them.");
        meter.CreateObservableGauge("paymentsync.sync.oldest_uncertain", () => One<double>(read => read.OldestUncertain), "s", "Age of the oldest request whose outcome is unknown; 0 when there is none.");
        meter.CreateObservableGauge("paymentsync.sync.uncertain_over_an_hour", () => One<long>(read => read.UncertainOverAnHour), "{sync}", "Syncs whose request to Xero is open for more than an hour.");
        meter.CreateObservableGauge("paymentsync.waiting_for_a_person", () => Each("what", ("syncs", read => read.Syncs), ("events", read => read.Events), ("recovery_items", read => read.Items)), "{thing}", "What goes on only when a person decides.");
        meter.CreateObservableGauge("paymentsync.xero.calls_left", () => One<long>(read => read.CallsLeft), "{call}", "Calls to Xero left of the day, in the organisation that has least.");
        meter.CreateObservableGauge("paymentsync.xero.connection.days_left", () => One<double>(read => read.DaysLeft), "d", "Days until the first of all refresh tokens dies.");
    }

    /// <summary>Reads once.</summary>
    /// <exception cref="NpgsqlException">The database is away, or not migrated yet.</exception>
    public async Task ReadAsync(CancellationToken cancellationToken)
    {
        await using var command = _database.CreateCommand("""
            SELECT u.pending, u.retrying, u.failed,
                   coalesce((SELECT extract(epoch FROM (SELECT paymentsync.now()) - min(s.next_retry_at)) FROM xero_syncs s WHERE s.status IN ('PENDING', 'FAILED') AND s.next_retry_at <= (SELECT paymentsync.now())), 0)::float8,
                   o.uncertain, coalesce(extract(epoch FROM (SELECT paymentsync.now()) - o.first), 0)::float8, o.over_an_hour, u.resting,
                   (SELECT count(*) FROM paymentsync.events WHERE status IN ('UNMATCHED', 'NEEDS_ACTION', 'QUARANTINED')),
                   (SELECT count(*) FROM paymentsync.recovery_items WHERE status = 'OPEN'),
                   (SELECT min(paymentsync.calls_left_today(c.tenant_id, $1))::bigint FROM paymentsync.connections c WHERE c.status = 'ACTIVE'),
                   (SELECT extract(epoch FROM min(c.reconnect_by) - (SELECT paymentsync.now())) / 86400 FROM paymentsync.connections c WHERE c.status = 'ACTIVE')::float8
              FROM (SELECT count(*) FILTER (WHERE status = 'PENDING') AS pending, count(*) FILTER (WHERE status = 'RETRYING') AS retrying, count(*) FILTER (WHERE status = 'FAILED') AS failed,
                           count(*) FILTER (WHERE status = 'FAILED' AND next_retry_at IS NULL AND failure_kind IS NOT NULL) AS resting FROM xero_syncs WHERE status <> 'SUCCESS') u
             CROSS JOIN (SELECT count(*) FILTER (WHERE s.status <> 'RETRYING') AS uncertain, min(q.sent_at) FILTER (WHERE s.status <> 'RETRYING') AS first,
                           count(*) FILTER (WHERE q.sent_at < (SELECT paymentsync.now()) - interval '1 hour') AS over_an_hour
                           FROM xero_syncs s JOIN paymentsync.requests q ON q.id = s.open_request_id WHERE s.open_request_id IS NOT NULL) o
            """);
        command.Parameters.AddWithValue(_xero.CallsPerDay);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        Volatile.Write(ref _figures, new Figures(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetDouble(3), reader.GetInt64(4), reader.GetDouble(5), reader.GetInt64(6),
            reader.GetInt64(7), reader.GetInt64(8), reader.GetInt64(9), reader.NullableValue<long>(10), reader.NullableValue<double>(11)));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        do
        {
            try
            {
                await ReadAsync(stoppingToken);
            }
            catch (Exception problem) when (!stoppingToken.IsCancellationRequested)
            {
                Volatile.Write(ref _figures, null);
                LogNotRead(problem.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    IEnumerable<Measurement<T>> One<T>(Func<Figures, T?> figure) where T : struct =>
        Volatile.Read(ref _figures) is { } figures && figure(figures) is { } value ? [new Measurement<T>(value)] : [];

    List<Measurement<long>> Each(string label, params ReadOnlySpan<(string Value, Func<Figures, long> Of)> parts)
    {
        var measurements = new List<Measurement<long>>(parts.Length);
        if (Volatile.Read(ref _figures) is { } figures)
        {
            foreach (var (value, of) in parts)
                measurements.Add(new Measurement<long>(of(figures), new KeyValuePair<string, object?>(label, value)));
        }
        return measurements;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The figures for metrics could not be read ({Problem}); they are left out until the next look")]
    partial void LogNotRead(string problem);
}
