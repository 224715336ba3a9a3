using System.Text.Json;

namespace PaymentSync.StripeWebhooks;

/// <summary>The few fields of an event that PaymentSync reads, found in one pass over the bytes. Everything else is checked to be JSON and skipped.</summary>
/// <remarks>The event: https://docs.stripe.com/api/events/object. The objects: /api/checkout/sessions/object and /api/payment_intents/object.</remarks>
/// <param name="body">UTF-8, already known to be valid, without a byte order mark.</param>
internal ref struct StripeEventFields(ReadOnlySpan<byte> body)
{
    public JsonField Object = new("object"u8, "object");
    public JsonField Id = new("id"u8, "id");
    public JsonField Type = new("type"u8, "type");
    public JsonField Account = new("account"u8, "account");
    public JsonField Livemode = new("livemode"u8, "livemode");
    public JsonField Created = new("created"u8, "created");
    public JsonField Data = new("data"u8, "data");
    public JsonField DataObject = new("object"u8, "data.object");

    public JsonField ObjectKind = new("object"u8, "data.object.object");
    public JsonField ObjectId = new("id"u8, "data.object.id");
    public JsonField Mode = new("mode"u8, "mode");
    public JsonField PaymentStatus = new("payment_status"u8, "payment_status");
    public JsonField PaymentIntent = new("payment_intent"u8, "payment_intent");
    public JsonField PaymentLink = new("payment_link"u8, "payment_link");
    public JsonField AmountTotal = new("amount_total"u8, "amount_total");
    public JsonField Amount = new("amount"u8, "amount");
    public JsonField AmountReceived = new("amount_received"u8, "amount_received");
    public JsonField Currency = new("currency"u8, "currency");
    public JsonField Metadata = new("metadata"u8, "metadata");

    private readonly ReadOnlySpan<byte> body = body;

    /// <summary>Reads the body to its end. The fields are of use unless <paramref name="problem"/> was set.</summary>
    /// <param name="maxDepth">Deeper nesting is a problem.</param>
    /// <param name="problem">A sentence when the body is not one JSON object.</param>
    public void Find(int maxDepth, ref string? problem)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = maxDepth });
        try
        {
            reader.Read();
            if (reader.TokenType == JsonTokenType.StartObject)
                FindInEvent(ref reader);
            else
                problem ??= "The body is not a JSON object.";
            while (reader.Read())
                reader.Skip();
        }
        catch (JsonException)
        {
            problem ??= $"The body is not JSON, or nested deeper than {maxDepth} levels.";
        }
    }

    private void FindInEvent(ref Utf8JsonReader reader)
    {
        while (JsonField.MoveNext(ref reader, out var name))
        {
            if (Data.TryEnter(name, ref reader))
                FindInData(ref reader);
            else if (!(Id.TryTake(name, ref reader, body) || Object.TryTake(name, ref reader, body) || Type.TryTake(name, ref reader, body)
                || Account.TryTake(name, ref reader, body) || Livemode.TryTake(name, ref reader, body) || Created.TryTake(name, ref reader, body)))
                reader.Skip();
        }
    }

    private void FindInData(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }

        while (JsonField.MoveNext(ref reader, out var name))
        {
            if (DataObject.TryEnter(name, ref reader))
                FindInObject(ref reader);
            else
                reader.Skip();
        }
    }

    private void FindInObject(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }

        while (JsonField.MoveNext(ref reader, out var name))
        {
            if (!(ObjectKind.TryTake(name, ref reader, body) || ObjectId.TryTake(name, ref reader, body) || Mode.TryTake(name, ref reader, body)
                || PaymentStatus.TryTake(name, ref reader, body) || PaymentIntent.TryTake(name, ref reader, body) || PaymentLink.TryTake(name, ref reader, body)
                || AmountTotal.TryTake(name, ref reader, body) || Amount.TryTake(name, ref reader, body) || AmountReceived.TryTake(name, ref reader, body)
                || Currency.TryTake(name, ref reader, body) || Metadata.TryTake(name, ref reader, body)))
                reader.Skip();
        }
    }
}
