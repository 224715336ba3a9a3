namespace PaymentSync.StripeWebhooks;

/// <summary>Whether Stripe sent the bytes, and what they say: by our own code, or by Stripe's SDK.</summary>
interface IStripeWebhooks
{
    /// <summary>Checks the header against the bytes as they came in. Never throws.</summary>
    StripeSignatureResult Verify(string? header, ReadOnlySpan<byte> body, DateTimeOffset now);

    /// <summary>Says what a verified body is. Never throws.</summary>
    StripeReading Read(ReadOnlySpan<byte> body);
}

sealed class OwnStripeWebhooks(StripeSignature signature) : IStripeWebhooks
{
    public StripeSignatureResult Verify(string? header, ReadOnlySpan<byte> body, DateTimeOffset now) => signature.Verify(header, body, now);

    public StripeReading Read(ReadOnlySpan<byte> body) => StripeEventReader.Read(body);
}
