using System.CommandLine;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli;

/// <summary><c>paymentsync replay</c>: one sync is tried again now. What is in Xero already is never sent again.</summary>
static class ReplayCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var sync = new Argument<Guid>("syncId") { Description = "The sync's id; paymentsync syncs list shows it." };
        var reason = new Option<string>("--reason") { Description = "Why; kept in the audit log.", Required = true };
        var command = new Command("replay", "Tries one sync again now. Where its outcome is unknown, Xero is asked first.") { sync, reason };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var answer = await invocation.Api.SendAsync(HttpMethod.Post, "/api/xero/sync/replay",
                new JsonObject { ["syncId"] = parsed.GetValue(sync), ["reason"] = parsed.GetValue(reason) }, cancellationToken);
            return invocation.Print(answer, _ => invocation.Say($"{answer.Text("status")}: {answer.Text("message")}"));
        });
        return command;
    }
}
