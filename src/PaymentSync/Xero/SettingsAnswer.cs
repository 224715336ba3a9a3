using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace PaymentSync.Xero;

/// <summary>Xero's answers about an organisation, cut down to what refusals depend on.</summary>
static partial class SettingsAnswer
{
    static readonly string[] Classes = ["ASSETS", "EQUITY", "EXPENSES", "LIABILITIES", "REVENUE"];

    /// <returns>JSON for paymentsync.tenant_settings; null when the answer is not such a list, or an empty one, which no organisation has.</returns>
    public static string? Read(SettingsPart part, byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var list = part == SettingsPart.Organisation ? "Organisations" : part.ToString();
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty(list, out var elements) || elements.ValueKind != JsonValueKind.Array)
                return null;
            var all = elements.EnumerateArray().Where(element => element.ValueKind == JsonValueKind.Object).ToList();
            return all.Count == 0 && part != SettingsPart.Contacts ? null : Keep(part, all).ToJsonString();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static JsonNode Keep(SettingsPart part, List<JsonElement> all) => part switch
    {
        SettingsPart.Organisation => new JsonObject
        {
            ["baseCurrency"] = Text(all[0], "BaseCurrency"),
            ["periodLockDate"] = Day(all[0], "PeriodLockDate"),
            ["yearLockDate"] = Day(all[0], "EndOfYearLockDate"),
        },
        SettingsPart.Currencies => new JsonArray([.. all.Select(currency => Text(currency, "Code")).OfType<string>().Order(StringComparer.Ordinal).Select(code => JsonValue.Create(code))]),
        SettingsPart.Accounts => ByName(all, "Code", account => new JsonObject
        {
            ["status"] = Text(account, "Status"),
            ["type"] = Text(account, "Type"),
            ["class"] = Text(account, "Class"),
            ["currency"] = Text(account, "CurrencyCode"),
            ["payments"] = Flag(account, "EnablePaymentsToAccount"),
        }),
        SettingsPart.TaxRates => ByName(all, "TaxType", rate => new JsonArray([.. Classes.Where(name => Flag(rate, $"CanApplyTo{name}")).Select(name => JsonValue.Create(Singular(name)))])),
        // The active one decides: an archived contact of the same name may stand beside it.
        SettingsPart.Contacts => ByName([.. all.OrderBy(contact => Text(contact, "ContactStatus") == "ACTIVE")], "Name", contact => JsonValue.Create(Text(contact, "ContactStatus"))),
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "No such part."),
    };

    static JsonObject ByName(IEnumerable<JsonElement> all, string name, Func<JsonElement, JsonNode?> keep)
    {
        var kept = new JsonObject();
        foreach (var element in all.Where(element => Text(element, name) is { Length: > 0 }))
            kept[Text(element, name)!] = keep(element);
        return kept;
    }

    /// <summary>Accounts say their class as ASSET, rates as CanApplyToAssets.</summary>
    static string Singular(string classes) => classes switch { "LIABILITIES" => "LIABILITY", "ASSETS" => "ASSET", "EXPENSES" => "EXPENSE", _ => classes };

    static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    static bool Flag(JsonElement json, string name) =>
        json.EnumerateObject().FirstOrDefault(property => property.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Value.ValueKind == JsonValueKind.True;

    /// <summary>/Date(1788220800000+0000)/ is midnight UTC of the organisation's calendar day: the UTC date, never converted.</summary>
    static string? Day(JsonElement json, string name) => Text(json, name) is { } text && Milliseconds().Match(text) is { Success: true } match
        ? DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(match.Groups["milliseconds"].ValueSpan, CultureInfo.InvariantCulture)).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)
        : null;

    [GeneratedRegex(@"^/Date\((?<milliseconds>-?[0-9]{1,15})", RegexOptions.NonBacktracking)]
    private static partial Regex Milliseconds();
}
