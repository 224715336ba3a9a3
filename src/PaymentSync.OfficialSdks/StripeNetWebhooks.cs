using System.Globalization;
using System.Text;
using Microsoft.Extensions.Options;
using PaymentSync.StripeWebhooks;
using Stripe;
using Stripe.Checkout;

namespace PaymentSync.OfficialSdks;

/// <summary>Webhooks through Stripe.net: its signature check, and the values of its typed objects.</summary>
/// <remarks>
/// Stripe.net is made for events that are sound: it takes a missing amount_received for 0, a missing livemode for false and any text for an id. So
/// our own reader looks first. What it does not take is not taken; what it takes must be what Stripe.net read too, value by value. Two
/// readers that see two amounts are a matter for a person.
/// </remarks>
sealed class StripeNetWebhooks(IReadOnlyList<string> secrets) : IStripeWebhooks
{
    static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    readonly StripeSignature _own = new(secrets);

    public StripeNetWebhooks(IOptions<StripeOptions> options) : this(options.Value.WebhookSecrets)
    {
    }

    public StripeSignatureResult Verify(string? header, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        if (string.IsNullOrWhiteSpace(header))
            return StripeSignatureResult.MissingHeader;
        if (header.Length > StripeSignature.MaxHeaderLength || SignedAt(header) is not { } signedAt)
            return StripeSignatureResult.Malformed;
        // Stripe.net signs text. Bytes that are none can only be quarantined, if they are signed: that much we can say ourselves.
        if (Text(body) is not { } json)
            return _own.Verify(header, body, now);
        if (!secrets.Any(secret => IsSigned(json, header, secret)))
            return StripeSignatureResult.NoMatch;
        var age = now.ToUnixTimeSeconds() - signedAt;
        return age > StripeSignature.Tolerance.TotalSeconds ? StripeSignatureResult.TooOld
            : age < -StripeSignature.Tolerance.TotalSeconds ? StripeSignatureResult.InFuture
            : StripeSignatureResult.Valid;
    }

    public StripeReading Read(ReadOnlySpan<byte> body)
    {
        var own = StripeEventReader.Read(body);
        if (own is not StripeConfirmation confirmation)
            return own;
        return ReadBySdk(body) switch
        {
            StripeConfirmation theirs when theirs == confirmation => theirs,
            Unusable unusable => unusable with { EventId = confirmation.EventId, EventType = confirmation.EventType },
            _ => new Unusable("Stripe.net reads another payment in this event than our own reader does.", confirmation.EventId, confirmation.EventType),
        };
    }

    /// <summary>What Stripe.net alone makes of a body. Never throws.</summary>
    internal static StripeReading ReadBySdk(ReadOnlySpan<byte> body)
    {
        try
        {
            // System.Text.Json takes no byte order mark in text. The API version is the endpoint's business: few fields are read, and those are in all of them.
            var told = EventUtility.ParseEvent((Text(body) ?? "").TrimStart('\uFEFF'), throwOnApiVersionMismatch: false);
            return (told.Type, told.Data?.Object) switch
            {
                ("checkout.session.completed" or "checkout.session.async_payment_succeeded" or "checkout.session.async_payment_failed" or "checkout.session.expired", Session session) => Read(told, session),
                ("payment_intent.succeeded" or "payment_intent.payment_failed", PaymentIntent intent) => Read(told, intent),
                ("checkout.session.completed" or "checkout.session.async_payment_succeeded" or "checkout.session.async_payment_failed" or "checkout.session.expired"
                    or "payment_intent.succeeded" or "payment_intent.payment_failed", _) => new Unusable("data.object is not what this event is about.", told.Id, told.Type),
                _ => new NotOfInterest(told.Id, told.Type, "Events of this type book nothing."),
            };
        }
        // Seen on bad input: StripeException, JsonException, ArgumentException, FormatException, NullReferenceException, InvalidOperationException. Whichever it is, it could not be read.
        catch (Exception)
        {
            return new Unusable("Stripe.net cannot read this event.", EventId: null, EventType: null);
        }
    }

    static StripeReading Read(Event told, Session session)
    {
        if (session.Mode != "payment")
            return new NotOfInterest(told.Id, told.Type, "Only checkout sessions in payment mode are booked, not subscriptions or set-ups.");
        StripeFact? fact = (told.Type, session.PaymentStatus) switch
        {
            ("checkout.session.async_payment_succeeded", _) => StripeFact.Paid,
            ("checkout.session.async_payment_failed", _) => StripeFact.Failed,
            ("checkout.session.expired", _) => StripeFact.Expired,
            (_, "paid" or "no_payment_required") => StripeFact.Paid,
            (_, "unpaid") => StripeFact.Unpaid,
            _ => null,
        };
        if (fact is not { } known)
            return new Unusable("payment_status is none that Stripe documents.", told.Id, told.Type);
        var nothingOwed = told.Type == "checkout.session.completed" && session.PaymentStatus == "no_payment_required";
        if (session.AmountTotal is null && known == StripeFact.Paid && !nothingOwed)
            return new Unusable("amount_total is missing.", told.Id, told.Type);
        return Confirm(told, known, session.PaymentIntentId ?? session.Id, nothingOwed ? 0 : session.AmountTotal ?? 0, session.Currency, session.Metadata, session.PaymentLinkId);
    }

    static StripeReading Read(Event told, PaymentIntent intent)
    {
        var fact = told.Type == "payment_intent.succeeded" ? StripeFact.Paid : StripeFact.Failed;
        return Confirm(told, fact, intent.Id, fact == StripeFact.Paid ? intent.AmountReceived : intent.Amount, intent.Currency, intent.Metadata, paymentLink: null);
    }

    static StripeReading Confirm(Event told, StripeFact fact, string payment, long minor, string currency, Dictionary<string, string>? metadata, string? paymentLink)
    {
        var upper = currency.ToUpperInvariant();
        if (!StripeMinorUnits.TryToMajor(minor, upper, out var amount))
            return new Unusable("The amount has three decimals; books are kept with two.", told.Id, told.Type);
        var link = metadata?.GetValueOrDefault("payment_link_id");
        return new StripeConfirmation(told.Id, told.Type, told.Account ?? StripeConfirmation.OwnAccount, told.Livemode, new DateTimeOffset(told.Created), fact, payment, amount, upper,
            string.IsNullOrEmpty(link) ? null : link, paymentLink);
    }

    /// <summary>The one time in the header; null when there is not exactly one of digits, or no v1 of 64 hex digits: Stripe.net tells none of these from a forgery.</summary>
    static long? SignedAt(string header)
    {
        var entries = header.Split(',').Select(entry => entry.Trim()).ToList();
        var times = entries.FindAll(entry => entry.StartsWith("t=", StringComparison.Ordinal));
        return times is [var only] && long.TryParse(only.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            && entries.Exists(entry => entry.Length == 67 && entry.StartsWith("v1=", StringComparison.Ordinal) && entry.Skip(3).All(char.IsAsciiHexDigit))
            ? seconds
            : null;
    }

    /// <summary>By Stripe.net, without its age check: that one cannot tell the past from the future, and reads the time as an Int32.</summary>
    static bool IsSigned(string json, string header, string secret)
    {
        try
        {
            EventUtility.ValidateSignature(json, header, secret, tolerance: long.MaxValue, utcNow: 0);
            return true;
        }
        // A mismatch is a StripeException, garbage several others; none of them is a yes.
        catch (Exception)
        {
            return false;
        }
    }

    static string? Text(ReadOnlySpan<byte> body)
    {
        try
        {
            return StrictUtf8.GetString(body);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
