using System.Globalization;
using System.Text.Json;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>One invoice in an answer. Enums stay strings: Xero adds values without notice.</summary>
sealed record XeroInvoice(string? Id, string? Number, string? Type, string? Status, decimal? Total, decimal? AmountDue, decimal? AmountPaid, string? Currency, string? Contact,
    IReadOnlyList<XeroPayment> Payments, XeroVerdict Verdict)
{
    public bool IsGone => Status is "VOIDED" or "DELETED";
    /// <summary>Xero counts more as paid than the payments it lists: some are not shown yet.</summary>
    public bool HidesPayments => AmountPaid > Payments.Sum(payment => payment.Amount ?? 0);
}

/// <summary>One payment in an answer, or inline on its invoice (then without account and status).</summary>
sealed record XeroPayment(string? Id, string? Reference, decimal? Amount, string? Status, string? InvoiceId, XeroVerdict Verdict);

/// <summary>What Xero says of one element of a batch.</summary>
sealed record XeroVerdict(bool HasErrors, IReadOnlyList<string> Errors, IReadOnlyList<string> Warnings);

/// <summary>Tolerant reading of Xero's JSON: what is missing is null, what is new is ignored, what cannot be read is said to be unreadable.</summary>
static class XeroAnswer
{
    const string ZeroId = "00000000-0000-0000-0000-000000000000";

    /// <returns>Null when the body is not such a list: whoever wrote before reading it does not know what happened. In a 400 the list is called Elements.</returns>
    public static List<XeroInvoice>? Invoices(byte[] body) => Read(body, "Invoices", Invoice) ?? Read(body, "Elements", Invoice);

    /// <inheritdoc cref="Invoices"/>
    public static List<XeroPayment>? Payments(byte[] body) => Read(body, "Payments", Payment) ?? Read(body, "Elements", Payment);

    /// <summary>Whether a 400 says which documents are bad, instead of refusing the request as a whole.</summary>
    public static bool NamesElements(byte[] body) => Read(body, "Elements", Verdict) is { } verdicts && verdicts.Any(verdict => verdict.HasErrors);

    /// <summary>Xero's texts in a 400: of the elements if it names them, else its message or detail.</summary>
    public static IReadOnlyList<string> RefusalTexts(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                return [];
            var texts = Array(root, "Elements").SelectMany(element => Messages(element, "ValidationErrors")).Distinct(StringComparer.Ordinal).ToList();
            if (texts.Count == 0 && (Text(root, "Message") ?? Text(root, "Detail")) is { } message)
                texts.Add(message);
            return texts;
        }
        catch (JsonException)
        {
            return [];
        }
    }

    /// <summary>The small copy that the row keeps.</summary>
    public static string Small(XeroInvoice invoice) => JsonSerializer.Serialize(new
    {
        invoiceId = invoice.Id,
        number = invoice.Number,
        status = invoice.Status,
        total = invoice.Total?.ToString(CultureInfo.InvariantCulture),
        amountDue = invoice.AmountDue?.ToString(CultureInfo.InvariantCulture),
        currency = invoice.Currency,
        warnings = invoice.Verdict.Warnings,
    });

    /// <inheritdoc cref="Small(XeroInvoice)"/>
    public static string Small(XeroPayment payment) => JsonSerializer.Serialize(new
    {
        paymentId = payment.Id,
        invoiceId = payment.InvoiceId,
        reference = payment.Reference,
        amount = payment.Amount?.ToString(CultureInfo.InvariantCulture),
        status = payment.Status,
        warnings = payment.Verdict.Warnings,
    });

    static List<T>? Read<T>(byte[] body, string list, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(list, out var elements) && elements.ValueKind == JsonValueKind.Array
                ? [.. elements.EnumerateArray().Where(element => element.ValueKind == JsonValueKind.Object).Select(read)]
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static XeroInvoice Invoice(JsonElement json) => new(
        RealId(Text(json, "InvoiceID")), Text(json, "InvoiceNumber"), Text(json, "Type"), Text(json, "Status"), Money(json, "Total"), Money(json, "AmountDue"), Money(json, "AmountPaid"), Text(json, "CurrencyCode"),
        json.TryGetProperty("Contact", out var contact) ? Text(contact, "Name") : null,
        [.. Array(json, "Payments").Select(Payment)], Verdict(json));

    static XeroPayment Payment(JsonElement json) => new(
        RealId(Text(json, "PaymentID")), Text(json, "Reference"), Money(json, "Amount"), Text(json, "Status"),
        json.TryGetProperty("Invoice", out var invoice) ? RealId(Text(invoice, "InvoiceID")) : null, Verdict(json));

    static XeroVerdict Verdict(JsonElement json)
    {
        var errors = Messages(json, "ValidationErrors").ToList();
        return new XeroVerdict(
            errors.Count > 0 || Flag(json, "HasErrors") || Flag(json, "HasValidationErrors") || string.Equals(Text(json, "StatusAttributeString"), "ERROR", StringComparison.OrdinalIgnoreCase),
            errors, [.. Messages(json, "Warnings")]);
    }

    static IEnumerable<string> Messages(JsonElement json, string name) => Array(json, name).Select(error => Text(error, "Message")).OfType<string>();

    static JsonElement[] Array(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var array) && array.ValueKind == JsonValueKind.Array ? [.. array.EnumerateArray()] : [];

    static string? Text(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    static bool Flag(JsonElement json, string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    static decimal? Money(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var money) ? money : null;

    static string? RealId(string? id) => id is null or "" or ZeroId ? null : id;
}
