using System.Diagnostics.Metrics;

namespace PaymentSync.Xero;

/// <summary>The connections' part of the meter "PaymentSync".</summary>
sealed class ConnectionMetrics
{
    readonly Counter<long> _refreshes;
    readonly Counter<long> _warnings;

    public ConnectionMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Telemetry.Metrics.MeterName);
        _refreshes = meter.CreateCounter<long>("paymentsync.xero.token.refreshes", "{refresh}", "Uses of a refresh token by what the token endpoint said.");
        _warnings = meter.CreateCounter<long>("paymentsync.xero.connection.warnings", "{warning}", "Warnings that a refresh token dies soon, by days left.");
    }

    public void Refreshed(TokenReply reply) => _refreshes.Add(1, new KeyValuePair<string, object?>("answer", reply switch
    {
        TokenReply.Granted => "granted",
        TokenReply.Refused refused => refused.Error,
        TokenReply.NotUsed => "not_used",
        _ => "lost",
    }));

    public void Warned(int days) => _warnings.Add(1, new KeyValuePair<string, object?>("days", days));
}
