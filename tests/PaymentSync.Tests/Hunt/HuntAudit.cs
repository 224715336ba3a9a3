using System.Globalization;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.Hunt;

/// <summary>
/// Compares the end of a hunt with its plan: what was paid must be in Xero once and to the cent, and whatever is not must have a reason that only a person can
/// take away. The auditor checks beside it what holds in every world.
/// </summary>
sealed class HuntAudit(World world, Plan plan, HuntRun run)
{
    readonly List<string> _problems = [];

    public async Task<IReadOnlyList<string>> CheckAsync()
    {
        try
        {
            await world.Auditor.CheckAsync();
        }
        catch (Shouldly.ShouldAssertException broken)
        {
            _problems.Add(broken.Message);
        }
        var rows = (await run.RowsAsync()).ToLookup(row => row.Link);
        var events = (await world.EventsAsync()).Where(told => told.Fact == "paid").ToLookup(told => told.Payment, StringComparer.Ordinal);
        var ledger = JsonNode.Parse(await world.Simulator.GetStringAsync("/simulator/ledger"))!["organisations"]!.AsArray().ToDictionary(node => node!["tenantId"]!.GetValue<string>(), node => node!, StringComparer.OrdinalIgnoreCase);
        foreach (var paid in plan.Payments.Where(payment => run.Heard.Contains(payment.Id)).GroupBy(payment => payment.Link))
            CheckLink(paid.Key, [.. paid], [.. rows[paid.Key.Id]], events, ledger[paid.Key.Organisation.TenantId.ToString()]);
        foreach (var invoice in ledger.Values.SelectMany(organisation => Live(organisation, "invoices")).Where(one => run.Strangers.Contains(Text(one, "invoiceNumber"))))
        {
            if (Money(invoice, "total") != HuntRun.StrangersTotal || Text(invoice, "contactName") != HuntRun.Stranger)
                _problems.Add($"a stranger's invoice was overwritten: {invoice.ToJsonString()}");
        }
        await CheckLimitsAsync();
        return _problems;
    }

    void CheckLink(PlannedLink link, List<PlannedPayment> heard, List<Row> rows, ILookup<string?, EventRow> events, JsonNode ledger)
    {
        if (rows is not [{ Type: "INVOICE" } invoice, { Type: "PAYMENT" } payment])
        {
            _problems.Add($"{link.Number} was paid and has {rows.Count} rows");
            return;
        }
        var booked = heard.SingleOrDefault(one => one.Id == invoice.Payment);
        if (booked is null)
        {
            _problems.Add($"{link.Number} books {invoice.Payment}, which was never heard of");
            return;
        }
        foreach (var other in heard.Where(one => one != booked && !events[one.Id].Any(told => told.Became is "NEEDS_ACTION payment.second_payment")))
            _problems.Add($"{other.Id} was the second payment of {link.Number} and is not shown: {string.Join(", ", events[other.Id].Select(told => told.Became))}");

        foreach (var row in rows.Where(row => row.Status != "SUCCESS"))
            CheckReason(row, link, booked, invoice);
        foreach (var blind in ledger["sentAgain"]!.AsArray().Select(one => one!.GetValue<string>()).Where(one => (one == link.Number || one == booked.Id) && !run.Touched.Contains(link.Number)))
            _problems.Add($"{blind} was sent although it was in Xero already, because of us");
        CheckBooks(link, booked, rows.TrueForAll(row => row.Status == "SUCCESS"), ledger, run.Touched.Contains(link.Number));
    }

    /// <summary>After all is mended, only what a person did to this very document or payment may keep it out of Xero.</summary>
    void CheckReason(Row row, PlannedLink link, PlannedPayment booked, Row invoice)
    {
        var excused = row.Code switch
        {
            "payment.amount_mismatch" => booked.Charged != link.Amount && link.Organisation.AmountPolicy == "MustEqualLink",
            "link.cancelled" => run.Cancelled.Contains(link.Id),
            "waiting.invoice" => invoice.Status != "SUCCESS",
            "payment.already_there" or "xero.document_voided" or "xero.document_mismatch" or "xero.total_differs" or "xero.document_missing" or "xero.several_matches" => run.Touched.Contains(link.Number),
            _ => false,
        };
        if (!excused)
            _problems.Add($"{row.Type} {row.Number} is {row.Status} {row.Code} although nothing is in its way any more: {row.Message}");
    }

    void CheckBooks(PlannedLink link, PlannedPayment booked, bool done, JsonNode ledger, bool touched)
    {
        var invoices = Live(ledger, "invoices").Where(one => Text(one, "invoiceNumber") == link.Number && !world.Auditor.MadeByPeople.Contains(Text(one, "invoiceId"))).ToList();
        var payments = Live(ledger, "payments").Where(one => Text(one, "reference") == booked.Id).ToList();
        if (invoices.Count > 1 || payments.Count > 1)
            _problems.Add($"{link.Number} is in Xero {invoices.Count} times, paid {payments.Count} times");
        if (!done || touched)
            return;
        if (invoices is not [var invoice] || payments is not [var payment])
        {
            _problems.Add($"{link.Number} is SUCCESS, but Xero has {invoices.Count} invoices and {payments.Count} payments of it");
            return;
        }
        if (Money(invoice, "total") != booked.Charged || Text(invoice, "currencyCode") != link.Currency || Money(invoice, "amountDue") != 0 || Text(invoice, "status") != "PAID")
            _problems.Add($"{booked.Charged} {link.Currency} was charged for {link.Number}, but Xero has {invoice.ToJsonString()}");
        if (Money(payment, "amount") != booked.Charged || Text(payment, "invoiceId") != Text(invoice, "invoiceId") || Text(payment, "accountCode") != Clearing(link.Currency))
            _problems.Add($"{booked.Charged} {link.Currency} was charged for {link.Number}, but Xero has the payment {payment.ToJsonString()}");
    }

    async Task CheckLimitsAsync()
    {
        var tenants = (await world.CallsAsync())["tenants"]!;
        foreach (var organisation in plan.Organisations)
        {
            if (tenants[organisation.TenantId.ToString()]!["refused"]!.GetValue<int>() is > 0 and var refused)
                _problems.Add($"{refused} calls of {organisation.Name} were refused because a limit was really reached");
        }
    }

    static string Clearing(string currency) => currency switch { "USD" => "091", "EUR" => "092", "JPY" => "095", _ => "090" };

    static IEnumerable<JsonNode> Live(JsonNode ledger, string list) => ledger[list]!.AsArray().Select(one => one!).Where(one => Text(one, "status") is not ("VOIDED" or "DELETED"));

    static string Text(JsonNode node, string name) => node[name]?.GetValue<string>() ?? "";

    static decimal Money(JsonNode node, string name) => decimal.Parse(Text(node, name), CultureInfo.InvariantCulture);
}
