using System.Diagnostics.Metrics;

namespace PaymentSync.Xero;

/// <summary>The connections' part of the meter "PaymentSync".</summary>
sealed class ConnectionMetrics
{
    readonly Counter<long> _refreshes;
    readonly Counter<long> _warnings;
    double _daysLeft = double.NaN;

    public ConnectionMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Telemetry.Metrics.MeterName);
        _refreshes = meter.CreateCounter<long>("paymentsync.xero.token.refreshes", "{refresh}", "Uses of a refresh token by what the token endpoint said.");
        _warnings = meter.CreateCounter<long>("paymentsync.xero.connection.warnings", "{warning}", "Warnings that a refresh token dies soon, by days left.");
        meter.CreateObservableGauge("paymentsync.xero.connection.days_left",
            () => double.IsNaN(Volatile.Read(ref _daysLeft)) ? [] : new[] { new Measurement<double>(Volatile.Read(ref _daysLeft)) }, "d", "Days until the first of all refresh tokens dies, as of the last look.");
    }

    public void Refreshed(TokenReply reply) => _refreshes.Add(1, new KeyValuePair<string, object?>("answer", reply switch
    {
        TokenReply.Granted => "granted",
        TokenReply.Refused refused => refused.Error,
        TokenReply.NotUsed => "not_used",
        _ => "lost",
    }));

    public void Warned(int days) => _warnings.Add(1, new KeyValuePair<string, object?>("days", days));

    /// <param name="left">Null: no OAuth connection.</param>
    public void FirstDeath(TimeSpan? left) => Volatile.Write(ref _daysLeft, left?.TotalDays ?? double.NaN);
}
