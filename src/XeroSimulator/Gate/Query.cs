using System.Globalization;
using System.Text.RegularExpressions;

namespace XeroSimulator.Gate;

/// <summary>The part of a list's query string that all resources share.</summary>
internal sealed partial class Query(IQueryCollection query)
{
    public const int DefaultPageSize = 100;
    public const int MaxPageSize = 1000;

    /// <summary>Null when the list was asked for without a page: then Xero leaves out line items and payments.</summary>
    public int? Page => Whole("page", 1, int.MaxValue);

    public int PageSize => Whole("pageSize", 1, MaxPageSize) ?? DefaultPageSize;

    public bool SummaryOnly => Is("summaryOnly", "true");

    /// <summary>Xero's server takes <c>true</c> when the parameter is absent, whatever its specification says.</summary>
    public bool SummarizeErrors => !Is("summarizeErrors", "false");

    public int UnitDecimals => Is("unitdp", "4") ? 4 : 2;

    public bool IncludeArchived => Is("includeArchived", "true");

    public IReadOnlyList<string>? Values(string name) =>
        query.TryGetValue(name, out var values) && values.ToString() is { Length: > 0 } joined
            ? joined.Split(',', StringSplitOptions.RemoveEmptyEntries)
            : null;

    public IReadOnlyList<Guid>? Ids(string name) =>
        Values(name)?.Select(text => Guid.TryParse(text, out var id)
            ? id
            : throw BadRequestException.Query($"'{text}' in {name} is not an identifier.")).ToList();

    /// <summary>The text compared in <c>where=Field=="text"</c>: the one filter simulated, and it cannot be OR-ed.</summary>
    public string? Where(string field)
    {
        if (query["where"].ToString() is not { Length: > 0 } where)
            return null;
        var match = Comparison().Match(where);
        return match.Success && match.Groups["field"].Value == field
            ? match.Groups["text"].Value
            : throw BadRequestException.Query($"The where clause '{where}' cannot be used here.");
    }

    private bool Is(string name, string value) => string.Equals(query[name].ToString(), value, StringComparison.OrdinalIgnoreCase);

    private int? Whole(string name, int low, int high)
    {
        if (query[name].ToString() is not { Length: > 0 } text)
            return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= low && value <= high
            ? value
            : throw BadRequestException.Query($"{name} must be a whole number from {low} to {high}.");
    }

    [GeneratedRegex("""^\s*(?<field>[A-Za-z]+)\s*==\s*"(?<text>[^"]*)"\s*$""", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 100)]
    private static partial Regex Comparison();
}
