using System.Text;
using PaymentSync.OfficialSdks;
using PaymentSync.StripeWebhooks;
using PaymentSync.Tests.StripeWebhooks;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.OfficialSdks;

public sealed class StripeNetWebhooksTests : StripeWebhooksContract
{
    private protected override IStripeWebhooks Create(params string[] secrets) => new StripeNetWebhooks(secrets);

    [Fact]
    public void A_payment_that_the_two_readers_see_differently_is_left_to_a_person()
    {
        // Stripe.net takes what is not there for 0: a payment of nothing, which would be booked as nothing to book.
        var body = Encoding.UTF8.GetBytes(StripeBodies.SucceededIntent.With("\"amount_received\": 11500,", ""));
        StripeNetWebhooks.ReadBySdk(body).ShouldBeOfType<StripeConfirmation>().Amount.ShouldBe(0m);
        Create("whsec_first").Read(body).ShouldBe(new Unusable("Stripe.net reads another payment in this event than our own reader does.", "evt_intent", "payment_intent.succeeded"));
    }
}
