using System.Diagnostics;
using Microsoft.Extensions.Options;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>Writes to Xero: intent first, then those bytes, then each member's own outcome.</summary>
sealed partial class XeroWriter(IntentJournal journal, SyncQueue queue, IXeroAccounting client, Outcomes outcomes, IOptions<XeroOptions> options,
    IOptions<Jobs.WorkerOptions> worker, Telemetry.Metrics metrics, ILogger<XeroWriter> log)
{
    static readonly TimeSpan ApartWithoutCalls = TimeSpan.FromMinutes(2);

    /// <summary>Sends rows of one kind as one call, or as several where Xero takes them only so. The slot is used up or given back.</summary>
    public Task SendAsync(XeroSession session, XeroSyncType type, IReadOnlyList<ClaimedSync> syncs, CallSlot slot, CancellationToken stopping) =>
        SendAsync(session, type, syncs, slot, new Bisection(), stopping);

    async Task SendAsync(XeroSession session, XeroSyncType type, IReadOnlyList<ClaimedSync> syncs, CallSlot slot, Bisection bisection, CancellationToken stopping)
    {
        var body = type == XeroSyncType.INVOICE ? XeroDocuments.Invoices(syncs) : XeroDocuments.Payments(syncs);
        if (body.Length > options.Value.LongestBody && syncs.Count > 1)
        {
            await SendAsync(session, type, [.. syncs.Take(syncs.Count / 2)], slot, bisection, stopping);
            await SendPartAsync(session, type, [.. syncs.Skip(syncs.Count / 2)], bisection, TimeSpan.Zero, stopping);
            return;
        }
        var resource = type == XeroSyncType.INVOICE ? "Invoices" : "Payments";
        var id = Guid.CreateVersion7();
        var intent = new Intent(id, session.Organisation, session.TenantId, $"PUT /{resource}", id.ToString("N"), body, syncs);
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
        await RecordAsync(session, type, intent, reply, bisection, stopping);
    }

    /// <returns>Null when nothing came of it: a member was no longer ours, or our token had ended and no call was left to send with the new one. Everything is given back then.</returns>
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
                    await WithdrawAsync();
                await queue.GiveBackAsync(intent.Members, session.Owner, TimeSpan.Zero, CancellationToken.None);
                return null;
            }
            var access = session.Access;
            // Not cancelled by a stop: an answer that is on its way is worth the wait, and the call has its own time-out.
            var reply = await client.PutAsync(resource, intent.Body, intent.IdempotencyKey, intendedAt, access, CancellationToken.None);
            await session.AnsweredAsync(slot, reply);
            // A 401 means nothing was done: the same bytes under the same key, once, with another token.
            if (reply is not XeroReply.Answered { Status: 401 } || renewed || !await session.RenewAsync(access, CancellationToken.None))
                return reply;
            if (await session.ReserveAsync(CancellationToken.None) is not { } next)
            {
                await WithdrawAsync();
                await queue.GiveBackAsync(intent.Members, session.Owner, session.Wait ?? TimeSpan.Zero, CancellationToken.None);
                return null;
            }
            slot = next;
        }

        Task WithdrawAsync() => journal.WithdrawAsync(intent, session.Owner, new RequestOutcome(intent.Id, session.TenantId, "REFUSED", 401, null, null), CancellationToken.None);
    }

    async Task RecordAsync(XeroSession session, XeroSyncType type, Intent intent, XeroReply reply, Bisection bisection, CancellationToken stopping)
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
                bisection.Accepted = true;
                await CompleteAsync(session, ReadElements(session, type, intent.Members, answered.Body), Outcome("ANSWERED"));
                break;
            case XeroReply.Answered { Status: 400 } answered when XeroAnswer.RefusalTexts(answered.Body).Any(text => text.Contains("is used with a different request", StringComparison.Ordinal)):
                await Fail("UNKNOWN", new Failure(FailureKind.UNCERTAIN, FailureCodes.KeyReused, "Xero knows the idempotency key with another request. It is looked up before anything is sent again."), settles: false);
                break;
            case XeroReply.Answered { Status: 400 } answered when intent.Members.Count > 1 && XeroAnswer.NamesElements(answered.Body):
                // Xero names the bad ones only, and may have made the others: they are looked up.
                await CompleteAsync(session, ReadElements(session, type, intent.Members, answered.Body), Outcome("ANSWERED"));
                break;
            case XeroReply.Answered answered when StatusFailures.RefusesAsAWhole(answered.Status) && intent.Members.Count > 1:
                if (bisection.IsHopeless)
                {
                    LogGivenUp(intent.Members.Count, answered.Status, Bisection.MostRefusals);
                    await Fail("REFUSED", new Failure(FailureKind.TRANSIENT, FailureCodes.BatchRefused, $"Xero answered {answered.Status} to the whole request, whatever was in it. It is tried again; see the journal for its answer."), settles: true);
                    break;
                }
                // Refused as a whole, so nothing came of it: the halves go alone until the one that poisons the batch stands alone.
                bisection.Refusals++;
                await journal.WithdrawAsync(intent, session.Owner, Outcome("REFUSED"), CancellationToken.None);
                LogBisected(intent.Members.Count);
                var middle = intent.Members.Count / 2;
                await SendPartAsync(session, type, [.. intent.Members.Take(middle)], bisection, TimeSpan.Zero, stopping);
                await SendPartAsync(session, type, [.. intent.Members.Skip(middle)], bisection, ApartWithoutCalls, stopping);
                break;
            case XeroReply.Answered { Status: 400 } answered:
                var refusal = Refusals.Read(XeroAnswer.RefusalTexts(answered.Body));
                await Fail("REFUSED", refusal, settles: refusal.Kind != FailureKind.UNCERTAIN);
                break;
            case XeroReply.Answered { Status: >= 500 or 408 } answered:
                await Fail("UNKNOWN", new Failure(FailureKind.UNCERTAIN, FailureCodes.ServerError, $"Xero answered {answered.Status}. It is looked up before anything is sent again."), settles: false);
                break;
            case XeroReply.Answered answered:
                await Fail("REFUSED", StatusFailures.Of(answered, session.NoToken), settles: true);
                break;
        }
    }

    /// <param name="apart">After which it is due again when there is no call for it: with its other half it would only be refused once more.</param>
    async Task SendPartAsync(XeroSession session, XeroSyncType type, IReadOnlyList<ClaimedSync> part, Bisection bisection, TimeSpan apart, CancellationToken stopping)
    {
        // The reserve may be used: what stands between the good rows and Xero is found in a dozen calls at most.
        if (!stopping.IsCancellationRequested && await session.ReserveAsync(forLook: true, CancellationToken.None) is { } slot)
            await SendAsync(session, type, part, slot, bisection, stopping);
        else
            await queue.GiveBackAsync(part, session.Owner, apart, CancellationToken.None);
    }

    List<SyncResult> ReadElements(XeroSession session, XeroSyncType type, IReadOnlyList<ClaimedSync> syncs, byte[] body) => type == XeroSyncType.INVOICE
        ? ReadElements(syncs, XeroAnswer.Invoices(body), invoice => invoice.Number, (sync, invoice) => Judge(session, sync, invoice))
        : ReadElements(syncs, XeroAnswer.Payments(body), payment => payment.Reference, Judge);

    /// <summary>By our own number or reference, never by position.</summary>
    List<SyncResult> ReadElements<T>(IReadOnlyList<ClaimedSync> syncs, List<T>? elements, Func<T, string?> name, Func<ClaimedSync, T, SyncResult> judge)
    {
        if (elements is null)
            return [.. outcomes.Failed(syncs, "send", Unreadable, settles: false)];
        var byName = elements.ToLookup(name, StringComparer.Ordinal);
        var judged = syncs.ToLookup(sync => byName[sync.DocumentNumber].Take(2).Count() == 1);
        return [.. judged[true].Select(sync => judge(sync, byName[sync.DocumentNumber].Single())), .. outcomes.Failed([.. judged[false]], "send", NotMentioned, settles: false)];
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
        list.ForEach(session.Learn);
        metrics.Completed(list);
        if (written < list.Count)
            LogLateWorker(list.Count - written, list.Count);
    }

    /// <summary>What one claim's calls have told of batches that are refused as a whole.</summary>
    sealed class Bisection
    {
        public const int MostRefusals = 16;
        public int Refusals { get; set; }
        public bool Accepted { get; set; }
        /// <summary>One poisoned row, or several, leave something that is taken; what refuses everything is no poison, and 99 calls would not find it.</summary>
        public bool IsHopeless => !Accepted && Refusals >= MostRefusals;
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

    [LoggerMessage(Level = LogLevel.Error, Message = "Xero refused {Documents} documents as a whole with {Status}, as it did {Refusals} smaller requests: no document is to blame, they wait for their back-off")]
    partial void LogGivenUp(int documents, int status, int refusals);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The lease of {Lost} of {Documents} syncs was lost during the call; nothing is written about them, recovery looks them up")]
    partial void LogLateWorker(int lost, int documents);
}
