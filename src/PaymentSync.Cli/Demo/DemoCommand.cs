using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace PaymentSync.Cli.Demo;

/// <summary><c>paymentsync demo</c>: plays Stripe on a good and a bad day, and shows what arrives in the simulated Xero.</summary>
static class DemoCommand
{
    const string SecretVariable = "Stripe__WebhookSecrets__0";

    public static Command Build(GlobalOptions globals)
    {
        var simulator = GlobalOptions.Address("--simulator", "Where the Xero simulator answers (or XERO_SIMULATOR_URL).", "XERO_SIMULATOR_URL", "http://127.0.0.1:8090");
        var secret = new Option<string?>("--stripe-secret") { Description = $"The webhook's signing secret, whsec_… (or {SecretVariable})." };
        var seed = new Option<int?>("--seed") { Description = "Plays the run of this seed again; without it every run is new." };
        var patience = new Option<int>("--patience") { Description = "How many seconds the rows get to reach SUCCESS.", DefaultValueFactory = _ => 60 };
        var command = new Command("demo", "Pays 120 links through the real webhook, with repetitions, disorder and forgeries, and compares the books.") { simulator, secret, seed, patience };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            using var xero = new Api("The Xero simulator", new Uri(parsed.GetRequiredValue(simulator)), key: null);
            var script = new Script(parsed.GetValue(seed) ?? RandomNumberGenerator.GetInt32(int.MaxValue), DateTimeOffset.UtcNow);
            var figures = await new DemoRun(invocation, xero, GlobalOptions.Secret(parsed, secret, SecretVariable), script, TimeSpan.FromSeconds(parsed.GetValue(patience))).PlayAsync(cancellationToken);
            invocation.Print(figures.ToJson(), console => Show(console, figures));
            if (!invocation.Json)
                await SayWhatWaitsAsync(invocation, figures, script, cancellationToken);
            if (figures.Problems.Count > 0)
                throw new ApiException(string.Join(Environment.NewLine, figures.Problems.Prepend("The demo did not end as it should:")));
            return 0;
        });
        return command;
    }

    static void Show(IAnsiConsole console, Figures figures)
    {
        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
        var table = Words.Table("what came of it", "").HideHeaders();
        table.AddTexts("deliveries accepted", Text($"{figures.Accepted}: {figures.Outcomes("DUPLICATE")} of them duplicates, which changed nothing"));
        table.AddTexts("forged, altered, stale or unsigned", Text($"{figures.Refused}, all refused with 400"));
        foreach (var (status, type, count) in figures.RowsByStatus)
            table.AddTexts($"{type} rows {status}", count.ToString(CultureInfo.InvariantCulture));
        table.AddTexts("documents in Xero's ledger", Text($"{figures.Books.Invoices} invoices, {figures.Books.Payments} payments (all runs)"));
        table.AddTexts("Xero calls", Text($"{figures.XeroCalls} for {figures.Booked} payments: {figures.CallsPerPayment:0.0##} per payment"));
        table.AddTexts("the webhook's answer", Text($"median {figures.Median:0.0} ms, p99 {figures.P99:0.0} ms"));
        console.Write(table);

        var books = Words.Table("clearing account", "payments", "PaymentSync", "Xero's ledger", "");
        foreach (var account in figures.Books.Accounts)
            books.AddTexts($"{account.Code} {account.Currency}", Text($"{account.Payments}"), Text($"{account.Ours:0.00}"), Text($"{account.Xeros:0.00}"), account.Agrees ? "equal" : "DIFFERENT");
        foreach (var money in books.Columns.Skip(1).Take(3))
            money.RightAligned();
        console.Write(books);
    }

    /// <summary>What a demo leaves open on purpose, each with the command that settles it.</summary>
    static async Task SayWhatWaitsAsync(Invocation invocation, Figures figures, Script script, CancellationToken cancellationToken)
    {
        invocation.Say("What waits for a person, and how it is settled:");
        foreach (var row in figures.Rows.Where(row => row.Text("failureKind") == "NEEDS_ACTION"))
        {
            invocation.Say($"- {row.Text("errorMessage")}");
            invocation.Say($"    {invocation.Self} resolve {row.Text("id")} {(row.Text("failureCode")?.EndsWith("mismatch", StringComparison.Ordinal) == true ? "bookAsCharged" : "requeue")} --reason \"agreed with the customer\"");
        }
        foreach (var (status, action, reason) in new[] { ("NEEDS_ACTION", "settledElsewhere", "refunded in Stripe"), ("UNMATCHED", "settledElsewhere", "booked by hand"), ("QUARANTINED", "ignore", "no event of ours") })
        {
            var events = (await invocation.Api.GetAsync($"/api/events?status={status}&limit=200", cancellationToken)).Items("items");
            // A body that is no JSON names no run; the newest one is this run's.
            var ours = status == "QUARANTINED" ? events.Take(1) : events.Where(told => told.Text("providerPaymentId")?.Contains(script.Run, StringComparison.Ordinal) == true);
            foreach (var told in ours)
            {
                invocation.Say($"- {(status == "QUARANTINED" ? "A signed body was kept in quarantine: " : "")}{told.Text("message")}");
                invocation.Say($"    {invocation.Self} events resolve {told.Text("id")} {action} --reason \"{reason}\"");
            }
        }
    }
}
