using System.Text.Json;
using XeroSimulator.Contacts;
using XeroSimulator.Gate;
using XeroSimulator.Organisations;

namespace XeroSimulator.Invoices;

/// <summary>How an invoice is written in an answer.</summary>
internal static class InvoiceJson
{
    /// <param name="unitDecimals">To how many decimals unit amounts are shown; null for unpaged and summary lists: no line items, no payments.</param>
    public static void Write(Utf8JsonWriter json, InvoiceView view, Organisation organisation, int? unitDecimals)
    {
        json.WriteStartObject();
        WriteFields(json, view, organisation, unitDecimals);
        json.WriteBoolean("HasErrors", false);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, InvoiceResult result, Organisation organisation, int unitDecimals)
    {
        json.WriteStartObject();
        if (result.Invoice is not null)
            WriteFields(json, InvoiceView.Now(result.Invoice), organisation, unitDecimals);
        else
            WriteRefused(json, result.Input);
        json.WriteBoolean("HasErrors", result.Errors.Count > 0);
        json.WriteString("StatusAttributeString", result switch
        {
            { Errors.Count: > 0 } => "ERROR",
            { Warnings.Count: > 0 } => "WARNING",
            _ => "OK",
        });
        json.WriteMessages("ValidationErrors", result.Errors);
        json.WriteMessages("Warnings", result.Warnings);
        json.WriteEndObject();
    }

    private static void WriteFields(Utf8JsonWriter json, InvoiceView view, Organisation organisation, int? unitDecimals)
    {
        var invoice = view.Invoice;
        json.WriteString("Type", "ACCREC");
        json.WriteString("InvoiceID", invoice.InvoiceId);
        json.WriteString("InvoiceNumber", invoice.Number);
        json.WriteString("Reference", invoice.Reference ?? "");
        ContactEndpoints.WriteReference(json, organisation.Contacts.Find(invoice.ContactId)!);
        json.WriteDay("Date", invoice.Date);
        json.WriteDay("DueDate", invoice.DueDate);
        json.WriteString("Status", view.Status.ToString());
        json.WriteString("LineAmountTypes", invoice.LineAmountTypes);
        if (unitDecimals is { } decimals)
        {
            WriteLines(json, invoice, decimals);
            WritePayments(json, view);
            json.WriteEmptyArray("CreditNotes");
            json.WriteEmptyArray("Prepayments");
            json.WriteEmptyArray("Overpayments");
        }

        json.WriteMoney("SubTotal", invoice.SubTotal);
        json.WriteMoney("TotalTax", invoice.TotalTax);
        json.WriteMoney("Total", invoice.Total);
        json.WriteMoney("AmountDue", view.AmountDue);
        json.WriteMoney("AmountPaid", view.AmountPaid);
        json.WriteMoney("AmountCredited", 0);
        json.WriteString("CurrencyCode", invoice.CurrencyCode);
        json.WriteNumber("CurrencyRate", invoice.CurrencyRate);
        json.WriteText("Url", invoice.Url);
        json.WriteBoolean("HasAttachments", false);
        if (view.Status == InvoiceStatus.PAID)
            json.WriteString("FullyPaidOnDate", XeroJson.Ticks(view.Payments.Count > 0 ? view.Payments.Max(payment => payment.Date) : invoice.Date));
        json.WriteTime("UpdatedDateUTC", invoice.UpdatedAt);
    }

    private static void WriteLines(Utf8JsonWriter json, Invoice invoice, int unitDecimals)
    {
        json.WriteStartArray("LineItems");
        foreach (var line in invoice.Lines)
        {
            json.WriteStartObject();
            json.WriteString("LineItemID", line.LineItemId);
            json.WriteText("Description", line.Description);
            json.WriteNumber("Quantity", line.Quantity);
            json.WriteNumber("UnitAmount", decimal.Round(line.UnitAmount, unitDecimals, MidpointRounding.AwayFromZero));
            json.WriteText("AccountCode", line.AccountCode);
            json.WriteText("TaxType", line.TaxType);
            json.WriteMoney("TaxAmount", line.TaxAmount);
            json.WriteMoney("LineAmount", line.LineAmount);
            if (line.DiscountRate is { } discount)
                json.WriteNumber("DiscountRate", discount);
            json.WriteEmptyArray("Tracking");
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Inline payments name neither their account nor their status: for those one asks for the payment itself.</summary>
    private static void WritePayments(Utf8JsonWriter json, InvoiceView view)
    {
        json.WriteStartArray("Payments");
        foreach (var payment in view.Payments)
        {
            json.WriteStartObject();
            json.WriteString("PaymentID", payment.PaymentId);
            json.WriteString("Date", XeroJson.Ticks(payment.Date));
            json.WriteMoney("Amount", payment.Amount);
            json.WriteText("Reference", string.IsNullOrEmpty(payment.Reference) ? null : payment.Reference);
            json.WriteNumber("CurrencyRate", payment.CurrencyRate);
            json.WriteBoolean("HasAccount", false);
            json.WriteBoolean("HasValidationErrors", false);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>A refused element echoes what was sent; a new one has the zero id.</summary>
    private static void WriteRefused(Utf8JsonWriter json, InvoiceInput input)
    {
        json.WriteText("Type", input.Type);
        json.WriteString("InvoiceID", input.InvoiceId ?? Guid.Empty);
        json.WriteText("InvoiceNumber", input.Number);
        json.WriteText("Reference", input.Reference);
        if (input.Contact is { } contact)
        {
            json.WriteStartObject("Contact");
            json.WriteString("ContactID", contact.ContactId ?? Guid.Empty);
            json.WriteText("Name", contact.Name);
            json.WriteBoolean("HasValidationErrors", false);
            json.WriteEndObject();
        }

        json.WriteDay("Date", input.Date);
        json.WriteDay("DueDate", input.DueDate);
        json.WriteText("Status", input.Status);
        json.WriteText("LineAmountTypes", input.LineAmountTypes);
        json.WriteText("CurrencyCode", input.CurrencyCode);
    }
}
