using System.Text.Json;
using XeroSimulator.Contacts;
using XeroSimulator.Gate;

namespace XeroSimulator.Invoices;

/// <summary>What a client says about an invoice; a field it does not mention is null and, on an update, stays as it was.</summary>
internal sealed record InvoiceInput(
    Guid? InvoiceId,
    string? Type,
    string? Number,
    string? Reference,
    ContactInput? Contact,
    DateOnly? Date,
    DateOnly? DueDate,
    string? Status,
    string? LineAmountTypes,
    string? CurrencyCode,
    decimal? CurrencyRate,
    string? Url,
    IReadOnlyList<LineInput>? Lines)
{
    public static InvoiceInput From(JsonElement element) => new(
        element.Id("InvoiceID"),
        element.Text("Type"),
        element.Text("InvoiceNumber") is { Length: > 0 } number ? number : null,
        element.Text("Reference"),
        element.Object("Contact") is { } contact ? ContactInput.From(contact) : null,
        element.Day("Date"),
        element.Day("DueDate"),
        element.Text("Status"),
        element.Text("LineAmountTypes"),
        element.Text("CurrencyCode"),
        element.Number("CurrencyRate"),
        element.Text("Url"),
        element.Items("LineItems")?.Select(LineInput.From).ToList());
}

internal sealed record LineInput(
    string? Description,
    decimal? Quantity,
    decimal? UnitAmount,
    string? AccountCode,
    string? TaxType,
    decimal? TaxAmount,
    decimal? LineAmount,
    decimal? DiscountRate)
{
    public static LineInput From(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw BadRequestException.Body("JSON for post data was invalid: LineItems cannot be read.");
        return new(
            element.Text("Description"),
            element.Number("Quantity"),
            element.Number("UnitAmount"),
            element.Text("AccountCode") is { Length: > 0 } code ? code : null,
            element.Text("TaxType") is { Length: > 0 } taxType ? taxType : null,
            element.Number("TaxAmount"),
            element.Number("LineAmount"),
            element.Number("DiscountRate"));
    }
}
