using System.Diagnostics.Metrics;
using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.XeroSyncs;

/// <summary>Rows whose request to Xero is open: looked up for ever, and told to people when that takes more than an hour.</summary>
sealed partial class OpenRequests
{
    public const string OverAnHour = "SELECT count(*), min(q.sent_at) FROM xero_syncs s JOIN paymentsync.requests q ON q.id = s.open_request_id WHERE s.open_request_id IS NOT NULL AND q.sent_at < (SELECT paymentsync.now()) - interval '1 hour'";
    readonly NpgsqlDataSource _database;
    readonly ILogger<OpenRequests> _log;
    long _seen;

    public OpenRequests(NpgsqlDataSource database, IMeterFactory meters, ILogger<OpenRequests> log)
    {
        (_database, _log) = (database, log);
        meters.Create(Telemetry.Metrics.MeterName).CreateObservableGauge("paymentsync.sync.uncertain_over_an_hour", () => Volatile.Read(ref _seen), "{sync}",
            "Syncs whose request to Xero is open for more than an hour, as of the last look.");
    }

    public async Task<string> WarnAsync(CancellationToken cancellationToken)
    {
        await using var command = _database.CreateCommand(OverAnHour);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (syncs, since) = (reader.GetInt64(0), reader.NullableValue<DateTime>(1));
        Volatile.Write(ref _seen, syncs);
        if (since is { } first)
            LogOpen(syncs, first);
        return since is null ? "No request to Xero is open for more than an hour." : $"{syncs} syncs have a request to Xero that is open for more than an hour.";
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "For {Syncs} syncs it is not known for more than an hour, the first since {Since:u}, whether Xero has them; they are looked up every 15 minutes, see why Xero cannot be read")]
    partial void LogOpen(long syncs, DateTime since);
}
