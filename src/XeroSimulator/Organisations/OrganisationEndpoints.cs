using XeroSimulator.Gate;

namespace XeroSimulator.Organisations;

/// <summary>GET Organisation, Currencies, Accounts and TaxRates.</summary>
internal static class OrganisationEndpoints
{
    public static Answer Organisation(ApiCall call) => Envelope.Of(call, "Organisations", [call.Organisation], (json, organisation) =>
    {
        var settings = organisation.Settings;
        json.WriteStartObject();
        json.WriteString("OrganisationID", organisation.TenantId);
        json.WriteString("Name", settings.Name);
        json.WriteString("LegalName", settings.Name);
        json.WriteBoolean("PaysTax", true);
        json.WriteString("Version", "UK");
        json.WriteString("OrganisationType", "COMPANY");
        json.WriteString("BaseCurrency", settings.BaseCurrency);
        json.WriteString("CountryCode", "GB");
        json.WriteBoolean("IsDemoCompany", true);
        json.WriteString("OrganisationStatus", "ACTIVE");
        json.WriteNumber("FinancialYearEndDay", 31);
        json.WriteNumber("FinancialYearEndMonth", 12);
        WriteDay("PeriodLockDate", settings.PeriodLockDate);
        WriteDay("EndOfYearLockDate", settings.EndOfYearLockDate);
        json.WriteString("Timezone", settings.TimeZone);
        json.WriteString("Class", "DEMO");
        json.WriteEndObject();

        void WriteDay(string name, DateOnly? day)
        {
            if (day is { } known)
                json.WriteString(name, XeroJson.Ticks(known));
        }
    });

    public static Answer Currencies(ApiCall call) => Envelope.Of(call, "Currencies", call.Organisation.Settings.Currencies, (json, currency) =>
    {
        json.WriteStartObject();
        json.WriteString("Code", currency);
        json.WriteString("Description", currency);
        json.WriteEndObject();
    });

    public static Answer Accounts(ApiCall call) => Envelope.Of(call, "Accounts", InOrder(call.Organisation), (json, account) =>
    {
        json.WriteStartObject();
        json.WriteString("AccountID", account.AccountId);
        json.WriteString("Code", account.Code);
        json.WriteString("Name", account.Name);
        json.WriteString("Status", account.Archived ? "ARCHIVED" : "ACTIVE");
        json.WriteString("Type", account.Type);
        json.WriteString("TaxType", account.TaxType);
        json.WriteString("Class", account.Class);
        json.WriteBoolean("EnablePaymentsToAccount", account.EnablePayments);
        json.WriteText("SystemAccount", account.SystemAccount);
        json.WriteText("BankAccountType", account.IsBank ? "BANK" : null);
        json.WriteText("CurrencyCode", account.CurrencyCode);
        json.WriteEndObject();
    });

    public static Answer TaxRates(ApiCall call) => Envelope.Of(call, "TaxRates", TaxRate.All.Values, (json, rate) =>
    {
        json.WriteStartObject();
        json.WriteString("Name", rate.Name);
        json.WriteString("TaxType", rate.TaxType);
        json.WriteString("Status", "ACTIVE");
        json.WriteBoolean("CanApplyToRevenue", rate.ForRevenue);
        json.WriteBoolean("CanApplyToExpenses", rate.ForExpense);
        json.WriteNumber("DisplayTaxRate", rate.Percent);
        json.WriteNumber("EffectiveRate", rate.Percent);
        json.WriteEndObject();
    });

    private static IEnumerable<Account> InOrder(Organisation organisation) =>
        organisation.Accounts.OrderBy(account => account.Code, StringComparer.Ordinal);
}
