using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace PaymentSync.StripeWebhooks;

/// <summary>
/// One field of a JSON object: first found (where its value lies in the body), then judged. The two are apart because an event's type, which says
/// what the fields must look like, may come after them.
/// </summary>
/// <remarks>
/// The Read methods never throw. The first thing that is wrong is written to <c>problem</c> as a sentence; what they return then is of no use.
/// A field that stands twice in its object is a problem whatever its values are: two readers of the same bytes could see two amounts.
/// </remarks>
internal ref struct JsonField(ReadOnlySpan<byte> name, string label)
{
    /// <summary>Longer ids fit neither their columns nor Xero's Reference, in characters. Stripe promises no more: https://docs.stripe.com/upgrades.</summary>
    public const int MaxIdLength = 255;

    private readonly ReadOnlySpan<byte> name = name;
    private readonly string label = label;
    private ReadOnlySpan<byte> value;
    private JsonTokenType kind;
    private bool twice;

    /// <summary>Absent, or null.</summary>
    public readonly bool IsMissing => !twice && kind is JsonTokenType.None or JsonTokenType.Null;

    /// <summary>Moves to the next field's value. False at the end of the object.</summary>
    public static bool MoveNext(ref Utf8JsonReader reader, out ReadOnlySpan<byte> name)
    {
        name = default;
        if (!reader.Read() || reader.TokenType != JsonTokenType.PropertyName)
            return false;
        name = reader.ValueIsEscaped ? Unescaped(ref reader) : reader.ValueSpan;
        return reader.Read();
    }

    /// <summary>If the field at hand is this one, remembers its value and moves behind it.</summary>
    /// <param name="fieldName">The name at hand.</param>
    /// <param name="reader">Stands on the first token of the value; afterwards on its last.</param>
    /// <param name="json">What <paramref name="reader"/> reads.</param>
    public bool TryTake(scoped ReadOnlySpan<byte> fieldName, ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        if (!TryEnter(fieldName, ref reader))
            return false;
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        value = json[start..(int)reader.BytesConsumed];
        return true;
    }

    /// <summary>If the field at hand is this one, notes what it is and stays, so that the caller can read into it.</summary>
    public bool TryEnter(scoped ReadOnlySpan<byte> fieldName, ref Utf8JsonReader reader)
    {
        if (!fieldName.SequenceEqual(name))
            return false;
        twice = kind != JsonTokenType.None;
        kind = reader.TokenType;
        return true;
    }

    /// <summary>Asks for a JSON object, once.</summary>
    public readonly void RequireObject(ref string? problem) => Require(kind == JsonTokenType.StartObject, "is not an object", ref problem);

    /// <summary>A true or false.</summary>
    public readonly bool ReadBoolean(ref string? problem)
    {
        Require(kind is JsonTokenType.True or JsonTokenType.False, "is not true or false", ref problem);
        return kind == JsonTokenType.True;
    }

    /// <summary>Unix seconds. Milliseconds and ISO 8601 text (thin events) are problems.</summary>
    public readonly DateTimeOffset ReadUnixSeconds(ref string? problem)
    {
        const long lastSecondOfYear9999 = 253_402_300_799;
        return DateTimeOffset.FromUnixTimeSeconds(ReadWhole(lastSecondOfYear9999, "is not a time in whole Unix seconds", ref problem));
    }

    /// <summary>An amount in minor units, 0 to <see cref="StripeMinorUnits.Max"/>, written in digits: no sign, point, exponent or quotes.</summary>
    public readonly long ReadMinorUnits(ref string? problem) =>
        ReadWhole(StripeMinorUnits.Max, "is not a whole number of minor units from 0 to 999999999999", ref problem);

    /// <summary>Text without control characters, up to <see cref="MaxIdLength"/>; PostgreSQL cannot keep NUL.</summary>
    public readonly string ReadText(ref string? problem)
    {
        Require(kind == JsonTokenType.String, "is not a string", ref problem);
        if (kind != JsonTokenType.String || twice)
            return "";
        if (Text() is not { } text)
        {
            problem ??= $"{label} has half of a surrogate pair.";
            return "";
        }

        Require(text.Length <= MaxIdLength, "is longer than 255 characters", ref problem);
        Require(!text.Any(char.IsControl), "has control characters", ref problem);
        return text;
    }

    /// <summary>One of Stripe's ids or names: not empty, visible ASCII. No colon, which separates the parts of a run key.</summary>
    public readonly string ReadId(ref string? problem)
    {
        var text = ReadText(ref problem);
        Require(text.Length > 0, "is empty", ref problem);
        Require(text.All(character => character is >= '!' and <= '~' and not ':'), "has characters that no id has", ref problem);
        return text;
    }

    /// <summary>Three letters, returned in upper case (Stripe sends lower case).</summary>
    public readonly string ReadCurrency(ref string? problem)
    {
        var text = ReadText(ref problem);
        Require(text.Length == 3 && text.All(char.IsAsciiLetter), "is not three letters", ref problem);
        return text.ToUpperInvariant();
    }

    /// <summary>An id that Stripe sends alone or, expanded, inside the object it belongs to; null when missing.</summary>
    public readonly string? ReadReference(ref string? problem)
    {
        if (IsMissing)
            return null;
        return kind == JsonTokenType.StartObject ? Inner("id"u8, ".id", ref problem).ReadId(ref problem) : ReadId(ref problem);
    }

    /// <summary>One value of a metadata object. Null when missing or empty, which is how Stripe unsets a key.</summary>
    public readonly string? ReadMetadata(ReadOnlySpan<byte> key, string suffix, ref string? problem)
    {
        if (IsMissing)
            return null;
        RequireObject(ref problem);
        if (kind != JsonTokenType.StartObject)
            return null;
        var entry = Inner(key, suffix, ref problem);
        var text = entry.IsMissing ? "" : entry.ReadText(ref problem);
        return text.Length > 0 ? text : null;
    }

    private readonly JsonField Inner(ReadOnlySpan<byte> innerName, string suffix, ref string? problem)
    {
        RequireObject(ref problem);
        var inner = new JsonField(innerName, label + suffix);
        var reader = new Utf8JsonReader(value);
        reader.Read();
        while (MoveNext(ref reader, out var fieldName))
        {
            if (!inner.TryTake(fieldName, ref reader, value))
                reader.Skip();
        }

        return inner;
    }

    private readonly long ReadWhole(long max, string complaint, ref string? problem)
    {
        var whole = 0L;
        Require(
            kind == JsonTokenType.Number && !value.ContainsAnyExceptInRange((byte)'0', (byte)'9')
                && Utf8Parser.TryParse(value, out whole, out _) && whole <= max,
            complaint,
            ref problem);
        return whole <= max ? whole : 0;
    }

    private readonly void Require(bool holds, string complaint, ref string? problem)
    {
        if (twice)
            problem ??= $"{label} is there twice.";
        else if (kind is JsonTokenType.None or JsonTokenType.Null)
            problem ??= $"{label} is missing.";
        else if (!holds)
            problem ??= $"{label} {complaint}.";
    }

    /// <summary>The string's text; null when an escape leaves half of a surrogate pair, which no UTF-8 column can keep.</summary>
    private readonly string? Text()
    {
        if (!value.Contains((byte)'\\'))
            return Encoding.UTF8.GetString(value[1..^1]);
        var reader = new Utf8JsonReader(value);
        reader.Read();
        return Text(ref reader);
    }

    private static string? Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>A name written with escapes: <c>\u0061mount</c> is <c>amount</c> again. Empty when half a surrogate pair is in it: none of ours.</summary>
    private static ReadOnlySpan<byte> Unescaped(ref Utf8JsonReader reader) => Encoding.UTF8.GetBytes(Text(ref reader) ?? "");
}
