using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Jobs;
using PaymentSync.Xero;

namespace PaymentSync.Recovery;

/// <summary>
/// One run: each scan in turn, a decision for each finding, its action, a report. Runs may overlap or be killed anywhere: every action is one
/// transaction with its items, changes only what still is as it was judged, and leaves nothing that the same scan finds again.
/// </summary>
sealed partial class RecoveryRun(NpgsqlDataSource database, RecoveryLease lease, RecoveryLog keep, Wakes wakes, IOptions<RecoveryOptions> options, IOptions<XeroOptions> xero, ILogger<RecoveryRun> log)
{
    const int MostBatches = 100;
    // Shared with the run, which does the work.
    readonly NpgsqlDataSource _database = database;
    readonly RecoveryLease _lease = lease;
    readonly RecoveryLog _keep = keep;
    readonly Wakes _wakes = wakes;
    readonly RecoveryOptions _options = options.Value;
    readonly TimeSpan _callTimeout = xero.Value.CallTimeout;

    /// <param name="trigger">START, TIMER or OPERATOR.</param>
    /// <returns>Null: another run is at it.</returns>
    public async Task<RecoveryReport?> RunAsync(string trigger, bool dryRun, CancellationToken cancellationToken)
    {
        var owner = $"{RecoveryLease.Node}:{Guid.NewGuid():N}";
        if (!dryRun && !await _lease.TakeAsync(owner, cancellationToken))
            return null;
        var whole = false;
        try
        {
            var report = await new Run(this, owner, trigger, dryRun).RunAsync(cancellationToken);
            whole = true;
            return report;
        }
        finally
        {
            if (!dryRun)
                await _lease.GiveBackAsync(owner, whole);
        }
    }

    /// <summary>The state of one run.</summary>
    sealed class Run(RecoveryRun recovery, string owner, string trigger, bool dryRun)
    {
        readonly Guid _id = Guid.CreateVersion7();
        readonly Dictionary<string, KindReport> _kinds = new(StringComparer.Ordinal);
        readonly HashSet<Guid> _organisations = [];
        int _resumed;
        bool _stored;

        public async Task<RecoveryReport> RunAsync(CancellationToken cancellationToken)
        {
            await using var connection = await recovery._database.OpenConnectionAsync(cancellationToken);
            var startedAt = await NowAsync(connection, cancellationToken);
            foreach (var scan in Scans.All)
                await SettleAsync(connection, scan, startedAt, cancellationToken);
            var report = new RecoveryReport(_stored ? _id : null, trigger, RecoveryLease.Node, startedAt, EndedAt: null, dryRun,
                _kinds.Values.Sum(kind => kind.Found), _kinds.Values.Sum(kind => kind.Done), _kinds.Values.Sum(kind => kind.LeftToAPerson), [.. _kinds.Values]);
            if (!dryRun)
                await recovery._keep.CloseSettledAsync(cancellationToken);
            if (_stored)
            {
                report = await recovery._keep.EndAsync(report, cancellationToken);
                recovery.LogRecovered(report.Found, report.Done, report.LeftToAPerson, _id);
            }
            foreach (var organisation in _organisations)
                recovery._wakes.Wake(organisation);
            return report;
        }

        async Task SettleAsync(NpgsqlConnection connection, Scan scan, DateTime startedAt, CancellationToken cancellationToken)
        {
            for (var batch = 0; batch < MostBatches; batch++)
            {
                if (!dryRun && batch > 0 && !await recovery._lease.TakeAsync(owner, cancellationToken))
                    return;
                var found = await Findings.FindAsync(connection, scan, recovery._options.Timeout, recovery._options.BatchSize, cancellationToken);
                if (found.Count == 0)
                    return;
                if (scan.Kind is Kinds.JournalAhead or Kinds.SuccessWithoutId)
                    found = await JournalReader.ReadAsync(connection, found, cancellationToken);
                var decided = found.ConvertAll(one => (Found: one, Decision: Decisions.Of(one, recovery._options.Timeout)));
                var settled = dryRun ? [] : await ActAsync(connection, decided, startedAt, cancellationToken);
                Count(scan.Kind, decided, settled, more: found.Count == recovery._options.BatchSize && (dryRun || batch == MostBatches - 1));
                if (dryRun || settled.Count == 0 || found.Count < recovery._options.BatchSize)
                    return;
            }
        }

        async Task<List<(Finding Found, RecoveryDecision Decision)>> ActAsync(NpgsqlConnection connection, List<(Finding Found, RecoveryDecision Decision)> decided, DateTime startedAt, CancellationToken cancellationToken)
        {
            var settled = new List<(Finding, RecoveryDecision)>();
            foreach (var alike in decided.GroupBy(one => (one.Found.Kind, one.Decision.Action, one.Decision.Hold, one.Decision.Why)))
            {
                // What is taken over alone can fail alone: an id that another row has, for example.
                var apart = alike.Key.Action == RecoveryAction.REBUILD ? alike.Select(one => new[] { one }) : [alike.ToArray()];
                foreach (var together in apart)
                    settled.AddRange(await ActTogetherAsync(connection, together, startedAt, cancellationToken));
            }
            return settled;
        }

