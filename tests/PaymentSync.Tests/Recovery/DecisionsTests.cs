using PaymentSync.Recovery;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Recovery;

/// <summary>The decisions as a table: what was found, what else is known, what is done.</summary>
public sealed class DecisionsTests
{
    static readonly TimeSpan Timeout = TimeSpan.FromHours(24);
    static readonly TimeSpan Long = TimeSpan.FromHours(24);
    static readonly TimeSpan Short = TimeSpan.FromHours(23);
    static readonly Guid Request = Guid.NewGuid();
    static readonly JournalAnswer Document = new JournalAnswer.Document("id", "{}", "tenant", Request);

    static readonly (string Words, Finding Found, string Decision)[] Table =
    [
        ("a lost lease, first time", Of(Kinds.LeaseExpired), "RESUME"),
        ("a lost lease, never sent, tried for less than the time-out", Of(Kinds.LeaseExpired) with { FirstTryAgo = Short, Tries = 99 }, "RESUME"),
        ("a lost lease, never sent, tried for the time-out", Of(Kinds.LeaseExpired) with { FirstTryAgo = Long }, "MARK_FAILED"),
        ("a lost lease with an open request, however old", Of(Kinds.LeaseExpired) with { FirstTryAgo = TimeSpan.FromDays(99), OpenRequestId = Request }, "RESUME"),
        ("a lost lease that was sent once, however old", Of(Kinds.LeaseExpired) with { FirstTryAgo = TimeSpan.FromDays(99), WasSent = true }, "RESUME"),
        ("a lost lease with an id, however old", Of(Kinds.LeaseExpired) with { FirstTryAgo = TimeSpan.FromDays(99), OwnXeroId = "id" }, "RESUME"),
        ("a lost look at a held row, however old", Of(Kinds.LeaseExpired) with { FirstTryAgo = TimeSpan.FromDays(99), IsHeld = true }, "RESUME"),
        ("a journal that is ahead, with the document", Of(Kinds.JournalAhead) with { Journal = Document, OpenRequestId = Request }, "REBUILD"),
        ("a journal that is ahead, with something else", Of(Kinds.JournalAhead) with { OpenRequestId = Request }, "RESUME"),
        ("SUCCESS without an id that the journal knows", Of(Kinds.SuccessWithoutId) with { Journal = Document }, "REBUILD"),
        ("SUCCESS without an id that nobody knows", Of(Kinds.SuccessWithoutId), "MANUAL_REVIEW"),
        ("a payment in Xero whose invoice is known", Of(Kinds.InvoiceBehindPayment) with { KnownXeroId = "id" }, "REBUILD"),
        ("a payment in Xero whose invoice is not known", Of(Kinds.InvoiceBehindPayment), "MANUAL_REVIEW payment.invoice_unknown"),
        ("a queued row without a document", Of(Kinds.DocumentMissing), "MANUAL_REVIEW settings.document_missing"),
        ("a document that cannot be read", Of(Kinds.DocumentUnreadable) with { OpenRequestId = Request }, "MANUAL_REVIEW payment.document_unreadable"),
        ("an open request without journal", Of(Kinds.RequestMissing) with { OpenRequestId = Request }, "RESUME"),
        ("an open request without journal, again and again", Of(Kinds.RequestMissing) with { OpenRequestId = Request, Tries = Decisions.MaxTries }, "MANUAL_REVIEW"),
        ("an id without SUCCESS", Of(Kinds.IdWithoutSuccess) with { OwnXeroId = "id" }, "RESUME"),
        ("an id without SUCCESS, again and again", Of(Kinds.IdWithoutSuccess) with { OwnXeroId = "id", Tries = Decisions.MaxTries }, "MANUAL_REVIEW"),
        ("a payment that waits for an invoice that is there", Of(Kinds.PaymentWaitsNeedlessly), "RESUME"),
        ("no connection although there is one", Of(Kinds.ConnectionIsBack), "RESUME"),
        ("no connection although there is one, again and again", Of(Kinds.ConnectionIsBack) with { Tries = Decisions.MaxTries }, "MANUAL_REVIEW"),
        ("a row that nobody moves", Of(Kinds.NotDue), "RESUME"),
        ("a row that nobody moves, never sent, tried for the time-out", Of(Kinds.NotDue) with { FirstTryAgo = Long }, "MARK_FAILED"),
        ("a row that nobody moves with an open request, however old", Of(Kinds.NotDue) with { FirstTryAgo = Long, OpenRequestId = Request }, "RESUME"),
        ("an event whose link is known now", Of(Kinds.LinkKnown), "RESUME"),
        ("a request that never completed", Of(Kinds.RequestUnfinished), "RESUME"),
        ("a link that was cancelled after its invoice", Of(Kinds.CancelledAfterInvoice), "MANUAL_REVIEW"),
        ("a drain lease whose holder is gone", Of(Kinds.DrainLeaseExpired), "CLEAN_UP"),
        ("a call slot whose holder is gone", Of(Kinds.CallSlotAbandoned), "CLEAN_UP"),
        ("an authorisation that never came back", Of(Kinds.OAuthStateExpired), "CLEAN_UP"),
        ("a recovery that was killed", Of(Kinds.RunUnfinished), "CLEAN_UP"),
    ];

    static Finding Of(string kind) => new(kind, "sync:1");

    [Fact]
    public void Each_finding_has_the_decision_that_the_table_says()
    {
        foreach (var (words, found, expected) in Table)
        {
            var decision = Decisions.Of(found, Timeout);
            (decision.Hold is null ? decision.Action.ToString() : $"{decision.Action} {decision.Hold}").ShouldBe(expected, words);
            decision.Why.ShouldEndWith(".", Case.Sensitive, words);
        }
    }

    [Fact]
    public void Every_kind_that_is_scanned_for_is_in_the_table() =>
        Scans.All.Select(scan => scan.Kind).Distinct().Except(Table.Select(row => row.Found.Kind)).ShouldBeEmpty();

    [Fact]
    public void What_may_be_in_Xero_is_never_given_up()
    {
        foreach (var scan in Scans.All)
        {
            foreach (var found in new[] { Of(scan.Kind) with { OpenRequestId = Request }, Of(scan.Kind) with { OwnXeroId = "id" }, Of(scan.Kind) with { WasSent = true } })
                Decisions.Of(found with { FirstTryAgo = TimeSpan.MaxValue }, Timeout).Action.ShouldNotBe(RecoveryAction.MARK_FAILED, found.ToString());
        }
    }
}
