using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>
/// Looks at Xero before anything is sent a second time. A failed read is never "absent"; only one exact match is adopted.
/// </summary>
sealed partial class XeroLookUps(SyncQueue queue, XeroReads reads, Outcomes outcomes, Telemetry.Metrics metrics, ILogger<XeroLookUps> log)
{
    const int PageSize = 100;
    const int MostNotShown = 3;

    /// <summary>Whether Xero can be asked for it. It refuses a whole list for one id that cannot be one, and rows of an adopted database may have any text there.</summary>
    public static bool IsId(string id) => Guid.TryParseExact(id, "D", out _);

    /// <summary>Why Xero is not asked, and what to do.</summary>
    public static string NoId(string id) =>
        $"Its invoice is known as \"{id}\", which is no id of Xero's, so Xero cannot be asked and nothing is sent. Find out what is in Xero, book by hand what is missing, then mark this sync failed.";

    /// <summary>Invoices by their ids where known, else by our numbers: one call each way, at most 50 rows.</summary>
    public async Task VerifyInvoicesAsync(XeroSession session, IReadOnlyList<ClaimedSync> syncs, CallSlot slot, CancellationToken stopping)
    {
        CallSlot? next = slot;
        foreach (var group in (await SettleWithoutIdAsync(session, syncs)).GroupBy(sync => sync.XeroInvoiceId is not null).Select(group => group.ToList()))
        {
            next ??= await session.ReserveAsync(forLook: true, stopping);
            if (next is null)
            {
                await queue.GiveBackAsync(group, session.Owner, TimeSpan.Zero, CancellationToken.None);
                continue;
            }
            var read = await ReadAsync(session, group[0].XeroInvoiceId is not null ? ("IDs", group.Select(sync => sync.XeroInvoiceId!)) : ("InvoiceNumbers", group.Select(sync => sync.DocumentNumber)), next, stopping);
            next = null;
            if (read.Failure is { } failure)
            {
                await CompleteAsync(session, outcomes.Failed(group, "look", failure, settles: false));
                continue;
            }
            await CompleteAsync(session, group.Select(sync => JudgeInvoice(session, sync, read)));
        }
        if (next is not null)
            await session.GiveBackAsync(next);
    }

    /// <summary>
    /// Reads the invoices of payments and settles every payment that need not, or must not, be sent.
    /// </summary>
    /// <returns>The payments that may be sent: their invoice is open, carries nothing yet, and no request of theirs is.</returns>
    public async Task<List<ClaimedSync>> ReadForPaymentsAsync(XeroSession session, IReadOnlyList<ClaimedSync> syncs, CallSlot slot, CancellationToken stopping)
    {
        var askable = await SettleWithoutIdAsync(session, syncs);
        if (askable.Count == 0)
        {
            await session.GiveBackAsync(slot);
            return [];
        }
        var read = await ReadAsync(session, askable.Select(sync => sync.XeroInvoiceId!), slot, stopping);
        if (read.Failure is { } failure)
        {
            await CompleteAsync(session, askable.GroupBy(sync => sync.MustLookFirst).SelectMany(group => outcomes.Failed([.. group], "look", group.Key ? failure : Unsent(failure), settles: false)));
            return [];
        }
        foreach (var invoice in read.Invoices.Where(invoice => invoice.Id is not null))
            session.Saw(invoice);
        return await SettleFromSeenAsync(session, askable, read.IsWhole);
    }

    /// <summary>Judges payments by their invoices as this drain has read them; completes those that are settled by that.</summary>
    /// <returns>Those that may be sent.</returns>
    public async Task<List<ClaimedSync>> SettleFromSeenAsync(XeroSession session, IReadOnlyList<ClaimedSync> syncs, bool whole = true)
    {
        var judged = syncs.Select(sync => (Sync: sync, Result: JudgePayment(sync, session.Seen(sync.XeroInvoiceId), whole))).ToList();
        await CompleteAsync(session, judged.Select(pair => pair.Result).OfType<SyncResult>());
        return [.. judged.Where(pair => pair.Result is null).Select(pair => pair.Sync)];
    }

    /// <summary>Reads invoices by id, at most 50.</summary>
    public Task<Read> ReadAsync(XeroSession session, IEnumerable<string> ids, CallSlot slot, CancellationToken stopping) => ReadAsync(session, ("IDs", ids), slot, stopping);

