using System.Globalization;
using PaymentSync.StripeWebhooks;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.StripeWebhooks;

/// <summary>Realistic event bodies, read as they lie. Every file has its expected reading here, in one line.</summary>
public sealed class StripeSampleTests
{
    private const string Other = "not of interest";
    private const string NoEvent = "unusable: This is an object of Stripe's, but no event.";

    private const string ExpiredSession = "cs_test_SampleB00000000000000000000000000000000000000000000000002";

    /// <summary>File → fact, payment, amount, our link, Stripe's link.</summary>
    public static TheoryData<string, string> Samples => new()
    {
        { "checkout.session.completed.json", "Paid pi_000000000000000000000000 30.00 USD - -" },
        { "checkout.session.async_payment_succeeded.json", "Paid pi_3SampleB0000000000000001 30.00 EUR - plink_1SampleB000000000000001" },
        { "checkout.session.async_payment_failed.json", "Failed pi_3SampleB0000000000000001 30.00 EUR - plink_1SampleB000000000000001" },
        { "checkout.session.expired.json", $"Expired {ExpiredSession} 30.00 EUR - plink_1SampleB000000000000001" },
        { "payment_intent.succeeded.json", "Paid pi_000000000000000000000000 20.00 USD - -" },
        { "payment_intent.payment_failed.json", "Failed pi_000000000000000000000000 20.00 USD - -" },
        { "modern/A2.payment_intent.succeeded.json", "Paid pi_3SampleA0000000000000001 120.00 GBP - -" },
        { "modern/A3.checkout.session.completed.json", "Paid pi_3SampleA0000000000000001 120.00 GBP - plink_1SampleA000000000000001" },
        { "modern/B1.checkout.session.completed.unpaid.json", "Unpaid pi_3SampleB0000000000000001 30.00 EUR - plink_1SampleB000000000000001" },
        { "modern/B9.checkout.session.expired.json", $"Expired {ExpiredSession} 30.00 EUR - plink_1SampleB000000000000001" },

        { "balance.available.json", Other },
        { "charge.captured.json", Other },
        { "charge.dispute.closed.json", Other },
        { "charge.dispute.created.json", Other },
        { "charge.dispute.funds_reinstated.json", Other },
        { "charge.dispute.funds_withdrawn.json", Other },
        { "charge.expired.json", Other },
        { "charge.failed.json", Other },
        { "charge.pending.json", Other },
        { "charge.refund.updated.json", Other },
        { "charge.refunded.json", Other },
        { "charge.succeeded.json", Other },
        { "charge.updated.json", Other },
        { "payment_intent.canceled.json", Other },
        { "payment_intent.created.json", Other },
        { "payment_intent.processing.json", Other },
        { "payment_link.created.json", Other },
        { "payout.created.json", Other },
        { "payout.failed.json", Other },
        { "payout.paid.json", Other },
        { "payout.reconciliation_completed.json", Other },
        { "payout.updated.json", Other },
        { "refund.created.json", Other },
        { "refund.failed.json", Other },
        { "refund.updated.json", Other },
        { "modern/A1.charge.succeeded.json", Other },
        { "modern/A4.charge.updated.json", Other },
        { "modern/A5.refund.created.json", Other },
        { "modern/A6.charge.refunded.partial.json", Other },
        { "modern/A7.refund.updated.json", Other },
        { "modern/A8.refund.failed.json", Other },
        { "modern/A9.charge.refunded.second_partial.json", Other },
        { "modern/B2.payment_intent.processing.json", Other },
        { "modern/B3.charge.pending.json", Other },
        { "modern/E1.payout.created.json", Other },
        { "modern/E2.payout.reconciliation_completed.json", Other },

        // What Stripe's API answers: objects, not events. Signed by mistake they must not pass for one.
        { "modern/api/balance_transaction.A.charge.json", NoEvent },
        { "modern/api/balance_transaction.A.refund.json", NoEvent },
        { "modern/api/balance_transaction.A.refund_failure.json", NoEvent },
        { "modern/api/balance_transaction.B.payment.json", NoEvent },
        { "modern/api/balance_transaction.B.payment_failure_refund.json", NoEvent },
        { "modern/api/balance_transaction.C.charge.fx.json", NoEvent },
        { "modern/api/balance_transaction.C.refund.fx.json", NoEvent },
        { "modern/api/balance_transaction.E.payout_failure.json", NoEvent },
        { "modern/api/balance_transactions.list.payout.json", NoEvent },
        { "modern/api/charge.A.expanded.json", NoEvent },
        { "modern/api/events.list.json", NoEvent },
    };

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_sample_reads_as_expected(string file, string expected) => Summary(StripeEventReader.Read(Bytes(file))).ShouldBe(expected);

    [Fact]
    public void Every_sample_has_an_expectation_and_a_sound_signature_over_its_exact_bytes()
    {
        var folder = Path.Combine(SharedData.RequireFolder(), "stripe-events");
        var files = Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/')).Order(StringComparer.Ordinal).ToList();
        files.ShouldBe(Samples.Select(row => row.Data.Item1).Order(StringComparer.Ordinal));

        var now = DateTimeOffset.FromUnixTimeSeconds(1785400000);
        var signature = new StripeSignature(["whsec_sample"]);
        foreach (var file in files)
        {
            var body = Bytes(file);
            signature.Verify(SignedStripeEvent.Sign(body, "whsec_sample", 1785400000), body, now).ShouldBe(StripeSignatureResult.Valid, file);
        }
    }

    [Fact]
    public void An_intent_and_its_session_tell_the_same_payment()
    {
        var intent = StripeEventReader.Read(Bytes("modern/A2.payment_intent.succeeded.json")).ShouldBeOfType<StripeConfirmation>();
        var session = StripeEventReader.Read(Bytes("modern/A3.checkout.session.completed.json")).ShouldBeOfType<StripeConfirmation>();
        (intent.Account, intent.ProviderPaymentId, intent.Fact, intent.Amount, intent.Currency)
            .ShouldBe((session.Account, session.ProviderPaymentId, session.Fact, session.Amount, session.Currency));
        intent.EventId.ShouldNotBe(session.EventId);
    }

    private static byte[] Bytes(string file) => File.ReadAllBytes(Path.Combine(SharedData.RequireFolder(), "stripe-events", file));

    internal static string Summary(StripeReading reading) => reading switch
    {
        StripeConfirmation c => string.Create(
            CultureInfo.InvariantCulture, $"{c.Fact} {c.ProviderPaymentId} {c.Amount:0.00} {c.Currency} {c.PaymentLinkId ?? "-"} {c.StripePaymentLink ?? "-"}"),
        NotOfInterest => Other,
        Unusable unusable => $"unusable: {unusable.Reason}",
        _ => reading.GetType().Name,
    };
}