        async Task<List<(Finding Found, RecoveryDecision Decision)>> ActTogetherAsync(NpgsqlConnection connection, (Finding Found, RecoveryDecision Decision)[] together, DateTime startedAt, CancellationToken cancellationToken)
        {
            var heard = together[0].Found.Kind == Kinds.LinkKnown && together[0].Decision.Action == RecoveryAction.RESUME
                ? await OtherActions.HearAgainAsync(connection, [.. together.Select(one => one.Found)], cancellationToken) : null;
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            List<(Finding Found, RecoveryDecision Decision)> settled;
            try
            {
                var changed = heard is not null ? [.. heard.Keys] : await ChangeAsync(transaction, together, cancellationToken);
                settled = [.. together.Where(one => changed.Contains(one.Found.Subject))];
            }
            catch (PostgresException taken) when (taken.SqlState == PostgresErrorCodes.UniqueViolation && together is [var alone])
            {
                await transaction.RollbackAsync(cancellationToken);
                return await ActTogetherAsync(connection, [(alone.Found, new(RecoveryAction.MANUAL_REVIEW, "The document that belongs to it is another sync's already. Look at both in Xero, then decide."))], startedAt, cancellationToken);
            }
            if (settled.Count == 0)
                return settled;
            await RecoveryLog.BeginAsync(transaction, _id, trigger, startedAt, cancellationToken);
            await RecoveryLog.WriteAsync(transaction, _id, settled, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            _stored = true;
            Wake(settled, heard);
            return settled;
        }

        /// <returns>The subjects that were changed, or left to a person.</returns>
        async Task<HashSet<string>> ChangeAsync(NpgsqlTransaction transaction, (Finding Found, RecoveryDecision Decision)[] together, CancellationToken cancellationToken)
        {
            var found = together.Select(one => one.Found).ToList();
            var (kind, decision) = (found[0].Kind, together[0].Decision);
            switch (decision)
            {
                case { Action: RecoveryAction.MANUAL_REVIEW, Hold: null }:
                    return [.. found.Select(one => one.Subject)];
                case { Action: RecoveryAction.CLEAN_UP } or { Action: RecoveryAction.RESUME } when found[0].SyncId is null:
                    return await OtherActions.CleanUpAsync(transaction, kind, found, cancellationToken);
                case { Action: RecoveryAction.MANUAL_REVIEW, Hold: { } code }:
                    return Subjects(await RowActions.HoldAsync(transaction, found, code, decision.Why, cancellationToken));
                case { Action: RecoveryAction.MARK_FAILED }:
                    return Subjects(await RowActions.MarkFailedAsync(transaction, found, decision.Why, cancellationToken));
                case { Action: RecoveryAction.REBUILD } when found[0].Journal is JournalAnswer.Document document:
                    return Subjects(await RowActions.AdoptAsync(transaction, found[0], document, cancellationToken));
                case { Action: RecoveryAction.REBUILD }:
                    return Subjects(await RowActions.TakeOverInvoiceAsync(transaction, found[0], cancellationToken));
                case { Action: RecoveryAction.RESUME }:
                    if (kind == Kinds.RequestMissing)
                        await RowActions.MendJournalAsync(transaction, found, recovery._callTimeout, cancellationToken);
                    var resumed = await RowActions.ResumeAsync(transaction, found, recovery._options.MaxConcurrent, _resumed, cancellationToken);
                    _resumed += resumed.Count;
                    return Subjects(resumed);
                default:
                    throw new System.Diagnostics.UnreachableException($"{decision.Action} of {kind}");
            }
        }

        static HashSet<string> Subjects(IEnumerable<Guid> syncs) => syncs.Select(sync => $"sync:{sync}").ToHashSet(StringComparer.Ordinal);

        void Wake(List<(Finding Found, RecoveryDecision Decision)> settled, Dictionary<string, Guid?>? heard)
        {
            foreach (var (found, decision) in settled)
            {
                if (decision.Action is RecoveryAction.RESUME or RecoveryAction.REBUILD && (found.OrganisationId ?? heard?.GetValueOrDefault(found.Subject)) is { } organisation)
                    _organisations.Add(organisation);
            }
        }

        void Count(string kind, List<(Finding Found, RecoveryDecision Decision)> decided, List<(Finding Found, RecoveryDecision Decision)> settled, bool more)
        {
            var before = _kinds.GetValueOrDefault(kind, new KindReport(kind, 0, new Dictionary<string, int>(StringComparer.Ordinal), 0, 0, false));
            var reviewed = settled.Count(one => one.Decision.Action == RecoveryAction.MANUAL_REVIEW);
            _kinds[kind] = before with
            {
                Found = before.Found + decided.Count,
                Decided = before.Decided.Concat(decided.GroupBy(one => one.Decision.Action.ToString(), (action, all) => KeyValuePair.Create(action, all.Count())))
                    .GroupBy(pair => pair.Key, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Sum(pair => pair.Value), StringComparer.Ordinal),
                Done = before.Done + settled.Count - reviewed,
                LeftToAPerson = before.LeftToAPerson + reviewed,
                More = before.More || more,
            };
        }
    }

    static async Task<DateTime> NowAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT paymentsync.now()", connection);
        return (DateTime)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Recovery found {Found} things that must not be: {Done} are settled, {LeftToAPerson} are left to a person; see report {ReportId}")]
    partial void LogRecovered(int found, int done, int leftToAPerson, Guid reportId);
}
