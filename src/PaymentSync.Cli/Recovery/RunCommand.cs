using System.CommandLine;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli.Recovery;

/// <summary><c>paymentsync recovery run</c>: looks now, instead of within the minute.</summary>
static class RunCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var dry = new Option<bool>("--dry-run") { Description = "Only say what would be done." };
        var reason = new Option<string?>("--reason") { Description = "Why; kept in the audit log." };
        var command = new Command("run", "Looks for what crashes left behind and what contradicts itself, now. Every worker does so each minute by itself.") { dry, reason };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var report = await invocation.Api.SendAsync(HttpMethod.Post, "/api/recovery/runs", new JsonObject { ["dryRun"] = parsed.GetValue(dry), ["reason"] = parsed.GetValue(reason) }, cancellationToken);
            return invocation.Print(report, _ => ReportsCommand.Print(invocation, report));
        });
        return command;
    }
}
