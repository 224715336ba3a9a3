using System.Diagnostics;

namespace PaymentSync.Recovery;

/// <summary>The one place that decides what is done about what was found. Pure: it reads the finding and nothing else.</summary>
static class Decisions
{
    /// <summary>Brought back so often for the same reason within the time-out, a row needs a person, not another try.</summary>
    public const int MaxTries = 3;

    public static RecoveryDecision Of(Finding found, TimeSpan timeout) => found switch
    {
        { Kind: Kinds.LeaseExpired, IsHeld: true } => Resume("Whoever looked it up in Xero is gone: it is held as before, and looked up again."),
        { Kind: Kinds.LeaseExpired or Kinds.NotDue, MayBeInXero: false } when found.FirstTryAgo >= timeout =>
            new(RecoveryAction.MARK_FAILED, $"It was never sent, and recovery has tried to bring it back for {Hours(timeout)}. Look at its attempts, mend the cause, then replay."),
        { Kind: Kinds.LeaseExpired, OpenRequestId: not null } => Resume("Its worker is gone, and a request of it is open: it is looked up before anything is sent."),
        { Kind: Kinds.LeaseExpired } => Resume("Its worker is gone; it is due again."),
        { Kind: Kinds.JournalAhead or Kinds.SuccessWithoutId, Journal: JournalAnswer.Document answer } =>
            new(RecoveryAction.REBUILD, $"The journal holds Xero's answer with {answer.XeroId}: adopted, nothing is sent."),
        { Kind: Kinds.SuccessWithoutId } =>
            Review("It is SUCCESS without the id of its document, and the journal does not know it. Find the document in Xero and adopt its id."),
        { Kind: Kinds.InvoiceBehindPayment, KnownXeroId: { } invoice } =>
            new(RecoveryAction.REBUILD, $"Its payment is in Xero on invoice {invoice}: the id is taken over and verified, the invoice is not sent again."),
        { Kind: Kinds.InvoiceBehindPayment } =>
            Review("Its payment is in Xero, so an invoice is too, but nobody knows which. Find it in Xero and adopt its id.", hold: "payment.invoice_unknown"),
        { Kind: Kinds.DocumentMissing } =>
            Review("It has no document that could be sent. Save the organisation's settings (PUT /api/organizations/{id}): that builds what is missing.", hold: "settings.document_missing"),
        { Kind: Kinds.DocumentUnreadable } =>
            Review("Its frozen document cannot be read, so it can be neither sent nor compared. Book it by hand and adopt the id, or mark it failed.", hold: "payment.document_unreadable"),
        { Kind: Kinds.CancelledAfterInvoice } =>
            Review("The payment link was cancelled after its invoice was in Xero. The payment is booked all the same, since money was received; refund it, or leave it."),
        { Kind: Kinds.RequestUnfinished } => Resume("The process that sent it is gone, so what came of it is not known: its syncs are looked up before anything is sent."),
        { Kind: Kinds.DrainLeaseExpired } => CleanUp("Whoever drained this organisation is gone; the next drain may begin at once."),
        { Kind: Kinds.CallSlotAbandoned } => CleanUp("Who reserved this call is gone, and the call's time is over."),
        { Kind: Kinds.OAuthStateExpired } => CleanUp("The authorisation was begun and never came back."),
        { Kind: Kinds.RunUnfinished } => CleanUp("The node that ran this recovery is gone; what it did stands, and its report is closed."),
        { Tries: >= MaxTries } => Review($"Recovery brought it back {found.Tries} times within {Hours(timeout)}, and it is here again. See its attempts."),
        { Kind: Kinds.JournalAhead } => Resume("The journal says that Xero answered, but the answer does not settle this sync: it is looked up."),
        { Kind: Kinds.RequestMissing } => Resume("Its open request is not in the journal: an entry is put in its place, so that it can be looked up before anything is sent."),
        { Kind: Kinds.IdWithoutSuccess } => Resume("It has the id of its document but is not SUCCESS: the document is looked up, nothing is sent."),
        { Kind: Kinds.PaymentWaitsNeedlessly } => Resume("It waits for an invoice that is in Xero already; it is due now."),
        { Kind: Kinds.ConnectionIsBack } => Resume("It waits for a connection that is there already; it is due now."),
        { Kind: Kinds.NotDue, MayBeInXero: true } => Resume("It has no time for its next try although nobody else moves next; it is looked up now where it may be in Xero."),
        { Kind: Kinds.NotDue } => Resume("It has no time for its next try although nobody else moves next; it is due now."),
        { Kind: Kinds.LinkKnown } => Resume("The payment link that this event names is known now: the event is heard again."),
        _ => throw new UnreachableException($"Nothing decides about {found.Kind}."),
    };

    static RecoveryDecision Resume(string why) => new(RecoveryAction.RESUME, why);

    static RecoveryDecision Review(string why, string? hold = null) => new(RecoveryAction.MANUAL_REVIEW, why, hold);

    static RecoveryDecision CleanUp(string why) => new(RecoveryAction.CLEAN_UP, why);

    static string Hours(TimeSpan time) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} h");
}
