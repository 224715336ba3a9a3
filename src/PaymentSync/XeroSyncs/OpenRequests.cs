using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.XeroSyncs;

/// <summary>Rows whose request to Xero is open: looked up for ever, and told to people when that takes more than an hour.</summary>
sealed partial class OpenRequests(NpgsqlDataSource database, ILogger<OpenRequests> log)
{
    public const string OverAnHour = "SELECT count(*), min(q.sent_at) FROM xero_syncs s JOIN paymentsync.requests q ON q.id = s.open_request_id WHERE s.open_request_id IS NOT NULL AND q.sent_at < (SELECT paymentsync.now()) - interval '1 hour'";

    public async Task<string> WarnAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OverAnHour);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (syncs, since) = (reader.GetInt64(0), reader.NullableValue<DateTime>(1));
        if (since is { } first)
            LogOpen(syncs, first);
        return since is null ? "No request to Xero is open for more than an hour." : $"{syncs} syncs have a request to Xero that is open for more than an hour.";
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "For {Syncs} syncs it is not known for more than an hour, the first since {Since:u}, whether Xero has them; they are looked up every 15 minutes, see why Xero cannot be read")]
    partial void LogOpen(long syncs, DateTime since);
}
