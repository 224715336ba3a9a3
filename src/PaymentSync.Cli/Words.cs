using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace PaymentSync.Cli;

/// <summary>How things look on the screen.</summary>
static class Words
{
    public static Table Table(params string[] columns)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns)
            table.AddColumn(new TableColumn(Markup.Escape(column)).NoWrap());
        return table;
    }

    public static void AddTexts(this Table table, params string?[] cells) => table.AddRow(cells.Select(cell => new Text(cell ?? "")));

    /// <summary>Lines of "name  value"; what is null is left out.</summary>
    public static Grid Facts(params IEnumerable<(string Name, string? Value)> facts)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn();
        foreach (var (name, value) in facts.Where(fact => fact.Value is not null))
            grid.AddRow(new Text(name), new Text(value!));
        return grid;
    }

    public static string? Money(JsonNode? node) => node.Text("amount") is { } amount ? $"{amount} {node.Text("currency")}" : null;

    public static string? Time(string? iso) => DateTimeOffset.TryParse(iso, CultureInfo.InvariantCulture, out var time) ? time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) : iso;

    /// <summary>Why it is not done, in one cell.</summary>
    public static string? Why(JsonNode? sync) => sync.Text("failureCode") is { } code ? sync.Text("errorMessage") is { } message ? $"{code}: {message}" : code : null;
}
