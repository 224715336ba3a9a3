using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace PaymentSync.Cli.Recovery;

/// <summary><c>paymentsync recovery items</c>: what was found, one line each; those that are OPEN wait for a person.</summary>
static class ItemsCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var status = new Option<string?>("--status") { Description = "OPEN, DONE or RESOLVED." };
        status.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "OPEN", "DONE", "RESOLVED");
        var kind = new Option<string?>("--kind") { Description = "Only this kind, for example link.cancelled_after_invoice." };
        var organisation = new Option<Guid?>("--organization") { Description = "Only this organisation's." };
        var report = new Option<Guid?>("--report") { Description = "Only this report's." };
        var limit = new Option<int>("--limit") { Description = "At most so many, 1 to 200.", DefaultValueFactory = _ => 50 };
        var command = new Command("items", "Lists what recovery found, newest first.") { status, kind, organisation, report, limit };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var page = await invocation.Api.GetAsync("/api/recovery/items" + Json.Query(
                ("status", parsed.GetValue(status)?.ToUpperInvariant()), ("kind", parsed.GetValue(kind)), ("organizationId", parsed.GetValue(organisation)?.ToString()),
                ("reportId", parsed.GetValue(report)?.ToString()), ("limit", parsed.GetValue(limit).ToString(CultureInfo.InvariantCulture))), cancellationToken);
            return invocation.Print(page, console =>
            {
                console.Write(Table(page.Items("items")));
                foreach (var item in page.Items("items").Where(item => item.Text("status") == "OPEN"))
                    invocation.Say($"{item.Text("id")} {item.Text("kind")}: {item.Text("message")}");
                if (page.Text("nextCursor") is not null)
                    invocation.Say("There are more; narrow the search, or raise --limit (at most 200).");
            });
        });
        return command;
    }

    public static Table Table(IEnumerable<JsonNode> items)
    {
        var table = Words.Table("item", "status", "decision", "kind", "about", "found");
        foreach (var item in items)
            table.AddTexts(item.Text("id"), item.Text("status"), item.Text("decision"), item.Text("kind"), item.Text("subject"), Words.Time(item.Text("createdAt")));
        return table;
    }
}