    async Task<Read> ReadAsync(XeroSession session, (string Filter, IEnumerable<string> Values) by, CallSlot slot, CancellationToken stopping)
    {
        // Numbers that differ in case only are each asked for; an answer belongs to what was asked however it is spelt.
        var asked = by.Values.ToHashSet(StringComparer.Ordinal);
        // Always paged: unpaged lists leave out the payments.
        var reply = await reads.GetAsync(session, "Invoices", $"?{by.Filter}={string.Join(',', asked.Select(Uri.EscapeDataString))}&page=1&pageSize={PageSize}", slot, stopping);
        if (reply is XeroReply.Answered { Status: 200 } answered && XeroAnswer.Invoices(answered.Body) is { } invoices)
        {
            // A full page may be cut off, and who ignores our filter lists others first: what is not in such a list is not absent.
            var whole = invoices.Count < PageSize && invoices.All(invoice => asked.Contains((by.Filter == "IDs" ? invoice.Id : invoice.Number) ?? "", StringComparer.OrdinalIgnoreCase));
            if (!whole)
                LogNotWhole(invoices.Count, asked.Count);
            return new Read(invoices, whole, null);
        }
        LogNotRead(reply switch { XeroReply.Answered other => $"answer {other.Status}", XeroReply.Unknown unknown => unknown.Code, null => "no call left for the new token", _ => FailureCodes.Unreachable });
        return new Read([], false, reply switch
        {
            XeroReply.Answered { Status: 401 or 403 or 429 } refused => StatusFailures.Of(refused, session.NoToken) is { Kind: FailureKind.TRANSIENT } later ? later with { Kind = FailureKind.UNCERTAIN } : StatusFailures.Of(refused, session.NoToken),
            // As any row that the budget keeps waiting: due with the next call, no retry counted.
            null => NotReadable with { CountsAsRetry = false, RetryAfter = session.Wait },
            _ => NotReadable,
        });
    }

    /// <param name="IsWhole">What was asked for and is not in it was not there.</param>
    /// <param name="Failure">Nothing was read.</param>
    public sealed record Read(IReadOnlyList<XeroInvoice> Invoices, bool IsWhole, Failure? Failure);

    static Failure NotReadable => new(FailureKind.UNCERTAIN, FailureCodes.LookFailed, "Xero could not be read, so it is not known whether the document is there. It is looked up again.");

    /// <summary>Rows whose invoice is known by what is no id of Xero's are left to a person; the others that travel with them are asked for without them.</summary>
    /// <returns>The others.</returns>
    async Task<IReadOnlyList<ClaimedSync>> SettleWithoutIdAsync(XeroSession session, IReadOnlyList<ClaimedSync> syncs)
    {
        var askable = syncs.ToLookup(sync => sync.XeroInvoiceId is not { } id || IsId(id));
        await CompleteAsync(session, askable[false].Select(sync =>
            outcomes.Failed(sync, "look", new Failure(FailureKind.NEEDS_ACTION, FailureCodes.DocumentMissing, NoId(sync.XeroInvoiceId!)) { CountsAsRetry = false }, settles: false)));
        return [.. askable[true]];
    }

    /// <summary>Lists show new documents late: what we know to be there and do not see is looked for three more times before a person is asked.</summary>
    SyncResult NotShown(ClaimedSync sync, string document, bool whole)
    {
        if (sync.OpenRequestId is not null || !whole)
            return outcomes.Failed(sync, "look", sync.MustLookFirst ? NotReadable : Unsent(NotReadable), settles: false);
        var failure = sync.RetryCount < MostNotShown
            ? new Failure(FailureKind.TRANSIENT, FailureCodes.DocumentMissing, $"Xero does not show {document}. It is looked for again.") { RetryAfter = TimeSpan.FromSeconds(30) }
            : new Failure(FailureKind.NEEDS_ACTION, FailureCodes.DocumentMissing, $"Xero does not show {document}. See what became of it, then replay.");
        return outcomes.Failed(sync, "look", failure, settles: false);
    }

    /// <summary>The same failed read, for a payment that was never sent: nothing about it is uncertain.</summary>
    static Failure Unsent(Failure failure) => failure.Kind == FailureKind.UNCERTAIN ? failure with { Kind = FailureKind.TRANSIENT } : failure;

