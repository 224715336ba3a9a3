using System.Buffers;
using System.Globalization;
using System.Text.Json;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>Frozen documents as Xero wants them on the wire. Reads the row's document only, never a setting.</summary>
static class XeroDocuments
{
    /// <summary><c>PUT /Invoices</c>: <c>{"Invoices":[…]}</c>, approved sales invoices of one line.</summary>
    public static byte[] Invoices(IEnumerable<ClaimedSync> syncs) => Write("Invoices", syncs, static (json, sync) =>
    {
        var document = sync.Document;
        json.WriteString("Type", "ACCREC");
        json.WriteString("InvoiceNumber", sync.DocumentNumber);
        if (Text(document, "reference") is { Length: > 0 } reference)
            json.WriteString("Reference", reference);
        // Only the name: Xero matches or creates the contact, and any further field would overwrite a person's edits.
        json.WriteStartObject("Contact");
        json.WriteString("Name", Text(document, "contact"));
        json.WriteEndObject();
        json.WriteString("Date", Text(document, "date"));
        json.WriteString("DueDate", Text(document, "date"));
        json.WriteString("CurrencyCode", Text(document, "currency"));
        json.WriteString("LineAmountTypes", Text(document, "lineAmountTypes"));
        json.WriteString("Status", "AUTHORISED");
        json.WriteStartArray("LineItems");
        foreach (var line in document.GetProperty("lines").EnumerateArray())
        {
            json.WriteStartObject();
            json.WriteString("Description", Text(line, "description"));
            json.WriteNumber("Quantity", Money(line, "quantity"));
            json.WriteNumber("UnitAmount", Money(line, "unitAmount"));
            json.WriteString("AccountCode", Text(line, "accountCode"));
            json.WriteString("TaxType", Text(line, "taxType"));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    /// <summary><c>PUT /Payments</c>: <c>{"Payments":[…]}</c>, each against its invoice's id.</summary>
    public static byte[] Payments(IEnumerable<ClaimedSync> syncs) => Write("Payments", syncs, static (json, sync) =>
    {
        json.WriteStartObject("Invoice");
        json.WriteString("InvoiceID", sync.XeroInvoiceId);
        json.WriteEndObject();
        json.WriteStartObject("Account");
        json.WriteString("Code", Text(sync.Document, "accountCode"));
        json.WriteEndObject();
        json.WriteString("Date", Text(sync.Document, "date"));
        json.WriteNumber("Amount", Money(sync.Document, "amount"));
        json.WriteString("Reference", sync.DocumentNumber);
    });

    public static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    static decimal Money(JsonElement element, string name) => decimal.Parse(Text(element, name)!, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture);

    static byte[] Write(string name, IEnumerable<ClaimedSync> syncs, Action<Utf8JsonWriter, ClaimedSync> fields)
    {
        var buffer = new ArrayBufferWriter<byte>(16 * 1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray(name);
            foreach (var sync in syncs)
            {
                json.WriteStartObject();
                fields(json, sync);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
