namespace XeroSimulator.Organisations;

/// <summary>What an organisation has when nobody says otherwise.</summary>
internal static class DefaultOrganisation
{
    public static OrganisationSettings Settings(string name) => new()
    {
        Name = name,
        BaseCurrency = "GBP",
        Currencies = ["GBP", "USD", "EUR", "AUD", "NZD", "JPY"],
    };

    public static IReadOnlyList<Account> Accounts() =>
    [
        Account.Bank("090", "Stripe clearing GBP", "GBP"),
        Account.Bank("091", "Stripe clearing USD", "USD"),
        Account.Bank("092", "Stripe clearing EUR", "EUR"),
        Account.Bank("093", "Stripe clearing AUD", "AUD"),
        Account.Bank("094", "Stripe clearing NZD", "NZD"),
        Account.Bank("095", "Stripe clearing JPY", "JPY"),
        Account.Of("200", "Sales", "REVENUE", "OUTPUT2"),
        Account.Of("404", "Bank fees", "EXPENSE", "INPUT2"),
        Account.Of("610", "Accounts Receivable", "CURRENT", "NONE") with { SystemAccount = "DEBTORS" },
    ];
}
