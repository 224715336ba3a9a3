using System.CommandLine;
using System.Globalization;

namespace PaymentSync.Cli.Syncs;

/// <summary><c>paymentsync syncs show</c>: one sync with every attempt.</summary>
static class ShowCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var id = new Argument<Guid>("syncId");
        var command = new Command("show", "Shows one sync with its attempts.") { id };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var detail = await invocation.Api.GetAsync($"/api/syncs/{parsed.GetValue(id)}", cancellationToken);
            return invocation.Print(detail, console =>
            {
                var sync = detail["sync"];
                console.Write(Words.Facts(
                    ("sync", sync.Text("id")),
                    ("payment link", sync.Text("paymentLinkId")),
                    ("organisation", sync.Text("organizationId")),
                    ("what", $"{sync.Text("syncType")} {sync.Text("documentNumber")}, {Words.Money(sync)}"),
                    ("status", sync.Text("status")),
                    ("why", Words.Why(sync)),
                    ("next try", Words.Time(sync.Text("nextRetryAt"))),
                    ("retries", sync.Number("retryCount") > 0 ? sync.Number("retryCount").ToString(CultureInfo.InvariantCulture) : null),
                    ("payment", detail.Text("providerPaymentId") is { } payment ? $"{detail.Text("provider")} {payment}" : null),
                    ("Xero invoice", sync.Text("xeroInvoiceId")),
                    ("Xero payment", sync.Text("xeroPaymentId")),
                    ("created", Words.Time(sync.Text("createdAt"))),
                    ("open request", detail.Text("openRequestId"))));
                if (detail.Items("attempts").Count == 0)
                {
                    invocation.Say("It has not been tried yet.");
                    return;
                }
                var table = Words.Table("attempt", "trigger", "started", "outcome", "HTTP", "failure");
                foreach (var tried in detail.Items("attempts"))
                    table.AddTexts(tried.Text("attempt"), tried.Text("trigger"), Words.Time(tried.Text("startedAt")), tried.Text("outcome"), tried.Text("httpStatus"), tried.Text("failureCode"));
                console.Write(table);
            });
        });
        return command;
    }
}
