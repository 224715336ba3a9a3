using System.Diagnostics;
using Microsoft.Extensions.Options;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Jobs;

/// <summary>How a drain ended.</summary>
/// <param name="More">There may be more to do: its time slice ended before the work did, or rows came while it worked.</param>
/// <param name="Wait">The budget is used up for this long.</param>
sealed record DrainResult(bool More, TimeSpan? Wait)
{
    public static DrainResult Nothing => new(false, null);
}

/// <summary>
/// One organisation's turn: drain lease → budget slot → claim → intent → send → complete, invoices before their payments, until
/// nothing is due, the budget says wait, or the time slice is over.
/// </summary>
sealed partial class Drain(DrainLeases leases, SyncQueue queue, XeroConnections connections, XeroTokens tokens, ConnectionCheck check, CallBudget budget, PreFlight preFlight, XeroWriter writer, XeroLookUps looks,
    Causes causes, Outcomes outcomes, IOptions<WorkerOptions> worker, IOptions<XeroOptions> xero, ILogger<Drain> log)
{
    // Shared with the turn, which does the work of one drain.
    readonly CallBudget _budget = budget;
    readonly DrainLeases _leases = leases;
    readonly SyncQueue _queue = queue;
    readonly PreFlight _preFlight = preFlight;
    readonly XeroWriter _writer = writer;
    readonly XeroLookUps _looks = looks;
    readonly Outcomes _outcomes = outcomes;
    readonly WorkerOptions _worker = worker.Value;
    readonly XeroOptions _xero = xero.Value;
    static readonly string Node = $"{Environment.MachineName}:{Environment.ProcessId}:{Guid.NewGuid().ToString("N")[..6]}";

    public async Task<DrainResult> RunAsync(Guid organisation, CancellationToken stopping)
    {
        var owner = $"{Node}:{Guid.NewGuid().ToString("N")[..8]}";
        // Not broken off by a stop, nor is what follows: the database would do it all the same, and nobody would give it back.
        if (!await _leases.TakeAsync(organisation, owner, _worker.DrainLease, CancellationToken.None))
            return DrainResult.Nothing;
        try
        {
            // Not a turn for its own sake: a drain that cannot talk to Xero claims nothing. Read under the lease, which a change of tenant takes too.
            if (await connections.FindActiveAsync(organisation, stopping) is not { } connection)
                return DrainResult.Nothing;
            if (await _budget.ShouldLingerAsync(organisation, connection.TenantId, _worker.Linger, stopping))
                return new DrainResult(More: false, Wait: _worker.Linger);
            DrainResult result;
            switch (await tokens.GetAsync(connection, notThis: null, stopping))
            {
                case XeroTokens.Answer.Granted granted:
                    var session = new XeroSession(connection, owner, granted.AccessToken, tokens, _budget);
                    using (var turn = new Turn(this, session, stopping))
                        result = await turn.RunAsync();
                    if (await causes.AfterDrainAsync(session, stopping))
                        result = result with { More = session.Wait is null };
                    return await check.AfterDrainAsync(connection, session, stopping) is { } wait ? result with { Wait = result.Wait ?? wait } : result;
                case XeroTokens.Answer.Disconnected:
                    return DrainResult.Nothing;
                case XeroTokens.Answer.Unavailable unavailable:
                    LogNoToken(organisation, unavailable.Reason);
                    return new DrainResult(false, unavailable.RetryAfter);
                default:
                    throw new UnreachableException();
            }
        }
        finally
        {
            await _leases.GiveBackAsync(organisation, owner);
        }
    }

    /// <summary>The lanes of one drain. A further lane starts only when a claim came back full, so that few rows make few calls.</summary>
    sealed class Turn(Drain drain, XeroSession session, CancellationToken stopping) : IDisposable
    {
        readonly long _started = Stopwatch.GetTimestamp();
        readonly List<Task> _lanes = [];
        readonly Lock _gate = new();
        // One claim at a time: two at once would each skip what the other has locked, and split between two calls what fits into one.
        readonly SemaphoreSlim _claiming = new(1);
        long _renewedAt = Stopwatch.GetTimestamp();
        bool _lost;
        bool _more;

        public void Dispose() => _claiming.Dispose();

        bool SliceOver => Stopwatch.GetElapsedTime(_started) > drain._worker.TimeSlice;

        public async Task<DrainResult> RunAsync()
        {
            StartLane();
            for (var next = 0; ; next++)
            {
                Task lane;
                lock (_gate)
                {
                    if (next == _lanes.Count)
                        break;
                    lane = _lanes[next];
                }
                // Whatever became of this one, the drain ends with its last lane: their calls are to be recorded.
                await lane.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            await Task.WhenAll(_lanes);
            return new DrainResult((SliceOver || _more) && session.Wait is null && !_lost, session.Wait);
        }

        void StartLane()
        {
            lock (_gate)
            {
                if (_lanes.Count < drain._worker.Lanes)
                    _lanes.Add(LaneAsync());
            }
        }

        async Task LaneAsync()
        {
            await Task.Yield();
            while (!stopping.IsCancellationRequested && !SliceOver && await StillOursAsync())
            {
                var invoices = await InvoicesAsync();
                var payments = await PaymentsAsync();
                if (Math.Max(invoices, payments) < drain._xero.BatchSize)
                {
                    // What came meanwhile waits for company, as any wake does; taken at once it would cost a call for each row or two.
                    Volatile.Write(ref _more, Volatile.Read(ref _more) || invoices + payments > 0);
                    return;
                }
            }
        }

        async Task<bool> StillOursAsync()
        {
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref _renewedAt)) < drain._worker.DrainLease / 4)
                return !Volatile.Read(ref _lost);
            Volatile.Write(ref _renewedAt, Stopwatch.GetTimestamp());
            if (!await drain._leases.TakeAsync(session.Organisation, session.Owner, drain._worker.DrainLease, CancellationToken.None))
                Volatile.Write(ref _lost, true);
            return !Volatile.Read(ref _lost);
        }

        async Task<int> InvoicesAsync()
        {
            var (syncs, held) = await ReserveAndClaimAsync(XeroSyncType.INVOICE);
            if (held is null)
                return 0;
            var open = await SettleWithoutCallAsync(syncs);
            var verify = open.Where(sync => sync.MustLookFirst).ToList();
            var send = open.Where(sync => !sync.MustLookFirst).ToList();
            if (verify.Count > 0)
            {
                await drain._looks.VerifyInvoicesAsync(session, verify, held, CancellationToken.None);
                held = null;
            }
            if (send.Count > 0)
                held = await SendAsync(XeroSyncType.INVOICE, send, held);
            if (held is not null)
                await session.GiveBackAsync(held);
            return syncs.Count;
        }

        async Task<int> PaymentsAsync()
        {
            var (syncs, held) = await ReserveAndClaimAsync(XeroSyncType.PAYMENT);
            if (held is null)
                return 0;
            var open = await SettleWithoutCallAsync(syncs);
            // A payment is sent only against an invoice whose state was read during this drain; one that may exist already is always read anew.
            var unread = open.Where(sync => sync.MustLookFirst || session.Seen(sync.XeroInvoiceId) is null).ToList();
            var send = await drain._looks.SettleFromSeenAsync(session, [.. open.Except(unread)]);
            if (unread.Count > 0)
            {
                send.AddRange(await drain._looks.ReadForPaymentsAsync(session, unread, held, CancellationToken.None));
                held = null;
            }
            if (send.Count > 0)
                held = await SendAsync(XeroSyncType.PAYMENT, send, held);
            if (held is not null)
                await session.GiveBackAsync(held);
            return syncs.Count;
        }

        /// <summary>A slot for a call that was not begun before the stop.</summary>
        async Task<CallSlot?> ReserveAsync(bool forLook = false) => stopping.IsCancellationRequested ? null : await session.ReserveAsync(forLook, CancellationToken.None);

        /// <summary>Budget before claim, so that no row is held that cannot be served. When only the reserve is left, only look-ups are claimed.</summary>
        async Task<(List<ClaimedSync> Syncs, CallSlot? Slot)> ReserveAndClaimAsync(XeroSyncType type)
        {
            var slot = await ReserveAsync();
            var onlyLooks = slot is null;
            slot ??= await ReserveAsync(forLook: true);
            if (slot is null)
                return ([], null);
            var limit = drain._xero.BatchSize;
            var syncs = await ClaimAsync(type, limit, onlyLooks);
            if (stopping.IsCancellationRequested)
            {
                await drain._queue.GiveBackAsync(syncs, session.Owner, TimeSpan.Zero, CancellationToken.None);
                await session.GiveBackAsync(slot);
                return ([], null);
            }
            if (syncs.Count == limit)
                StartLane();
            return (syncs, slot);
        }

        async Task<List<ClaimedSync>> ClaimAsync(XeroSyncType type, int limit, bool onlyLooks)
        {
            await _claiming.WaitAsync(CancellationToken.None);
            try
            {
                return await drain._queue.ClaimAsync(session.Organisation, type, limit, session.Owner, drain._worker.RowLease, CancellationToken.None, onlyLooks);
            }
            finally
            {
                _claiming.Release();
            }
        }

        /// <returns>The slot if no call was needed. Null: it is used up, or there was none and the rows are given back.</returns>
        async Task<CallSlot?> SendAsync(XeroSyncType type, List<ClaimedSync> syncs, CallSlot? slot)
        {
            slot ??= await ReserveAsync();
            if (slot is null)
            {
                await drain._queue.GiveBackAsync(syncs, session.Owner, TimeSpan.Zero, CancellationToken.None);
                return null;
            }
            var pass = await drain._preFlight.PassAsync(session, syncs, stopping);
            if (pass.Count == 0)
                return slot;
            // Reading the settings may have taken as long as a call may.
            if (!await StillOursAsync())
            {
                await drain._queue.GiveBackAsync(pass, session.Owner, TimeSpan.Zero, CancellationToken.None);
                return slot;
            }
            await drain._writer.SendAsync(session, type, pass, slot, stopping);
            return null;
        }

        /// <returns>The rows that still need Xero.</returns>
        async Task<List<ClaimedSync>> SettleWithoutCallAsync(List<ClaimedSync> syncs)
        {
            var settled = syncs.Select(WithoutCall).OfType<SyncResult>().ToList();
            if (settled.Count == 0)
                return syncs;
            await drain._queue.CompleteAsync(session.Organisation, settled, session.Owner, request: null, CancellationToken.None);
            return [.. syncs.Except(settled.Select(result => result.Sync))];
        }

        SyncResult? WithoutCall(ClaimedSync sync)
        {
            SyncResult Hold(string code, string message) =>
                drain._outcomes.Failed(sync, "claim", new Failure(FailureKind.NEEDS_ACTION, code, message) { CountsAsRetry = false }, settles: false);

            if (sync.TenantId is not null && sync.TenantId != session.TenantId)
                return Hold(FailureCodes.TenantChanged, "The organisation is connected to another Xero tenant than the one this sync's document is, or may be, in. Connect the former one again and it goes on by itself.");
            if (sync.SyncType == XeroSyncType.PAYMENT && sync.XeroInvoiceId is null)
                return Outcomes.WaitsForInvoice(sync);
            if (sync.InvoiceIsShared && !sync.MustLookFirst && !sync.IsReleased(FailureCodes.LegacySharedId) && !sync.IsReleased(FailureCodes.LegacyPaymentUnknown))
                return Hold(FailureCodes.LegacySharedId, $"Rows of several links name invoice {sync.XeroInvoiceId}, and at most one of them is right. Find out in Xero which link it belongs to: requeue the payment of that one, and mark the others failed.");
            if (sync.SyncType == XeroSyncType.INVOICE && sync.LinkCancelled && !sync.MustLookFirst && !sync.IsReleased(FailureCodes.LinkCancelled))
                return Hold(FailureCodes.LinkCancelled, "The payment link was cancelled, but money was received. Resolve: requeue to book it, or refund the customer and mark it failed.");
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "No Xero token for organisation {Organisation} ({Reason}); nothing is claimed, it is tried again in a moment")]
    partial void LogNoToken(Guid organisation, string reason);
}
