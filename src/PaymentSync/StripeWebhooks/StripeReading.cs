namespace PaymentSync.StripeWebhooks;

/// <summary>What a signed webhook body turned out to be: <see cref="Unusable"/>, <see cref="NotOfInterest"/> or <see cref="StripeConfirmation"/>.</summary>
public abstract record StripeReading
{
    private protected StripeReading()
    {
    }
}

/// <summary>Signed by Stripe, but nothing that can be acted upon. It goes to quarantine: a person must see it, Stripe must not send it again.</summary>
/// <param name="Reason">A sentence for the operator. Made of our own words and field names only, never of the body's contents.</param>
/// <param name="EventId">The event's id when that much could be read.</param>
/// <param name="EventType">The event's type when that much could be read.</param>
public sealed record Unusable(string Reason, string? EventId, string? EventType) : StripeReading;

/// <summary>A sound event that says nothing about a payment we book.</summary>
/// <param name="EventId">The event's id, <c>evt_…</c>.</param>
/// <param name="EventType">Stripe's type, for instance <c>charge.updated</c>.</param>
/// <param name="Reason">A sentence for the operator.</param>
public sealed record NotOfInterest(string EventId, string EventType, string Reason) : StripeReading;

/// <summary>What an event says about one payment.</summary>
public enum StripeFact
{
    /// <summary>Checkout is done, the money is still on its way (delayed methods). Confirms nothing.</summary>
    Unpaid,

    /// <summary>The payment was tried and did not come about. A later try may.</summary>
    Failed,

    /// <summary>The checkout session ran out without a payment.</summary>
    Expired,

    /// <summary>The money was received.</summary>
    Paid,
}

/// <summary>One fact about one payment. Whether its mode, link and amount are the right ones is the caller's decision.</summary>
/// <param name="EventId">The event's id, <c>evt_…</c>. Two events with different ids may tell the same fact.</param>
/// <param name="EventType">Stripe's type, for instance <c>checkout.session.completed</c>.</param>
/// <param name="Account">The connected account, <c>acct_…</c>, or <see cref="OwnAccount"/>.</param>
/// <param name="Livemode">False for Stripe's test mode.</param>
/// <param name="Created">When Stripe made the event, UTC, whole seconds. Says nothing about order.</param>
/// <param name="Fact">What happened to the payment.</param>
/// <param name="ProviderPaymentId">The payment intent's id, else the checkout session's. Says which payment this is; a link can be paid twice.</param>
/// <param name="Amount">
/// Major units, exact, at most two decimals, never negative. 0 when nothing was owed, or when a fact that books nothing names no amount.
/// </param>
/// <param name="Currency">Three upper-case letters, as Stripe charged it.</param>
/// <param name="PaymentLinkId">Our link's id as it stands in the object's <c>metadata.payment_link_id</c>, not interpreted; null when it names none.</param>
/// <param name="StripePaymentLink">Stripe's payment link, <c>plink_…</c>; only checkout sessions name it.</param>
public sealed record StripeConfirmation(
    string EventId,
    string EventType,
    string Account,
    bool Livemode,
    DateTimeOffset Created,
    StripeFact Fact,
    string ProviderPaymentId,
    decimal Amount,
    string Currency,
    string? PaymentLinkId,
    string? StripePaymentLink) : StripeReading
{
    /// <summary>The <see cref="Account"/> of events that are not a connected account's. Stripe's ids have a prefix, so none is equal to it.</summary>
    public const string OwnAccount = "self";
}
