using PaymentSync.XeroSyncs;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSyncs;

public sealed class OutcomesTests
{
    static readonly DateTime Sent = new(2026, 7, 30, 12, 0, 0, DateTimeKind.Utc);

    static ClaimedSync Sync(double lookedAfter, double? absentSince = null, int retries = 0) => new()
    {
        Id = Guid.NewGuid(),
        PaymentLinkId = Guid.NewGuid(),
        SyncType = XeroSyncType.INVOICE,
        Attempt = 2,
        Amount = 120,
        Currency = "GBP",
        DocumentNumber = "PL-1",
        Document = default,
        TenantId = "tenant",
        OpenRequestId = Guid.NewGuid(),
        AbsentCountsFrom = Sent + TimeSpan.FromSeconds(120), // T = 60 s
        AbsentSince = absentSince is { } since ? Sent + TimeSpan.FromSeconds(since) : null,
        Released = [],
        XeroInvoiceId = null,
        XeroPaymentId = null,
        RetryCount = retries,
        FailureCode = null,
        NumberIsAStrangers = false,
        LinkCancelled = false,
        Trigger = "VERIFY",
        ClaimedAt = Sent + TimeSpan.FromSeconds(lookedAfter),
    };

    [Theory]
    [InlineData(5, null, false, 115)]
    [InlineData(119.999, null, false, 0.001)]
    [InlineData(120, null, true, 30)]
    [InlineData(500, null, true, 30)]
    [InlineData(149.999, 120.0, false, 0.001)]
    public void A_look_that_finds_nothing_counts_from_T_and_a_minute_after_the_send_and_needs_a_second_half_a_minute_later(double lookedAfter, double? absentSince, bool counts, double againIn)
    {
        var result = Outcomes.NotFound(Sync(lookedAfter, absentSince), "look");
        result.ShouldSatisfyAllConditions(r => r.Status.ShouldBe(XeroSyncStatus.FAILED), r => r.FailureKind.ShouldBe(FailureKind.UNCERTAIN), r => r.SettlesOpenRequest.ShouldBeFalse(), r => r.AbsentSeen.ShouldBe(counts),
            r => r.DueIn!.Value.TotalSeconds.ShouldBe(againIn, 0.0001), r => r.CountsAsRetry.ShouldBeFalse());
    }

    [Theory]
    [InlineData(150, 120)]
    [InlineData(5000, 121)]
    public void The_second_countable_look_completes_the_look_up_and_the_row_may_be_sent_anew(double lookedAfter, double absentSince) =>
        Outcomes.NotFound(Sync(lookedAfter, absentSince), "look").ShouldSatisfyAllConditions(r => r.Status.ShouldBe(XeroSyncStatus.PENDING), r => r.Outcome.ShouldBe("ABSENT"), r => r.SettlesOpenRequest.ShouldBeTrue(),
            r => r.DueIn.ShouldBe(TimeSpan.Zero));

    [Theory]
    [InlineData(5, null, "NOT_FOUND")]
    [InlineData(120, null, "NOT_FOUND")]
    [InlineData(149.999, 120.0, "NOT_FOUND")]
    [InlineData(150, 120.0, "ABSENT")]
    public void What_something_else_keeps_out_is_held_for_a_person_once_it_is_absent_and_not_sooner(double lookedAfter, double? absentSince, string outcome)
    {
        var instead = new Failure(FailureKind.NEEDS_ACTION, "payment.already_there", "There is another.") { CountsAsRetry = false };
        new Outcomes(new Random(7)).NotFound(Sync(lookedAfter, absentSince), "look", instead).ShouldSatisfyAllConditions(r => r.Status.ShouldBe(XeroSyncStatus.FAILED), r => r.Outcome.ShouldBe(outcome),
            r => r.FailureKind.ShouldBe(outcome == "ABSENT" ? FailureKind.NEEDS_ACTION : FailureKind.UNCERTAIN), r => r.SettlesOpenRequest.ShouldBe(outcome == "ABSENT"), r => (r.DueIn is null).ShouldBe(outcome == "ABSENT"),
            r => r.CountsAsRetry.ShouldBeFalse());
    }

    [Theory]
    [InlineData(0, 5)]
    [InlineData(3, 40)]
    [InlineData(12, 900)]
    [InlineData(100_000, 900)]
    public void What_is_not_known_is_looked_up_for_ever_at_the_latest_every_15_minutes(int retries, double atMost)
    {
        var failed = new Outcomes(new Random(7)).Failed(Sync(5, retries: retries), "look", new Failure(FailureKind.UNCERTAIN, "xero.look_failed", "No."), settles: true);
        failed.ShouldSatisfyAllConditions(r => r.Status.ShouldBe(XeroSyncStatus.FAILED), r => r.SettlesOpenRequest.ShouldBeFalse("an unknown outcome is never settled"), r => r.DueIn!.Value.TotalSeconds.ShouldBeInRange(atMost / 2, atMost));
    }

    [Fact]
    public void What_is_transient_ends_as_a_dead_letter_after_twelve_retries()
    {
        var outcomes = new Outcomes(new Random(7));
        outcomes.Failed(Sync(5, retries: 11), "send", new Failure(FailureKind.TRANSIENT, "xero.unreachable", "No."), settles: true).DueIn.ShouldNotBeNull();
        outcomes.Failed(Sync(5, retries: 12), "send", new Failure(FailureKind.TRANSIENT, "xero.unreachable", "No."), settles: true).DueIn.ShouldBeNull();
    }
}
