namespace XeroSimulator.Organisations;

/// <summary>A line of the chart of accounts.</summary>
/// <param name="CurrencyCode">Bank accounts only: the one currency the account holds.</param>
internal sealed record Account(
    Guid AccountId, string Code, string Name, string Type, string? CurrencyCode, string TaxType, bool EnablePayments, bool Archived, string? SystemAccount)
{
    public bool IsBank => Type == "BANK";

    /// <summary>Money can come in on bank accounts and on those opened for payments.</summary>
    public bool TakesPayments => IsBank || EnablePayments;

    /// <summary>A line of a document books to income or cost, never to a bank or to the receivables themselves.</summary>
    public bool TakesLines => !IsBank && SystemAccount is null;

    public string Class => Type switch
    {
        "REVENUE" or "SALES" or "OTHERINCOME" => "REVENUE",
        "EXPENSE" or "OVERHEADS" or "DIRECTCOSTS" => "EXPENSE",
        "CURRLIAB" or "TERMLIAB" or "LIABILITY" => "LIABILITY",
        "EQUITY" => "EQUITY",
        _ => "ASSET",
    };

    public static Account Bank(string code, string name, string currency) =>
        new(Guid.NewGuid(), code, name, "BANK", currency, "NONE", EnablePayments: false, Archived: false, SystemAccount: null);

    public static Account Of(string code, string name, string type, string taxType) =>
        new(Guid.NewGuid(), code, name, type, CurrencyCode: null, taxType, EnablePayments: false, Archived: false, SystemAccount: null);
}
