using System.CommandLine;
using System.Globalization;

namespace PaymentSync.Cli.Syncs;

/// <summary><c>paymentsync syncs list</c>: the newest syncs that match.</summary>
static class ListCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var status = new Option<string?>("--status") { Description = "PENDING, RETRYING, SUCCESS or FAILED." };
        status.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "PENDING", "RETRYING", "SUCCESS", "FAILED");
        var type = new Option<string?>("--type") { Description = "INVOICE or PAYMENT." };
        type.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "INVOICE", "PAYMENT");
        var organisation = new Option<Guid?>("--organization") { Description = "Only this organisation's." };
        var code = new Option<string?>("--code") { Description = "Only those with this failure code, for example payment.amount_mismatch." };
        var text = new Option<string?>("--q") { Description = "A payment id, document number, payment link, sync or Xero id, exactly." };
        var limit = new Option<int>("--limit") { Description = "At most so many, 1 to 200.", DefaultValueFactory = _ => 50 };
        var command = new Command("list", "Lists syncs, newest first.") { status, type, organisation, code, text, limit };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var page = await invocation.Api.GetAsync("/api/syncs" + Json.Query(
                ("status", parsed.GetValue(status)?.ToUpperInvariant()), ("type", parsed.GetValue(type)?.ToUpperInvariant()), ("organizationId", parsed.GetValue(organisation)?.ToString()),
                ("failureCode", parsed.GetValue(code)), ("q", parsed.GetValue(text)), ("limit", parsed.GetValue(limit).ToString(CultureInfo.InvariantCulture))), cancellationToken);
            return invocation.Print(page, console =>
            {
                var table = Words.Table("sync", "type", "status", "document", "amount", "created");
                foreach (var sync in page.Items("items"))
                    table.AddTexts(sync.Text("id"), sync.Text("syncType"), sync.Text("status"), sync.Text("documentNumber"), Words.Money(sync), Words.Time(sync.Text("createdAt")));
                console.Write(table);
                foreach (var sync in page.Items("items").Where(sync => Words.Why(sync) is not null))
                    invocation.Say($"{sync.Text("id")} {Words.Why(sync)}");
                if (page.Text("nextCursor") is not null)
                    invocation.Say("There are more; narrow the search, or raise --limit (at most 200).");
            });
        });
        return command;
    }
}
