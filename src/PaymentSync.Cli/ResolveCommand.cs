using System.CommandLine;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli;

/// <summary><c>paymentsync resolve</c>: a person's decision about a sync that is held.</summary>
static class ResolveCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var sync = new Argument<Guid>("syncId") { Description = "The sync's id; paymentsync syncs list --status FAILED shows those that are held." };
        var action = new Argument<string>("action")
        {
            Description = "bookAsCharged: book what was really paid. requeue: book it all the same. requeueWithNewNumber: book it as a new invoice, -2, -3. adopt: --xero-id is its document in Xero, which is read first. "
                          + "markFailed: never book it.",
        };
        action.AcceptOnlyFromAmong("bookAsCharged", "requeue", "requeueWithNewNumber", "adopt", "markFailed");
        var xeroId = new Option<string?>("--xero-id") { Description = "The id of the document in Xero." };
        var reason = new Option<string>("--reason") { Description = "Why; kept in the audit log.", Required = true };
        var command = new Command("resolve", "Decides about a sync that is held for a person.") { sync, action, xeroId, reason };
        command.Validators.Add(given =>
        {
            if (given.GetValue(action) == "adopt" != (given.GetValue(xeroId) is not null))
                given.AddError("adopt needs --xero-id, and only adopt takes it.");
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var answer = await invocation.Api.SendAsync(HttpMethod.Post, $"/api/syncs/{parsed.GetValue(sync)}/resolve",
                new JsonObject { ["action"] = parsed.GetValue(action), ["reason"] = parsed.GetValue(reason), ["xeroId"] = parsed.GetValue(xeroId) }, cancellationToken);
            return invocation.Print(answer, _ => invocation.Say($"{answer.Text("status")}: {answer.Text("message")}"));
        });
        return command;
    }
}
