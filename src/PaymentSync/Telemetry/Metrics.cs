using System.Diagnostics.Metrics;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Telemetry;

/// <summary>Counters of the meter "PaymentSync". Labels have few values; ids belong into logs and traces.</summary>
sealed class Metrics
{
    public const string MeterName = "PaymentSync";
    readonly Counter<long> _events;
    readonly Counter<long> _calls;
    readonly Counter<long> _tries;

    public Metrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _events = meter.CreateCounter<long>("paymentsync.webhook.events", "{event}", "Webhook events by what became of them.");
        _calls = meter.CreateCounter<long>("paymentsync.xero.calls", "{call}", "Calls to Xero by resource and answer.");
        _tries = meter.CreateCounter<long>("paymentsync.sync.tries", "{sync}", "Tries by sync type, outcome and failure code.");
    }

    public void Heard(string outcome) => _events.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void XeroCalled(string resource, XeroReply reply) => _calls.Add(1, new("resource", resource), new("answer", reply switch
    {
        XeroReply.Answered answered => answered.Status,
        XeroReply.Unknown unknown => unknown.Code,
        _ => "not_sent",
    }));

    public void Completed(IEnumerable<SyncResult> results)
    {
        foreach (var result in results)
            _tries.Add(1, new("type", result.Sync.SyncType), new("outcome", result.Outcome), new("code", result.FailureCode));
    }
}