    static Failure NeedsAction(string code, string message) => new(FailureKind.NEEDS_ACTION, code, message) { CountsAsRetry = false };

    SyncResult JudgeInvoice(XeroSession session, ClaimedSync sync, Read read)
    {
        SyncResult Hold(string code, string message, XeroInvoice? invoice = null, bool settles = false) =>
            outcomes.Failed(sync, "look", NeedsAction(code, message), settles) with { Response = invoice is null ? null : XeroAnswer.Small(invoice) };

        var shown = read.Invoices.Where(invoice => sync.XeroInvoiceId is { } id ? invoice.Id == id : string.Equals(invoice.Number, sync.DocumentNumber, StringComparison.OrdinalIgnoreCase) && invoice.Type is null or "ACCREC").ToList();
        // Short codes may differ in case only, and Xero takes such numbers for the same: what bears ours in other letters is another link's or a person's.
        var found = shown.Where(invoice => sync.XeroInvoiceId is not null || invoice.Number == sync.DocumentNumber).ToList();
        // Of several, those that are void stand in nobody's way.
        if (found.Count > 1)
            found = found.Where(invoice => !invoice.IsGone).ToList() is { Count: > 0 } live ? live : found[..1];
        switch (found)
        {
            case [] when sync.XeroInvoiceId is not null:
                return NotShown(sync, $"invoice {sync.XeroInvoiceId} that this sync made", read.IsWhole);
            case [] when !read.IsWhole:
                return outcomes.Failed(sync, "look", NotReadable, settles: false);
            case [] when shown is [var other, ..]:
                var taken = NeedsAction(FailureCodes.DocumentMismatch, $"Xero has invoice {other.Number}, which for Xero is the number {sync.DocumentNumber} too. It is not ours: requeue with a new number.");
                return sync.NumberIsAStrangers ? outcomes.Failed(sync, "look", taken, settles: true) : outcomes.NotFound(sync, "look", taken);
            case [] when sync.NumberIsAStrangers:
                return outcomes.NotFound(sync, "look", NeedsAction(FailureCodes.DocumentMismatch,
                    $"Xero says that number {sync.DocumentNumber} is taken, and shows no invoice that bears it. It is not ours: requeue with a new number, or replay once the number is free."));
            case [] when sync.NumberIsTaken:
                return outcomes.Failed(sync, "look", new Failure(FailureKind.UNCERTAIN, FailureCodes.NumberTaken,
                    $"Xero says that number {sync.DocumentNumber} is taken, perhaps by this sync's own invoice, and does not show it yet. It is looked up again, and nothing is sent."), settles: false);
            case []:
                return Outcomes.NotFound(sync, "look");
            case [{ IsGone: true } gone]:
                // A number stays taken, so the open request made this one or can make none: its outcome is known.
                return Hold(FailureCodes.DocumentVoided, $"Invoice {gone.Number} is {gone.Status} in Xero. Resolve: requeue with a new number, or mark it failed.", gone, settles: true);
            case [var invoice]:
                var same = invoice.Total == sync.Amount && invoice.Currency == sync.Currency && invoice.Status is "AUTHORISED" or "PAID"
                           // What is found by its id is ours whatever the contact is called by now; an adopted one never bore our spelling.
                           && (sync.XeroInvoiceId is not null || string.Equals(invoice.Contact?.Trim(), XeroDocuments.Text(sync.Document, "contact"), StringComparison.OrdinalIgnoreCase));
                if (same && invoice.Id is not null)
                {
                    session.Saw(invoice);
                    LogAdopted(sync.Id, invoice.Number, invoice.Id);
                    return Outcomes.Succeeded(sync, "look", invoice.Id, XeroAnswer.Small(invoice));
                }
                return Hold(sync.XeroInvoiceId is null ? FailureCodes.DocumentMismatch : FailureCodes.TotalDiffers,
                    $"Xero has invoice {invoice.Number}, but {invoice.Status} over {invoice.Total} {invoice.Currency} for \"{invoice.Contact}\"; this sync is over {sync.Amount} {sync.Currency}. "
                    + (sync.NumberIsAStrangers ? "It is not ours: requeue with a new number." : $"Correct it in Xero, then {(sync.XeroInvoiceId is null ? "replay" : "requeue")}."), invoice, settles: sync.NumberIsAStrangers);
            default:
                return Hold(FailureCodes.SeveralMatches, $"Xero shows {found.Count} invoices numbered {sync.DocumentNumber}. Void all but one, then replay.");
        }
    }

