using System.Text.Json;
using XeroSimulator.Faults;
using XeroSimulator.Invoices;
using XeroSimulator.Organisations;

namespace XeroSimulator.Humans;

/// <summary>What somebody takes it into their head to do in the midst of chaos. Xero's rules may forbid it; then nothing was done.</summary>
internal static class Whims
{
    private static readonly string[] Actions = ["payInvoice", "voidInvoice", "editInvoice", "archiveContact", "restoreContact", "createInvoice"];

    /// <remarks>Called under the organisation's lock. What is chosen depends on numbers and names, never on ids, which differ from run to run.</remarks>
    public static void Follow(Chaos chaos, Draw draw, Organisation organisation, DateTimeOffset now)
    {
        if (draw.Of("human") >= (chaos.Order.Humans ?? 0))
            return;
        var action = Actions[draw.Index("action", Actions.Length)];
        if (Order(action, draw, organisation) is not { } order)
            return;
        var answer = HumanEndpoints.Act(organisation, JsonSerializer.SerializeToElement(order), now);
        if (answer.Errors.Count == 0)
            chaos.Acts.Enqueue(new(organisation.TenantId, action, answer.InvoiceNumber, answer.InvoiceId, answer.PaymentId, order.GetValueOrDefault("contactName") as string));
    }

    private static Dictionary<string, object?>? Order(string action, Draw draw, Organisation organisation) => action switch
    {
        "createInvoice" => new() { ["action"] = action, ["amount"] = 10 + draw.Index("amount", 90), ["contactName"] = "Somebody else" },
        "archiveContact" or "restoreContact" =>
            Pick(organisation.Contacts.All.Where(contact => contact.Archived == (action == "restoreContact")).Select(contact => contact.Name), draw) is { } name
                ? new() { ["action"] = action, ["contactName"] = name }
                : null,
        _ => Pick(organisation.Invoices.All.Where(invoice => invoice.Status == InvoiceStatus.AUTHORISED).Select(invoice => invoice.Number), draw) is { } number
            ? OnInvoice(action, organisation, organisation.Invoices.Find(number)!, draw)
            : null,
    };

    private static Dictionary<string, object?>? OnInvoice(string action, Organisation organisation, Invoice invoice, Draw draw) => action switch
    {
        "editInvoice" => new() { ["action"] = action, ["invoiceNumber"] = invoice.Number, ["amount"] = invoice.Total + 1 },
        "payInvoice" => new()
        {
            ["action"] = action,
            ["invoiceNumber"] = invoice.Number,
            ["accountCode"] = organisation.Accounts.FirstOrDefault(account => account.IsBank && account.CurrencyCode == invoice.CurrencyCode)?.Code,
            ["amount"] = draw.Of("half") < 0.5 ? invoice.AmountDue : decimal.Round(invoice.AmountDue / 2, 2),
            ["reference"] = "by hand",
        },
        _ => new() { ["action"] = action, ["invoiceNumber"] = invoice.Number },
    };

    private static string? Pick(IEnumerable<string> names, Draw draw)
    {
        var inOrder = names.Order(StringComparer.Ordinal).ToList();
        return inOrder.Count == 0 ? null : inOrder[draw.Index("which", inOrder.Count)];
    }
}
