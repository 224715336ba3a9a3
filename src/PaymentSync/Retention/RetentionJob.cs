using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Confirmation;
using PaymentSync.Telemetry;

namespace PaymentSync.Retention;

/// <summary>Deletes what is over and old, in small statements, each a transaction of its own: it may be broken off anywhere, and two at once do each other no harm.</summary>
sealed partial class RetentionJob
{
    readonly NpgsqlDataSource _database;
    readonly UnlinkedPayments _unlinked;
    readonly RetentionOptions _options;
    readonly ILogger<RetentionJob> _log;
    readonly Counter<long> _purged;

    public RetentionJob(NpgsqlDataSource database, UnlinkedPayments unlinked, IOptions<RetentionOptions> options, IMeterFactory meters, ILogger<RetentionJob> log)
    {
        (_database, _unlinked, _options, _log) = (database, unlinked, options.Value, log);
        _purged = meters.Create(Metrics.MeterName).CreateCounter<long>("paymentsync.retention.purged", "{row}", "Rows deleted because they were over and old, by kind.");
    }

    /// <returns>A sentence with the counts.</returns>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        // Money that no other event explained becomes UNMATCHED first, and so is kept, even where nothing else runs that job.
        await _unlinked.MarkAsync(cancellationToken);
        var clock = Stopwatch.StartNew();
        var counts = new List<string>();
        foreach (var purge in Purge.All)
        {
            var rows = await PurgeAsync(purge, clock, cancellationToken);
            if (rows == 0)
                continue;
            _purged.Add(rows, new KeyValuePair<string, object?>("kind", purge.What));
            counts.Add(string.Create(CultureInfo.InvariantCulture, $"{rows} {purge.What}"));
        }
        var deleted = counts.Count == 0 ? "Nothing was old enough to be deleted." : $"Deleted {string.Join(", ", counts)}.";
        if (counts.Count > 0)
            LogDeleted(string.Join(", ", counts));
        return clock.Elapsed < _options.RunTime ? deleted : $"{deleted} The time was over; the next run goes on.";
    }

    async Task<long> PurgeAsync(Purge purge, Stopwatch clock, CancellationToken cancellationToken)
    {
        var (deleted, at, id) = (0L, DateTime.SpecifyKind(DateTime.MinValue, DateTimeKind.Utc), purge.First);
        for (var seen = _options.BatchSize; seen == _options.BatchSize && clock.Elapsed < _options.RunTime;)
        {
            await using var command = _database.CreateCommand(purge.Sql);
            command.Parameters.AddWithValue(purge.Keep(_options));
            command.Parameters.AddWithValue(_options.BatchSize);
            if (id is not null)
            {
                command.Parameters.AddWithValue(at);
                command.Parameters.AddWithValue(id);
            }
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            if (!await reader.ReadAsync(cancellationToken))
                break;
            seen = reader.GetInt32(0);
            deleted += reader.GetInt32(1);
            if (id is not null)
                (at, id) = (reader.GetDateTime(2), reader.GetString(3));
        }
        return deleted;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Retention deleted {Counts}; what waits for a person or belongs to an unfinished sync is kept")]
    partial void LogDeleted(string counts);
}
