using System.Text.Json;
using XeroSimulator.Contacts;
using XeroSimulator.Gate;
using XeroSimulator.Organisations;

namespace XeroSimulator.Payments;

/// <summary>GET, PUT and POST Payments.</summary>
internal static class PaymentEndpoints
{
    public static Answer List(ApiCall call)
    {
        var book = call.Organisation.Payments;
        var candidates = call.Query.Where("Reference") is { } reference ? book.WithReference(reference) : book.All;
        var found = candidates
            .Where(payment => payment.ListedFrom <= call.Now && (call.ModifiedSince is not { } since || payment.UpdatedAt > since))
            .ToList();
        var (items, page) = Page.Cut(found, call.Query);
        return Envelope.Of(call, "Payments", items, (json, payment) => Write(json, payment, call.Organisation), page);
    }

    public static Answer One(ApiCall call) => Find(call) is { } payment
        ? Envelope.Of(call, "Payments", [payment], (json, known) => Write(json, known, call.Organisation))
        : Answer.NotFound;

    public static Answer Create(ApiCall call)
    {
        // All elements are read before the first is written: a body that cannot be read changes nothing.
        var inputs = call.Json().Batch("Payments").Select(PaymentInput.From).ToList();
        var results = inputs.Select(SaveNoted).ToList();
        return Answered(call, results);

        PaymentResult SaveNoted(PaymentInput input)
        {
            if (input.Reference is { } reference && call.Organisation.Payments.WithReference(reference).Any(payment => !payment.Deleted))
                call.Organisation.SentAgain.Add(reference);
            return call.Organisation.Payments.Save(input, call.Now, call.ListedFrom);
        }
    }

    /// <summary><c>{"Status":"DELETED"}</c> is all a payment lets be done to it.</summary>
    public static Answer Delete(ApiCall call)
    {
        if (Find(call) is not { } payment)
            return Answer.NotFound;
        var elements = call.Json().Batch("Payments");
        var input = PaymentInput.From(elements[0]);
        IReadOnlyList<string> errors = elements.Count == 1 && input.Status == "DELETED"
            ? call.Organisation.Payments.Delete(payment, call.Now)
            : ["Payment not of valid status for modification"];
        var result = new PaymentResult(payment, input, errors);
        return Envelope.OfBatch(call, "Payments", [result], one => one.Errors.Count > 0, (json, one) => Write(json, one, call.Organisation));
    }

    private static Answer Answered(ApiCall call, IReadOnlyList<PaymentResult> results) =>
        Envelope.OfBatch(call, "Payments", results, result => result.Errors.Count > 0, (json, result) => Write(json, result, call.Organisation));

    private static Payment? Find(ApiCall call) => Guid.TryParse(call.Id, out var id) ? call.Organisation.Payments.Find(id) : null;

    private static void Write(Utf8JsonWriter json, Payment payment, Organisation organisation)
    {
        json.WriteStartObject();
        WriteFields(json, payment, organisation);
        json.WriteBoolean("HasValidationErrors", false);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, PaymentResult result, Organisation organisation)
    {
        json.WriteStartObject();
        if (result.Payment is not null)
            WriteFields(json, result.Payment, organisation);
        else
            WriteRefused(json, result.Input);
        json.WriteString("StatusAttributeString", result.Errors.Count > 0 ? "ERROR" : "OK");
        json.WriteBoolean("HasValidationErrors", result.Errors.Count > 0);
        json.WriteMessages("ValidationErrors", result.Errors);
        json.WriteEndObject();
    }

    private static void WriteFields(Utf8JsonWriter json, Payment payment, Organisation organisation)
    {
        var account = organisation.Account(payment.AccountCode)!;
        var invoice = organisation.Invoices.Find(payment.InvoiceId)!;
        json.WriteString("PaymentID", payment.PaymentId);
        json.WriteString("Date", XeroJson.Ticks(payment.Date));
        json.WriteMoney("Amount", payment.Amount);
        json.WriteMoney("BankAmount", payment.BankAmount);
        json.WriteText("Reference", payment.Reference);
        json.WriteNumber("CurrencyRate", payment.CurrencyRate);
        json.WriteString("PaymentType", "ACCRECPAYMENT");
        json.WriteString("Status", payment.Status);
        json.WriteTime("UpdatedDateUTC", payment.UpdatedAt);
        json.WriteBoolean("HasAccount", true);
        json.WriteBoolean("IsReconciled", payment.IsReconciled);
        json.WriteStartObject("Account");
        json.WriteString("AccountID", account.AccountId);
        json.WriteString("Code", account.Code);
        json.WriteEndObject();
        json.WriteStartObject("Invoice");
        json.WriteString("Type", "ACCREC");
        json.WriteString("InvoiceID", invoice.InvoiceId);
        json.WriteString("InvoiceNumber", invoice.Number);
        json.WriteEmptyArray("Payments");
        json.WriteBoolean("HasErrors", false);
        ContactEndpoints.WriteReference(json, organisation.Contacts.Find(invoice.ContactId)!);
        json.WriteString("CurrencyCode", invoice.CurrencyCode);
        json.WriteEndObject();
    }

    private static void WriteRefused(Utf8JsonWriter json, PaymentInput input)
    {
        json.WriteString("PaymentID", Guid.Empty);
        json.WriteText("Reference", input.Reference);
        if (input.Date is { } date)
            json.WriteString("Date", XeroJson.Ticks(date));
        if (input.Amount is { } amount)
            json.WriteNumber("Amount", amount);
        json.WriteStartObject("Invoice");
        json.WriteString("InvoiceID", input.InvoiceId ?? Guid.Empty);
        json.WriteText("InvoiceNumber", input.InvoiceNumber);
        json.WriteEndObject();
        json.WriteStartObject("Account");
        json.WriteText("AccountID", input.AccountId?.ToString());
        json.WriteText("Code", input.AccountCode);
        json.WriteEndObject();
    }
}
