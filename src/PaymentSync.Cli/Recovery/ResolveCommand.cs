using System.CommandLine;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli.Recovery;

/// <summary><c>paymentsync recovery resolve</c>: a person's decision about an item that recovery left.</summary>
static class ResolveCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var id = new Argument<Guid>("itemId") { Description = "The item's id; paymentsync recovery items --status OPEN shows it." };
        var action = new Argument<string>("action")
        {
            Description = "adopt: --xero-id is its document in Xero, which is read first. requeue: book it all the same. requeueWithNewNumber: as -2, -3, … bookAsCharged: book what was really paid. "
                          + "markFailed: never book it. settledElsewhere: close the item, change nothing.",
        };
        action.AcceptOnlyFromAmong("adopt", "requeue", "requeueWithNewNumber", "bookAsCharged", "markFailed", "settledElsewhere");
        var xeroId = new Option<string?>("--xero-id") { Description = "The id of the document in Xero." };
        var reason = new Option<string>("--reason") { Description = "Why; kept in the audit log.", Required = true };
        var command = new Command("resolve", "Decides about what recovery left to a person.") { id, action, xeroId, reason };
        command.Validators.Add(given =>
        {
            if (given.GetValue(action) == "adopt" != (given.GetValue(xeroId) is not null))
                given.AddError("adopt needs --xero-id, and only adopt takes it.");
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var answer = await invocation.Api.SendAsync(HttpMethod.Post, $"/api/recovery/items/{parsed.GetValue(id)}/resolve",
                new JsonObject { ["action"] = parsed.GetValue(action), ["reason"] = parsed.GetValue(reason), ["xeroId"] = parsed.GetValue(xeroId) }, cancellationToken);
            return invocation.Print(answer, _ => invocation.Say($"{answer.Text("resolution")}: {answer.Text("message")}"));
        });
        return command;
    }
}
