using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli.Recovery;

/// <summary><c>paymentsync recovery reports</c>: what recovery found and did, newest first; with an id, one report and its items.</summary>
static class ReportsCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var id = new Argument<Guid?>("reportId") { Description = "One report, with its items.", Arity = ArgumentArity.ZeroOrOne };
        var limit = new Option<int>("--limit") { Description = "At most so many, 1 to 200.", DefaultValueFactory = _ => 20 };
        var command = new Command("reports", "Shows what recovery found, decided, did, and left to a person.") { id, limit };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            if (parsed.GetValue(id) is { } one)
            {
                var shown = await invocation.Api.GetAsync($"/api/recovery/reports/{one}", cancellationToken);
                return invocation.Print(shown, console =>
                {
                    Print(invocation, shown["report"]!);
                    console.Write(ItemsCommand.Table(shown.Items("items")));
                });
            }
            var page = await invocation.Api.GetAsync("/api/recovery/reports" + Json.Query(("limit", parsed.GetValue(limit).ToString(CultureInfo.InvariantCulture))), cancellationToken);
            return invocation.Print(page, console =>
            {
                var table = Words.Table("report", "trigger", "node", "started", "found", "done", "for a person");
                foreach (var report in page.Items("items"))
                    table.AddTexts(report.Text("id"), report.Text("trigger"), report.Text("node"), Words.Time(report.Text("startedAt")), report.Text("found"), report.Text("done"), report.Text("leftToAPerson"));
                console.Write(table);
            });
        });
        return command;
    }

    /// <summary>One report: its sum, and a line for each kind.</summary>
    public static void Print(Invocation invocation, JsonNode report)
    {
        var dry = report.Text("dryRun") == "true";
        invocation.Say($"{(dry ? "Dry run, nothing was changed: found" : $"Recovery {report.Text("id") ?? "(nothing to report)"}: found")} {report.Text("found")}, done {report.Text("done")}, left to a person {report.Text("leftToAPerson")}.");
        if (report.Items("kinds").Count == 0)
            return;
        var table = Words.Table("kind", "found", "decided", "done", "for a person");
        foreach (var kind in report.Items("kinds"))
        {
            table.AddTexts(kind.Text("kind"), kind.Text("found") + (kind.Text("more") == "true" ? "+" : ""),
                string.Join(", ", (kind["decided"] as JsonObject ?? []).Select(pair => $"{pair.Key} {pair.Value?.ToJsonString()}")), kind.Text("done"), kind.Text("leftToAPerson"));
        }
        invocation.Console.Write(table);
    }
}
