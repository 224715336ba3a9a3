using System.Globalization;
using XeroSimulator.Organisations;

namespace XeroSimulator.Invoices;

/// <summary>Lines and totals: unit amounts rounded to the asked decimals, tax per line rounded to cents, then summed.</summary>
internal static class LineRules
{
    public static IReadOnlyList<InvoiceLine> Read(
        IReadOnlyList<LineInput> lines, string lineAmountTypes, int unitDecimals, bool approving, Organisation organisation,
        List<string> errors, List<string> warnings) =>
        [.. lines.Select(line => ReadOne(line, lineAmountTypes, unitDecimals, approving, organisation, errors, warnings))];

    public static (decimal SubTotal, decimal TotalTax, decimal Total) Totals(IReadOnlyList<InvoiceLine> lines, string lineAmountTypes)
    {
        var amount = lines.Sum(line => line.LineAmount);
        var tax = lines.Sum(line => line.TaxAmount);
        return lineAmountTypes == "Inclusive" ? (amount - tax, tax, amount) : (amount, tax, amount + tax);
    }

    /// <summary>What must be there before an invoice can be approved.</summary>
    public static void CheckApproved(IReadOnlyList<InvoiceLine> lines, List<string> errors)
    {
        if (lines.Count == 0)
            errors.Add("One or more line items must be specified");
        foreach (var line in lines)
        {
            if (string.IsNullOrEmpty(line.Description))
                errors.Add("Description is required for each line item.");
            if (line.AccountCode is null)
                errors.Add("Account code must be specified for each line item.");
        }
    }

    private static InvoiceLine ReadOne(
        LineInput line, string lineAmountTypes, int unitDecimals, bool approving, Organisation organisation, List<string> errors, List<string> warnings)
    {
        var quantity = line.Quantity ?? 1;
        var unit = Round(line.UnitAmount ?? (quantity != 0 ? (line.LineAmount ?? 0) / quantity : 0), unitDecimals);
        var amount = Round(quantity * unit * (1 - ((line.DiscountRate ?? 0) / 100)), 2);
        if (line.LineAmount is { } sent && sent != amount)
            errors.Add(string.Create(CultureInfo.InvariantCulture, $"The line total {sent:0.00} does not match the expected line total {amount:0.00}"));
        if (line.Description is { Length: > 4000 })
            errors.Add("The description cannot be longer than 4000 characters.");

        var account = ReadAccount(line.AccountCode, approving, organisation, errors, warnings);
        var taxType = ReadTaxType(line.TaxType, lineAmountTypes, account, errors);
        var tax = taxType is null ? 0 : Tax(amount, TaxRate.All[taxType].Percent, lineAmountTypes);
        var booked = lineAmountTypes == "NoTax" ? 0 : line.TaxAmount ?? tax;
        return new(Guid.NewGuid(), line.Description, quantity, unit, account?.Code, taxType, line.DiscountRate, amount, booked);
    }

    /// <summary>A bad account refuses an approved document; on a draft Xero drops it and only warns.</summary>
    private static Account? ReadAccount(string? code, bool approving, Organisation organisation, List<string> errors, List<string> warnings)
    {
        if (code is null)
            return null;
        var account = organisation.Account(code);
        var problem = account switch
        {
            { Archived: true } => $"Account code '{code}' has been archived, or has been deleted. Each line item must reference a valid account",
            { TakesLines: true } => null,
            _ => $"Account code '{code}' is not a valid code for this document.",
        };
        if (problem is null)
            return account;
        (approving ? errors : warnings).Add(problem);
        return null;
    }

    private static string? ReadTaxType(string? asked, string lineAmountTypes, Account? account, List<string> errors)
    {
        var taxType = asked ?? account?.TaxType;
        if (taxType is null)
            return null;
        if (!TaxRate.All.TryGetValue(taxType, out var rate))
        {
            errors.Add($"The TaxType code '{taxType}' does not exist or cannot be used for this type of transaction.");
            return null;
        }

        if (lineAmountTypes == "NoTax")
            return "NONE";
        if (account is null || rate.CanApplyTo(account))
            return taxType;
        errors.Add($"The TaxType code '{taxType}' cannot be used with account code '{account.Code}'.");
        return null;
    }

    private static decimal Tax(decimal amount, decimal percent, string lineAmountTypes) => lineAmountTypes switch
    {
        "NoTax" => 0,
        "Inclusive" => Round(amount - (amount / (1 + (percent / 100))), 2),
        _ => Round(amount * percent / 100, 2),
    };

    private static decimal Round(decimal amount, int decimals) => decimal.Round(amount, decimals, MidpointRounding.AwayFromZero);
}
