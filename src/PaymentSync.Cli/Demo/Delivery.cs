namespace PaymentSync.Cli.Demo;

/// <summary>How the Stripe-Signature of a delivery is made.</summary>
enum Signing
{
    Genuine,
    /// <summary>By somebody who does not know the secret.</summary>
    WrongSecret,
    /// <summary>Of a genuine event whose amount was changed afterwards.</summary>
    Altered,
    /// <summary>Genuine, recorded ten minutes ago and sent again by somebody else.</summary>
    Stale,
    Missing,
}

/// <summary>One event on its way to the webhook.</summary>
/// <param name="Copies">How often it is sent at the same moment.</param>
sealed record Delivery(string Body, Signing Signing = Signing.Genuine, int Copies = 1)
{
    public bool MustBeRefused => Signing != Signing.Genuine;
}

/// <summary>What the webhook said to one delivery, and how long it took as the sender sees it.</summary>
/// <param name="Outcome">COMPLETED, DUPLICATE, SUPERSEDED, UNMATCHED, IGNORED, QUARANTINED or NEEDS_ACTION; of a refusal its code.</param>
sealed record Answer(Delivery Delivery, int Status, string Outcome, TimeSpan Took)
{
    public bool AsItShould => Status == (Delivery.MustBeRefused ? 400 : 200);
}
