using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace XeroSimulator.Gate;

/// <summary>Reads what a client sent. A field of the wrong kind fails the whole request, as it does at Xero.</summary>
internal static partial class JsonInput
{
    public static string? Text(this JsonElement element, string name) => element.Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        _ => throw Wrong(name),
    };

    public static decimal? Number(this JsonElement element, string name) => element.Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } number when number.TryGetDecimal(out var value) => value,
        _ => throw Wrong(name),
    };

    public static bool? Flag(this JsonElement element, string name) => element.Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => throw Wrong(name),
    };

    public static Guid? Id(this JsonElement element, string name)
    {
        if (element.Text(name) is not { Length: > 0 } text)
            return null;
        if (!Guid.TryParse(text, out var id))
            throw Wrong(name);
        return id == Guid.Empty ? null : id;
    }

    public static JsonElement? Object(this JsonElement element, string name) => element.Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } child => child,
        _ => throw Wrong(name),
    };

    public static IReadOnlyList<JsonElement>? Items(this JsonElement element, string name) => element.Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Array } array => [.. array.EnumerateArray()],
        _ => throw Wrong(name),
    };

    /// <summary>A calendar date: <c>2026-09-01</c>, with a time that is cut off, or <c>/Date(ms)/</c> taken as its UTC date.</summary>
    public static DateOnly? Day(this JsonElement element, string name)
    {
        if (element.Text(name) is not { Length: > 0 } text)
            return null;
        var match = Milliseconds().Match(text);
        if (match.Success)
            return DateOnly.FromDateTime(DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(match.Groups["ms"].Value, CultureInfo.InvariantCulture)).UtcDateTime);
        if (text.Length >= 10 && (text.Length == 10 || text[10] == 'T')
            && DateOnly.TryParseExact(text[..10], "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day))
            return day;
        throw Wrong(name);
    }

    /// <summary>The elements of a batch: <c>{"Invoices":[…]}</c>, or one bare object, as Xero takes both.</summary>
    public static IReadOnlyList<JsonElement> Batch(this JsonElement root, string name)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw BadRequestException.Body("No JSON data supplied or the data was not an object.");
        var items = root.Items(name) ?? [root];
        if (items.Count == 0 || items.Any(item => item.ValueKind != JsonValueKind.Object))
            throw BadRequestException.Body($"JSON for post data was invalid: {name} has no elements.");
        return items.Count <= 50 ? items : throw BadRequestException.Body($"A request takes at most 50 {name}; this one has {items.Count}.");
    }

    private static JsonElement? Field(this JsonElement element, string name) =>
        element.TryGetProperty(name, out var field) && field.ValueKind != JsonValueKind.Null ? field : null;

    private static BadRequestException Wrong(string name) => BadRequestException.Body($"JSON for post data was invalid: {name} cannot be read.");

    [GeneratedRegex(@"^/Date\((?<ms>-?\d{1,15})(?:[+-]\d{4})?\)/$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 100)]
    private static partial Regex Milliseconds();
}
