namespace XeroSimulator.Organisations;

/// <summary>The rates Xero would fetch when a document brings none: made up, but always the same.</summary>
internal static class DayRates
{
    private static readonly Dictionary<string, decimal> PerDollar = new()
    {
        ["USD"] = 1m,
        ["GBP"] = 0.79m,
        ["EUR"] = 0.92m,
        ["AUD"] = 1.53m,
        ["NZD"] = 1.67m,
        ["JPY"] = 151m,
        ["CAD"] = 1.37m,
        ["CHF"] = 0.88m,
    };

    /// <summary>Units of the currency for one unit of the base currency.</summary>
    public static decimal Of(string currency, string baseCurrency) =>
        currency == baseCurrency ? 1m : decimal.Round(PerDollar.GetValueOrDefault(currency, 1m) / PerDollar.GetValueOrDefault(baseCurrency, 1m), 6);
}
