using System.Text.Json;
using XeroSimulator.Gate;

namespace XeroSimulator.Payments;

/// <summary>What a client says about a payment.</summary>
internal sealed record PaymentInput(
    Guid? InvoiceId,
    string? InvoiceNumber,
    Guid? AccountId,
    string? AccountCode,
    DateOnly? Date,
    decimal? Amount,
    decimal? BankAmount,
    decimal? CurrencyRate,
    string? Reference,
    bool IsReconciled,
    string? Status)
{
    public static PaymentInput From(JsonElement element)
    {
        var invoice = element.Object("Invoice");
        var account = element.Object("Account");
        return new(
            invoice?.Id("InvoiceID"),
            invoice?.Text("InvoiceNumber"),
            account?.Id("AccountID"),
            account?.Text("Code"),
            element.Day("Date"),
            element.Number("Amount"),
            element.Number("BankAmount"),
            element.Number("CurrencyRate"),
            element.Text("Reference"),
            element.Flag("IsReconciled") ?? false,
            element.Text("Status"));
    }
}
