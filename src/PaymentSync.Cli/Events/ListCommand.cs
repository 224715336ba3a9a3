using System.CommandLine;
using System.Globalization;

namespace PaymentSync.Cli.Events;

/// <summary><c>paymentsync events list</c>: the newest events that match.</summary>
static class ListCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var status = new Option<string?>("--status") { Description = "COMPLETED, SUPERSEDED, UNMATCHED, QUARANTINED, IGNORED or NEEDS_ACTION." };
        status.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "COMPLETED", "SUPERSEDED", "UNMATCHED", "QUARANTINED", "IGNORED", "NEEDS_ACTION");
        var text = new Option<string?>("--q") { Description = "A payment id, event id or link, exactly." };
        var limit = new Option<int>("--limit") { Description = "At most so many, 1 to 200.", DefaultValueFactory = _ => 50 };
        var command = new Command("list", "Lists events, newest first. UNMATCHED, QUARANTINED and NEEDS_ACTION wait for a person.") { status, text, limit };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var page = await invocation.Api.GetAsync("/api/events" + Json.Query(
                ("status", parsed.GetValue(status)?.ToUpperInvariant()), ("q", parsed.GetValue(text)), ("limit", parsed.GetValue(limit).ToString(CultureInfo.InvariantCulture))), cancellationToken);
            return invocation.Print(page, console =>
            {
                var table = Words.Table("event", "status", "type", "payment", "amount", "received");
                foreach (var told in page.Items("items"))
                    table.AddTexts(told.Text("id"), told.Text("status"), told.Text("eventType"), told.Text("providerPaymentId"), Words.Money(told), Words.Time(told.Text("receivedAt")));
                console.Write(table);
                foreach (var told in page.Items("items").Where(told => told.Text("status") is "UNMATCHED" or "QUARANTINED" or "NEEDS_ACTION"))
                    invocation.Say($"{told.Text("id")} {told.Text("reason")}: {told.Text("message")}");
                if (page.Text("nextCursor") is not null)
                    invocation.Say("There are more; narrow the search, or raise --limit (at most 200).");
            });
        });
        return command;
    }
}