    /// <returns>Null: it may be sent.</returns>
    SyncResult? JudgePayment(ClaimedSync sync, XeroInvoice? invoice, bool whole)
    {
        SyncResult Hold(string code, string message, bool settles = false) => outcomes.Failed(sync, "look", NeedsAction(code, message), settles);

        if (invoice is null)
            return NotShown(sync, $"invoice {sync.XeroInvoiceId} that this payment belongs to", whole);
        if (invoice.IsGone)
        {
            // For good, and Xero voids none that carries a payment: the open request brought none and can bring none.
            return Hold(FailureCodes.DocumentVoided, $"Invoice {invoice.Number} of this payment is {invoice.Status} in Xero and takes no payment any more. Book the money by hand, or refund it, and mark this one failed.", settles: true);
        }
        var own = invoice.Payments.Where(payment => payment.Reference == sync.DocumentNumber).ToList();
        if (own.Count > 1)
            return Hold(FailureCodes.SeveralMatches, $"Invoice {invoice.Number} carries {own.Count} payments with the reference {sync.DocumentNumber}. Delete all but one in Xero, then replay.");
        if (own is [{ Id: { } id } payment] && payment.Amount == sync.Amount)
        {
            LogAdopted(sync.Id, sync.DocumentNumber, id);
            return Outcomes.Succeeded(sync, "look", id, XeroAnswer.Small(payment with { InvoiceId = invoice.Id }));
        }
        if (invoice.Payments.Count > 0 && !sync.IsReleased(FailureCodes.AlreadyThere))
        {
            // What bears our reference over another amount may be what the open request made.
            var maybeOurs = sync.OpenRequestId is not null && own.Count > 0;
            var others = NeedsAction(FailureCodes.AlreadyThere, $"Invoice {invoice.Number} carries another payment already: {string.Join(", ", invoice.Payments.Select(other => $"{other.Amount} \"{other.Reference}\""))}. "
                + (maybeOurs ? "It may be ours over a wrong amount: delete it in Xero and requeue." : "Delete it in Xero and requeue, or mark this one failed."));
            if (sync.OpenRequestId is null || maybeOurs)
                return outcomes.Failed(sync, "look", others, settles: false);
            // It keeps ours out only while it stands: were it deleted, what is still on its way would land on a sync that a person has given up or sent anew.
            return invoice.HidesPayments ? outcomes.Failed(sync, "look", NotReadable, settles: false) : outcomes.NotFound(sync, "look", others);
        }
        if (sync.XeroPaymentId is not null)
            return NotShown(sync, $"payment {sync.XeroPaymentId} on invoice {invoice.Number}", whole);
        if (sync.OpenRequestId is not null)
            return invoice.HidesPayments ? outcomes.Failed(sync, "look", NotReadable, settles: false) : Outcomes.NotFound(sync, "look");
        if (invoice.Status != "AUTHORISED" || invoice.AmountDue < sync.Amount || invoice.Currency != sync.Currency)
        {
            return Hold(FailureCodes.AlreadyThere,
                $"Invoice {invoice.Number} is {invoice.Status} with {invoice.AmountDue} {invoice.Currency} due, so a payment of {sync.Amount} {sync.Currency} does not fit. Correct it in Xero, then resolve.");
        }
        return null;
    }

    async Task CompleteAsync(XeroSession session, IEnumerable<SyncResult> results)
    {
        var list = results.ToList();
        if (list.Count == 0)
            return;
        await queue.CompleteAsync(session.Organisation, list, session.Owner, new RequestOutcome(null, session.TenantId, "LOOKED", null, null, null), CancellationToken.None);
        metrics.Completed(list);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Xero already has {Number} of sync {SyncId}: adopting {XeroId}, nothing is sent")]
    partial void LogAdopted(Guid syncId, string? number, string xeroId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Xero listed {Invoices} invoices where {Asked} were asked for, others among them or cut off; what is not in the list stays unknown")]
    partial void LogNotWhole(int invoices, int asked);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Xero could not be read ({Problem}); what is not known stays unknown and is looked up again")]
    partial void LogNotRead(string problem);
}
