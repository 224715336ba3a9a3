using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PaymentSync.Tests.XeroSimulation.Conformance;

/// <summary>
/// As much of OpenAPI 3.0's schemas as Xero's description uses: types, formats, enums, required, maxLength, arrays, references. Stricter than they are in one thing:
/// a field that is not described is a problem, since a misspelt one would be ignored by Xero without a word.
/// </summary>
sealed class SchemaValidator(Func<JsonNode, JsonNode> resolve)
{
    public void Check(JsonNode? value, JsonNode described, string where, List<string> problems)
    {
        var schema = resolve(described);
        if (value is null)
        {
            problems.Add($"{where} is null.");
            return;
        }
        switch (value)
        {
            case JsonObject known:
                CheckObject(known, schema, where, problems);
                break;
            case JsonArray list when Type(schema) is "array":
                foreach (var (item, index) in list.Select((item, index) => (item, index)))
                    Check(item, schema["items"]!, $"{where}[{index}]", problems);
                break;
            case JsonArray:
                problems.Add($"{where} is a list, not {Type(schema) ?? "an object"}.");
                break;
            default:
                CheckScalar(value.AsValue(), schema, where, problems);
                break;
        }
    }

    void CheckObject(JsonObject value, JsonNode schema, string where, List<string> problems)
    {
        if (Type(schema) is not (null or "object"))
        {
            problems.Add($"{where} is an object, not {Type(schema)}.");
            return;
        }
        foreach (var required in schema["required"]?.AsArray().Select(one => one!.ToString()) ?? [])
        {
            if (!value.ContainsKey(required))
                problems.Add($"{where} lacks {required}.");
        }
        foreach (var (name, field) in value)
        {
            if (schema["properties"]?[name] is { } described)
                Check(field, described, $"{where}.{name}", problems);
            else if (!OpenApiSpec.NotDescribed.ContainsKey(name) && !where.Contains(".Elements[", StringComparison.Ordinal))
                problems.Add($"{where}.{name} is not described.");
        }
    }

    static void CheckScalar(JsonValue value, JsonNode schema, string where, List<string> problems)
    {
        var text = value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : value.ToJsonString();
        var fits = Type(schema) switch
        {
            "string" => value.GetValueKind() == JsonValueKind.String && Format(schema) switch
            {
                "uuid" => Guid.TryParseExact(text, "D", out _),
                "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
                _ => true,
            },
            "number" => value.GetValueKind() == JsonValueKind.Number,
            "integer" => value.GetValueKind() == JsonValueKind.Number && decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture) % 1 == 0,
            "boolean" => value.GetValueKind() is JsonValueKind.True or JsonValueKind.False,
            null => true,
            _ => false,
        };
        if (!fits)
            problems.Add($"{where} is {text}, not {Type(schema)} {Format(schema)}".TrimEnd() + ".");
        if (schema["maxLength"] is { } most && text.Length > int.Parse(most.ToString(), CultureInfo.InvariantCulture))
            problems.Add($"{where} has {text.Length} characters, more than {most}.");
        if (schema["enum"] is JsonArray words && !words.Any(word => word!.ToString() == text))
            problems.Add($"{where} is {text}, none of {string.Join(", ", words.Take(5).Select(word => word!.ToString()))}.");
    }

    static string? Type(JsonNode schema) => schema["type"]?.ToString();

    static string? Format(JsonNode schema) => schema["format"]?.ToString();
}
