using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.Recovery;

/// <summary>What health and status show: whether something waits for a person, the last recovery, how many tries succeed, and what fails most.</summary>
sealed class RecoveryHealth(NpgsqlDataSource database, IOptions<RecoveryOptions> options, TimeProvider time)
{
    static readonly TimeSpan FiguresLast = TimeSpan.FromSeconds(10);
    Kept? _kept;

    /// <param name="Mode">Recovery mode: webhooks are accepted, replays refused.</param>
    /// <param name="Recovering">Recovered rows that are not served yet, counted up to one more than <c>Recovery:ModeThreshold</c>.</param>
    /// <param name="OpenItems">Recovery items that wait for a person, counted up to 1000.</param>
    /// <param name="WaitsForAPerson">An item, a failed sync without a next try, or an event does.</param>
    /// <param name="LastRunAt">End of the last run, whatever it found; null: none yet.</param>
    internal sealed record Present(bool Mode, int Recovering, int OpenItems, bool WaitsForAPerson, DateTime? LastRunAt, LastReport? LastReport);

    internal sealed record LastReport(Guid Id, DateTime StartedAt, int Found, int Done, int LeftToAPerson);

    /// <param name="SuccessRate">Of the tries that ended in SUCCESS or FAILED, 0 to 1; null: there were none.</param>
    /// <param name="Failures">The most frequent failure codes, at most five.</param>
    internal sealed record Period(decimal? SuccessRate, IReadOnlyList<Pattern> Failures);

    internal sealed record Pattern(string FailureCode, long Tries);

    internal sealed record Figures(Period LastHour, Period LastDay);

    sealed record Kept(DateTimeOffset At, Figures Figures);

    public async Task<Present> PresentAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT paymentsync.recovering($1),
                   (SELECT count(*)::int FROM (SELECT 1 FROM paymentsync.recovery_items WHERE status = 'OPEN' LIMIT 1000) o),
                   EXISTS (SELECT 1 FROM xero_syncs WHERE status IN ('PENDING', 'FAILED') AND next_retry_at IS NULL AND document_number IS NOT NULL AND status = 'FAILED' AND failure_kind IS NOT NULL)
                     OR EXISTS (SELECT 1 FROM xero_syncs WHERE status <> 'SUCCESS' AND document_number IS NULL AND status = 'FAILED' AND next_retry_at IS NULL AND failure_kind IS NOT NULL)
                     OR EXISTS (SELECT 1 FROM paymentsync.events WHERE status IN ('UNMATCHED', 'NEEDS_ACTION', 'QUARANTINED')),
                   (SELECT last_run_at FROM paymentsync.recovery_lease), r.id, r.started_at, r.found, r.done, r.left_to_a_person
              FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT * FROM paymentsync.recovery_reports ORDER BY started_at DESC, id DESC LIMIT 1) r ON true
            """);
        command.Parameters.AddWithValue(options.Value.ModeThreshold + 1);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (recovering, open) = (reader.GetInt32(0), reader.GetInt32(1));
        return new Present(recovering > options.Value.ModeThreshold, recovering, open, open > 0 || reader.GetBoolean(2), reader.NullableValue<DateTime>(3),
            await reader.IsDBNullAsync(4, cancellationToken) ? null : new LastReport(reader.GetGuid(4), reader.GetDateTime(5), reader.GetInt32(6), reader.GetInt32(7), reader.GetInt32(8)));
    }

    /// <summary>Read at most every 10 s on a node, since probes ask often.</summary>
    public async Task<Figures> FiguresAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (Volatile.Read(ref _kept) is { } kept && now - kept.At < FiguresLast && now >= kept.At)
            return kept.Figures;
        var figures = new Figures(await PeriodAsync(TimeSpan.FromHours(1), cancellationToken), await PeriodAsync(TimeSpan.FromDays(1), cancellationToken));
        Volatile.Write(ref _kept, new Kept(now, figures));
        return figures;
    }

    async Task<Period> PeriodAsync(TimeSpan back, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        // The totals are kept by whole hours: the hour in which the period begins counts whole.
        batch.BatchCommands.Add(new NpgsqlBatchCommand("""
            SELECT coalesce(sum(syncs) FILTER (WHERE status = 'SUCCESS'), 0)::bigint, coalesce(sum(syncs) FILTER (WHERE status IN ('SUCCESS', 'FAILED')), 0)::bigint
              FROM paymentsync.sync_totals WHERE hour >= date_trunc('hour', (SELECT paymentsync.now()) - $1::interval)
            """)
        { Parameters = { new() { Value = back } } });
        batch.BatchCommands.Add(new NpgsqlBatchCommand("""
            SELECT failure_code, count(*) FROM paymentsync.sync_attempts WHERE ended_at > (SELECT paymentsync.now()) - $1::interval AND failure_code IS NOT NULL GROUP BY failure_code ORDER BY 2 DESC, 1 LIMIT 5
            """)
        { Parameters = { new() { Value = back } } });
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (succeeded, ended) = (reader.GetInt64(0), reader.GetInt64(1));
        await reader.NextResultAsync(cancellationToken);
        var failures = new List<Pattern>();
        while (await reader.ReadAsync(cancellationToken))
            failures.Add(new Pattern(reader.GetString(0), reader.GetInt64(1)));
        return new Period(ended == 0 ? null : Math.Round((decimal)succeeded / ended, 4), failures);
    }
}
