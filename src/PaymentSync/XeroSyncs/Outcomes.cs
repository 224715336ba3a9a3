namespace PaymentSync.XeroSyncs;

/// <summary>The one place that decides what an outcome means for the row: its state, when it is due again, and whether its open request is settled.</summary>
sealed class Outcomes(Random chance)
{
    static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(30);

    public static SyncResult Succeeded(ClaimedSync sync, string stage, string xeroId, string response) => new(sync, XeroSyncStatus.SUCCESS, "SUCCESS")
    {
        Stage = stage,
        SettlesOpenRequest = true,
        XeroInvoiceId = sync.SyncType == XeroSyncType.INVOICE ? xeroId : null,
        XeroPaymentId = sync.SyncType == XeroSyncType.PAYMENT ? xeroId : null,
        Response = response,
    };

    /// <param name="settles">Whether it is now known that the open request brought nothing for this row (or there is none).</param>
    public IEnumerable<SyncResult> Failed(IReadOnlyCollection<ClaimedSync> syncs, string stage, Failure failure, bool settles)
    {
        // One draw for all: members of an open request stay together, so that one look-up serves them all.
        var draw = chance.NextDouble();
        return syncs.Select(sync => Failed(sync, stage, failure, settles, draw));
    }

    public SyncResult Failed(ClaimedSync sync, string stage, Failure failure, bool settles) => Failed(sync, stage, failure, settles, chance.NextDouble());

    static SyncResult Failed(ClaimedSync sync, string stage, Failure failure, bool settles, double draw)
    {
        var result = new SyncResult(sync, XeroSyncStatus.FAILED, failure.Kind.ToString())
        {
            Stage = stage,
            FailureKind = failure.Kind,
            FailureCode = failure.Code,
            Message = failure.Message,
            CountsAsRetry = failure.CountsAsRetry,
            SettlesOpenRequest = settles,
        };
        switch (failure.Kind)
        {
            case FailureKind.TRANSIENT when !failure.CountsAsRetry:
                return result with { Status = XeroSyncStatus.PENDING, DueIn = failure.RetryAfter ?? BackOff.Look(0, draw) };
            case FailureKind.TRANSIENT:
                var wait = BackOff.Transient(sync.RetryCount, draw);
                return result with { DueIn = wait is null ? null : Longer(wait.Value, failure.RetryAfter) };
            case FailureKind.UNCERTAIN:
                // Never given up by age. Without an open request of its own (a refusal that means "it is there already" of a first send) it has one: the refused one.
                return result with { DueIn = Longer(BackOff.Look(sync.RetryCount, draw), failure.RetryAfter), SettlesOpenRequest = false };
            default:
                return result;
        }
    }

    /// <summary>
    /// A look that read Xero and did not find the document. It says something only when it began after the request could no longer
    /// land, and is complete only when a second such look, at least 30 s later, agrees; then the row may be sent anew.
    /// </summary>
    public static SyncResult NotFound(ClaimedSync sync, string stage)
    {
        if (sync.AbsentCountsFrom is not { } countsFrom)
            throw new InvalidOperationException($"Sync {sync.Id} was looked up as absent without an open request.");
        var result = new SyncResult(sync, XeroSyncStatus.FAILED, "NOT_FOUND")
        {
            Stage = stage,
            FailureKind = FailureKind.UNCERTAIN,
            FailureCode = FailureCodes.NotSeenYet,
            Message = "Xero does not show the document yet. It is looked up again before anything is sent.",
        };
        if (sync.ClaimedAt < countsFrom)
            return result with { DueIn = countsFrom - sync.ClaimedAt };
        if (sync.AbsentSince is not { } since)
            return result with { AbsentSeen = true, DueIn = LookAgainAfter };
        var seenFor = sync.ClaimedAt - since;
        if (seenFor < LookAgainAfter)
            return result with { DueIn = LookAgainAfter - seenFor };
        return new SyncResult(sync, XeroSyncStatus.PENDING, "ABSENT") { Stage = stage, SettlesOpenRequest = true, DueIn = TimeSpan.Zero };
    }

    /// <summary>
    /// The same where something else in Xero stands in its way: once the look-up is complete a person is asked, instead of sending anew
    /// what Xero must refuse. Not sooner, since until then the open request may still land.
    /// </summary>
    public SyncResult NotFound(ClaimedSync sync, string stage, Failure instead)
    {
        var looked = NotFound(sync, stage);
        return looked.SettlesOpenRequest ? Failed(sync, stage, instead, settles: true) with { Outcome = looked.Outcome } : looked;
    }

    /// <summary>A payment whose invoice is not in Xero yet: it waits for that, without a try counted.</summary>
    public static SyncResult WaitsForInvoice(ClaimedSync sync) =>
        new(sync, XeroSyncStatus.PENDING, "WAITS") { Stage = "claim", FailureCode = FailureCodes.WaitingForInvoice };

    static TimeSpan Longer(TimeSpan ours, TimeSpan? theirs) => theirs > ours ? theirs.Value : ours;
}
