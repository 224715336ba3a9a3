namespace XeroSimulator.Organisations;

/// <param name="Percent">Of the net amount.</param>
internal sealed record TaxRate(string TaxType, string Name, decimal Percent, bool ForRevenue, bool ForExpense)
{
    public static readonly IReadOnlyDictionary<string, TaxRate> All = new TaxRate[]
    {
        new("NONE", "No VAT", 0, ForRevenue: true, ForExpense: true),
        new("OUTPUT2", "20% (VAT on Income)", 20, ForRevenue: true, ForExpense: false),
        new("RROUTPUT", "5% (VAT on Income)", 5, ForRevenue: true, ForExpense: false),
        new("ZERORATEDOUTPUT", "Zero Rated Income", 0, ForRevenue: true, ForExpense: false),
        new("EXEMPTOUTPUT", "Exempt Income", 0, ForRevenue: true, ForExpense: false),
        new("INPUT2", "20% (VAT on Expenses)", 20, ForRevenue: false, ForExpense: true),
        new("RRINPUT", "5% (VAT on Expenses)", 5, ForRevenue: false, ForExpense: true),
        new("ZERORATEDINPUT", "Zero Rated Expenses", 0, ForRevenue: false, ForExpense: true),
        new("EXEMPTINPUT", "Exempt Expenses", 0, ForRevenue: false, ForExpense: true),
    }.ToDictionary(rate => rate.TaxType);

    public bool CanApplyTo(Account account) => account.Class switch
    {
        "REVENUE" => ForRevenue,
        "EXPENSE" => ForExpense,
        _ => true,
    };
}
