using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli;

/// <summary>Reading answers: what is missing is null, never an exception.</summary>
static class Json
{
    public static string? Text(this JsonNode? node, string name) => node is JsonObject fields && fields[name] is JsonValue value
        ? value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : value.ToJsonString()
        : null;

    public static long Number(this JsonNode? node, string name) => long.TryParse(node.Text(name), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : 0;

    /// <summary>Money is text of major units.</summary>
    public static decimal Money(this JsonNode? node, string name) => decimal.TryParse(node.Text(name), NumberStyles.Number, CultureInfo.InvariantCulture, out var amount) ? amount : 0;

    public static IReadOnlyList<JsonNode> Items(this JsonNode? node, string name) => node is JsonObject fields && fields[name] is JsonArray items ? [.. items.OfType<JsonNode>()] : [];

    public static string Query(params IEnumerable<(string Name, string? Value)> parameters)
    {
        var set = parameters.Where(parameter => parameter.Value is not null).Select(parameter => $"{parameter.Name}={Uri.EscapeDataString(parameter.Value!)}").ToList();
        return set.Count == 0 ? "" : $"?{string.Join('&', set)}";
    }
}
