using System.CommandLine;

namespace PaymentSync.Cli.Syncs;

/// <summary><c>paymentsync syncs journal</c>: what was planned, sent and tried for one sync, and what each of it means.</summary>
static class JournalCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var id = new Argument<Guid>("syncId");
        var command = new Command("journal", "Tells what was planned, sent and tried for one sync (--json: with every document and answer).") { id };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var journal = await invocation.Api.GetAsync($"/api/syncs/{parsed.GetValue(id)}/journal", cancellationToken);
            return invocation.Print(journal, _ =>
            {
                var planned = journal["planned"];
                invocation.Say($"{Words.Time(planned.Text("at"))} planned: {planned.Text("syncType")} {planned.Text("documentNumber")}, {Words.Money(planned)}, for {planned.Text("provider")} {planned.Text("providerPaymentId")}");
                var lines = journal.Items("requested").Concat(journal.Items("attempted")).OrderBy(line => line.Text("at"), StringComparer.Ordinal);
                foreach (var line in lines)
                {
                    invocation.Say(line.Text("kind") == "requested"
                        ? $"{Words.Time(line.Text("at"))} requested: {line.Text("resource")} with {line.Items("syncIds").Count} documents, key {line.Text("idempotencyKey")}. {line.Text("means")}"
                        : $"{Words.Time(line.Text("at"))} attempt {line.Text("attempt")} ({line.Text("trigger")}, {line.Text("stage")}) {line.Text("result")}{(line.Text("failureCode") is { } code ? $", {code}" : "")}. {line.Text("means")}");
                }
            });
        });
        return command;
    }
}
