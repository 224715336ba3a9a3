using System.CommandLine;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli.Events;

/// <summary><c>paymentsync events resolve</c>: a person's decision about an event that fits no row.</summary>
static class ResolveCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var id = new Argument<Guid>("eventId") { Description = "The event's id; paymentsync events list --status NEEDS_ACTION shows it." };
        var action = new Argument<string>("action") { Description = "attach: it belongs to --link. settledElsewhere: refunded, or booked by hand. ignore: it is nothing." };
        action.AcceptOnlyFromAmong("attach", "settledElsewhere", "ignore");
        var link = new Option<Guid?>("--link") { Description = "The payment link to attach it to." };
        var reason = new Option<string>("--reason") { Description = "Why; kept in the audit log.", Required = true };
        var command = new Command("resolve", "Decides about an event that waits for a person.") { id, action, link, reason };
        command.Validators.Add(given =>
        {
            if (given.GetValue(action) == "attach" != given.GetValue(link).HasValue)
                given.AddError("attach needs --link, and only attach takes it.");
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var answer = await invocation.Api.SendAsync(HttpMethod.Post, $"/api/events/{parsed.GetValue(id)}/resolve",
                new JsonObject { ["action"] = parsed.GetValue(action), ["reason"] = parsed.GetValue(reason), ["paymentLinkId"] = parsed.GetValue(link) }, cancellationToken);
            return invocation.Print(answer, _ => invocation.Say($"{answer.Text("outcome")}{(answer.Text("message") is { } message ? $": {message}" : "")}"));
        });
        return command;
    }
}
