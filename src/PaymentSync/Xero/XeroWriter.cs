using System.Diagnostics;
using Microsoft.Extensions.Options;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>Writes to Xero: intent first, then those bytes, then each member's own outcome.</summary>
sealed partial class XeroWriter(IntentJournal journal, SyncQueue queue, XeroClient client, Outcomes outcomes, IOptions<XeroOptions> options,
    IOptions<Jobs.WorkerOptions> worker, Telemetry.Metrics metrics, ILogger<XeroWriter> log)
{
    /// <summary>Sends rows of one kind as one call. The slot is used up or given back.</summary>
    public async Task SendAsync(XeroSession session, XeroSyncType type, IReadOnlyList<ClaimedSync> syncs, CallSlot slot, CancellationToken stopping)
    {
        var resource = type == XeroSyncType.INVOICE ? "Invoices" : "Payments";
        var id = Guid.CreateVersion7();
        var intent = new Intent(id, session.Organisation, session.TenantId, $"PUT /{resource}", id.ToString("N"),
            type == XeroSyncType.INVOICE ? XeroDocuments.Invoices(syncs) : XeroDocuments.Payments(syncs), syncs);
        if (type == XeroSyncType.PAYMENT)
        {
            foreach (var sync in syncs)
                session.Forget(sync.XeroInvoiceId!);
        }

        var reply = await SendIntentAsync(session, resource, intent, slot);
        if (reply is null)
            return;
        metrics.XeroCalled(intent.Resource, reply);
        LogSent(intent.Resource, syncs.Count, intent.Id, Word(reply));
        await RecordAsync(session, type, intent, reply, stopping);
    }

    /// <returns>Null when nothing was sent because a member was no longer ours; everything is given back then.</returns>
    async Task<XeroReply?> SendIntentAsync(XeroSession session, string resource, Intent intent, CallSlot slot)
    {
        for (var renewed = false; ; renewed = true)
        {
            var intendedAt = Stopwatch.GetTimestamp();
            if (!await journal.CommitAsync(intent, session.Owner, worker.Value.RowLease, options.Value.CallTimeout, CancellationToken.None))
            {
                LogFenceLost(intent.Members.Count);
                await session.GiveBackAsync(slot);
                if (renewed)
                    await journal.WithdrawAsync(intent, session.Owner, new RequestOutcome(intent.Id, session.TenantId, "REFUSED", 401, null, null), CancellationToken.None);
                await queue.GiveBackAsync(intent.Members, session.Owner, TimeSpan.Zero, CancellationToken.None);
                return null;
            }
            var access = session.Access;
            // Not cancelled by a stop: an answer that is on its way is worth the wait, and the call has its own time-out.
            var reply = await client.PutAsync(resource, intent.Body, intent.IdempotencyKey, intendedAt, access, CancellationToken.None);
            await session.AnsweredAsync(slot, reply);
            // A 401 means nothing was done: the same bytes under the same key, once, with another token.
            if (reply is not XeroReply.Answered { Status: 401 } || renewed || !await session.RenewAsync(access, CancellationToken.None)
                || await session.ReserveAsync(CancellationToken.None) is not { } next)
            {
                return reply;
            }
            slot = next;
        }
    }

    async Task RecordAsync(XeroSession session, XeroSyncType type, Intent intent, XeroReply reply, CancellationToken stopping)
    {
        RequestOutcome Outcome(string outcome) => reply switch
        {
            XeroReply.Answered answered => new(intent.Id, session.TenantId, outcome, answered.Status, answered.Headers.CorrelationId, Compression.Compress(answered.Body)),
            XeroReply.Unknown unknown => new(intent.Id, session.TenantId, outcome, unknown.Status, unknown.Headers?.CorrelationId, null),
            _ => new(intent.Id, session.TenantId, outcome, null, null, null),
        };
        async Task Fail(string outcome, Failure failure, bool settles) =>
            await CompleteAsync(session, outcomes.Failed(intent.Members, "send", failure, settles), Outcome(outcome));

        switch (reply)
        {
            case XeroReply.NotSent notSent:
                await Fail("NOT_SENT", new Failure(FailureKind.TRANSIENT, FailureCodes.Unreachable, $"Xero could not be reached ({notSent.Reason}); nothing was sent."), settles: true);
                break;
            case XeroReply.Unknown unknown:
                await Fail("UNKNOWN", new Failure(FailureKind.UNCERTAIN, unknown.Code, $"{unknown.Reason} It is looked up before anything is sent again."), settles: false);
                break;
            case XeroReply.Answered { Status: >= 200 and < 300 } answered:
                var results = type == XeroSyncType.INVOICE ? ReadInvoices(session, intent.Members, answered.Body) : ReadPayments(intent.Members, answered.Body);
                await CompleteAsync(session, results, Outcome("ANSWERED"));
                break;
            case XeroReply.Answered { Status: 400 } answered when XeroAnswer.RefusalTexts(answered.Body).Any(text => text.Contains("is used with a different request", StringComparison.Ordinal)):
                await Fail("UNKNOWN", new Failure(FailureKind.UNCERTAIN, FailureCodes.KeyReused, "Xero knows the idempotency key with another request. It is looked up before anything is sent again."), settles: false);
                break;
            case XeroReply.Answered { Status: 400 or 413 } when intent.Members.Count > 1:
                // Refused as a whole, so nothing came of it: the halves go alone until the one that poisons the batch stands alone.
                await journal.WithdrawAsync(intent, session.Owner, Outcome("REFUSED"), CancellationToken.None);
                LogBisected(intent.Members.Count);
                var middle = intent.Members.Count / 2;
                await SendHalfAsync(session, type, [.. intent.Members.Take(middle)], stopping);
                await SendHalfAsync(session, type, [.. intent.Members.Skip(middle)], stopping);
                break;
            case XeroReply.Answered { Status: 400 } answered:
                var refusal = Refusals.Read(XeroAnswer.RefusalTexts(answered.Body));
                await Fail("REFUSED", refusal, settles: refusal.Kind != FailureKind.UNCERTAIN);
                break;
            case XeroReply.Answered { Status: >= 500 } answered:
                await Fail("UNKNOWN", new Failure(FailureKind.UNCERTAIN, FailureCodes.ServerError, $"Xero answered {answered.Status}. It is looked up before anything is sent again."), settles: false);
                break;
            case XeroReply.Answered answered:
                await Fail("REFUSED", StatusFailures.Of(answered, session.NoToken), settles: true);
                break;
        }
    }

    async Task SendHalfAsync(XeroSession session, XeroSyncType type, IReadOnlyList<ClaimedSync> half, CancellationToken stopping)
    {
        if (!stopping.IsCancellationRequested && await session.ReserveAsync(CancellationToken.None) is { } slot)
            await SendAsync(session, type, half, slot, stopping);
        else
            await queue.GiveBackAsync(half, session.Owner, TimeSpan.Zero, CancellationToken.None);
    }

    IEnumerable<SyncResult> ReadInvoices(XeroSession session, IReadOnlyList<ClaimedSync> syncs, byte[] body)
    {
        if (XeroAnswer.Invoices(body) is not { } invoices)
            return outcomes.Failed(syncs, "send", Unreadable, settles: false);
        var byNumber = invoices.ToLookup(invoice => invoice.Number, StringComparer.Ordinal);
        return [.. syncs.Select(sync => byNumber[sync.DocumentNumber].ToList() is [var invoice] ? Judge(session, sync, invoice) : outcomes.Failed(sync, "send", NotMentioned, settles: false))];
    }

    SyncResult Judge(XeroSession session, ClaimedSync sync, XeroInvoice invoice)
    {
        if (invoice.Id is null)
            return NotCreated(sync, invoice.Verdict);
        if (invoice.Verdict.HasErrors)
            return outcomes.Failed(sync, "send", Ambiguous, settles: false);
        if (invoice.Total != sync.Amount || invoice.AmountDue != sync.Amount || invoice.Currency != sync.Currency)
        {
            var failure = new Failure(FailureKind.NEEDS_ACTION, FailureCodes.TotalDiffers,
                $"Xero made invoice {invoice.Number} with a total of {invoice.Total} {invoice.Currency} and {invoice.AmountDue} due, but {sync.Amount} {sync.Currency} was paid. Correct it in Xero, then resolve.");
            return outcomes.Failed(sync, "send", failure, settles: true) with { XeroInvoiceId = invoice.Id, Response = XeroAnswer.Small(invoice) };
        }
        session.Saw(invoice);
        return Outcomes.Succeeded(sync, "send", invoice.Id, XeroAnswer.Small(invoice));
    }

    IEnumerable<SyncResult> ReadPayments(IReadOnlyList<ClaimedSync> syncs, byte[] body)
    {
        if (XeroAnswer.Payments(body) is not { } payments)
            return outcomes.Failed(syncs, "send", Unreadable, settles: false);
        var byReference = payments.ToLookup(payment => payment.Reference, StringComparer.Ordinal);
        return [.. syncs.Select(sync => byReference[sync.DocumentNumber].ToList() is [var payment] ? Judge(sync, payment) : outcomes.Failed(sync, "send", NotMentioned, settles: false))];
    }

    SyncResult Judge(ClaimedSync sync, XeroPayment payment)
    {
        if (payment.Id is null)
            return NotCreated(sync, payment.Verdict);
        if (payment.Verdict.HasErrors)
            return outcomes.Failed(sync, "send", Ambiguous, settles: false);
        if (payment.Amount == sync.Amount)
            return Outcomes.Succeeded(sync, "send", payment.Id, XeroAnswer.Small(payment));
        var failure = new Failure(FailureKind.NEEDS_ACTION, FailureCodes.TotalDiffers,
            $"Xero made payment {payment.Reference} over {payment.Amount}, but {sync.Amount} {sync.Currency} was paid. Correct it in Xero, then resolve.");
        return outcomes.Failed(sync, "send", failure, settles: true) with { XeroPaymentId = payment.Id, Response = XeroAnswer.Small(payment) };
    }

    SyncResult NotCreated(ClaimedSync sync, XeroVerdict verdict)
    {
        if (!verdict.HasErrors)
            return outcomes.Failed(sync, "send", new Failure(FailureKind.UNCERTAIN, FailureCodes.ZeroId, "Xero said yes but gave no id. It is looked up before anything is sent again."), settles: false);
        var refusal = Refusals.Read(verdict.Errors);
        return outcomes.Failed(sync, "send", refusal, settles: refusal.Kind != FailureKind.UNCERTAIN);
    }

    async Task CompleteAsync(XeroSession session, IEnumerable<SyncResult> results, RequestOutcome outcome)
    {
        var list = results.Select(result => result with { HttpStatus = outcome.HttpStatus, CorrelationId = outcome.CorrelationId }).ToList();
        var written = await queue.CompleteAsync(session.Organisation, list, session.Owner, outcome, CancellationToken.None);
        metrics.Completed(list);
        if (written < list.Count)
            LogLateWorker(list.Count - written, list.Count);
    }

    static string Word(XeroReply reply) => reply switch
    {
        XeroReply.Answered answered => $"answered {answered.Status}",
        XeroReply.NotSent notSent => $"not sent: {notSent.Reason}",
        XeroReply.Unknown unknown => $"{unknown.Code}, verifying before any re-send",
        _ => reply.GetType().Name,
    };

    static Failure Unreadable => new(FailureKind.UNCERTAIN, FailureCodes.AnswerUnreadable, "Xero's answer cannot be read. It is looked up before anything is sent again.");
    static Failure NotMentioned => new(FailureKind.UNCERTAIN, FailureCodes.NotMentioned, "Xero's answer does not mention this document once. It is looked up before anything is sent again.");
    static Failure Ambiguous => new(FailureKind.UNCERTAIN, FailureCodes.AnswerUnreadable, "Xero's answer names an id and errors at once. It is looked up before anything is sent again.");

    [LoggerMessage(Level = LogLevel.Information, Message = "{Resource} with {Documents} documents, request {RequestId}: {Reply}")]
    partial void LogSent(string resource, int documents, Guid requestId, string reply);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A lease among {Documents} claimed syncs was lost, or a link cancelled, before they were sent; nothing is sent, and what is still ours is claimed again")]
    partial void LogFenceLost(int documents);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Xero refused {Documents} documents as a whole; sending the halves alone")]
    partial void LogBisected(int documents);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The lease of {Lost} of {Documents} syncs was lost during the call; nothing is written about them, recovery looks them up")]
    partial void LogLateWorker(int lost, int documents);
}
