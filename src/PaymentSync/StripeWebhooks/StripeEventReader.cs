using System.Text.Unicode;

namespace PaymentSync.StripeWebhooks;

/// <summary>Reads a signed webhook body. Reads few fields and tolerates the rest, because the endpoint's API version decides the shape, not we.</summary>
/// <remarks>Never throws, whatever the bytes are. Which events confirm a payment: https://docs.stripe.com/checkout/fulfillment.</remarks>
public static class StripeEventReader
{
    /// <summary>Levels of nesting. Stripe expands at most four levels of objects, each of which has three or four levels of its own.</summary>
    public const int MaxDepth = 32;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>Says what the body is. Call it only after <see cref="StripeSignature.Verify"/> found the same bytes valid.</summary>
    /// <param name="body">
    /// The raw request body. A UTF-8 byte order mark is skipped: Stripe never sends one, but a signed body behind it is no less Stripe's.
    /// </param>
    public static StripeReading Read(ReadOnlySpan<byte> body)
    {
        if (body.StartsWith(ByteOrderMark))
            body = body[ByteOrderMark.Length..];
        if (!Utf8.IsValid(body))
            return new Unusable("The body is not UTF-8.", EventId: null, EventType: null);

        string? problem = null;
        var fields = new StripeEventFields(body);
        fields.Find(MaxDepth, ref problem);
        if (problem is not null)
            return new Unusable(problem, EventId: null, EventType: null);

        string? noId = null, noType = null;
        var id = fields.Id.ReadId(ref noId);
        var type = fields.Type.ReadId(ref noType);
        problem = NotAnEvent(in fields) ?? noId ?? noType;
        if (problem is not null)
            return new Unusable(problem, noId is null ? id : null, noType is null ? type : null);

        return type switch
        {
            "checkout.session.completed" or "checkout.session.async_payment_succeeded" or "checkout.session.async_payment_failed" or "checkout.session.expired"
                => ReadSession(in fields, id, type),
            "payment_intent.succeeded" or "payment_intent.payment_failed"
                => ReadIntent(in fields, id, type),
            _ => new NotOfInterest(id, type, "Events of this type book nothing."),
        };
    }

    private static string? NotAnEvent(in StripeEventFields fields)
    {
        string? problem = null;
        return fields.Object.ReadText(ref problem) switch
        {
            _ when problem is not null => problem,
            "event" => null,
            // https://docs.stripe.com/event-destinations#thin-events
            "v2.core.event" => "This is a thin event, which carries no amounts: the endpoint must be set to snapshot payloads.",
            _ => "This is an object of Stripe's, but no event.",
        };
    }

    private static StripeReading ReadSession(in StripeEventFields fields, string id, string type)
    {
        var problem = NotAbout("checkout.session", in fields);
        var mode = fields.Mode.ReadId(ref problem);
        if (problem is null && mode != "payment")
            return new NotOfInterest(id, type, "Only checkout sessions in payment mode are booked, not subscriptions or set-ups.");

        var status = type == "checkout.session.completed" ? fields.PaymentStatus.ReadId(ref problem) : "";
        StripeFact? fact = (type, status) switch
        {
            ("checkout.session.async_payment_succeeded", _) or (_, "paid" or "no_payment_required") => StripeFact.Paid,
            ("checkout.session.async_payment_failed", _) => StripeFact.Failed,
            ("checkout.session.expired", _) => StripeFact.Expired,
            (_, "unpaid") => StripeFact.Unpaid,
            _ => null,
        };
        if (fact is null)
            problem ??= "payment_status is none that Stripe documents.";

        var nothingOwed = status == "no_payment_required" || (fact != StripeFact.Paid && fields.AmountTotal.IsMissing);
        var minor = nothingOwed ? 0 : fields.AmountTotal.ReadMinorUnits(ref problem);
        var paymentId = fields.PaymentIntent.ReadReference(ref problem) ?? fields.ObjectId.ReadId(ref problem);
        return Confirm(in fields, id, type, fact.GetValueOrDefault(), paymentId, minor, fields.PaymentLink.ReadReference(ref problem), problem);
    }

    private static StripeReading ReadIntent(in StripeEventFields fields, string id, string type)
    {
        var problem = NotAbout("payment_intent", in fields);
        var fact = type == "payment_intent.succeeded" ? StripeFact.Paid : StripeFact.Failed;

        // What was received can be less than what was asked for (partial capture); a failed intent received nothing, so there it is what was asked for.
        var received = fact == StripeFact.Paid && !fields.AmountReceived.IsMissing;
        var nothingNamed = fact != StripeFact.Paid && fields.Amount.IsMissing;
        var minor = nothingNamed ? 0 : received ? fields.AmountReceived.ReadMinorUnits(ref problem) : fields.Amount.ReadMinorUnits(ref problem);
        return Confirm(in fields, id, type, fact, fields.ObjectId.ReadId(ref problem), minor, stripePaymentLink: null, problem);
    }

    private static string? NotAbout(string kind, in StripeEventFields fields)
    {
        string? problem = null;
        fields.Data.RequireObject(ref problem);
        fields.DataObject.RequireObject(ref problem);
        if (fields.ObjectKind.ReadText(ref problem) != kind)
            problem ??= $"data.object is no {kind}.";
        return problem;
    }

    private static StripeReading Confirm(
        in StripeEventFields fields, string id, string type, StripeFact fact, string paymentId, long minor, string? stripePaymentLink, string? problem)
    {
        var livemode = fields.Livemode.ReadBoolean(ref problem);
        var created = fields.Created.ReadUnixSeconds(ref problem);
        var account = fields.Account.IsMissing ? StripeConfirmation.OwnAccount : fields.Account.ReadId(ref problem);
        var currency = fields.Currency.ReadCurrency(ref problem);
        var link = fields.Metadata.ReadMetadata("payment_link_id"u8, ".payment_link_id", ref problem);
        if (!StripeMinorUnits.TryToMajor(minor, currency, out var amount))
            problem ??= "The amount has three decimals; books are kept with two, and Stripe charges such currencies in tens only.";

        return problem is null
            ? new StripeConfirmation(id, type, account, livemode, created, fact, paymentId, amount, currency, link, stripePaymentLink)
            : new Unusable(problem, id, type);
    }
}
