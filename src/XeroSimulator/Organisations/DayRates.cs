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
        ["SEK"] = 10.4m,
        ["NOK"] = 10.7m,
        ["DKK"] = 6.86m,
        ["PLN"] = 3.95m,
        ["HUF"] = 362m,
        ["ISK"] = 138m,
        ["ZAR"] = 18.3m,
        ["INR"] = 83.4m,
        ["SGD"] = 1.34m,
        ["HKD"] = 7.81m,
        ["TWD"] = 32.4m,
        ["KRW"] = 1370m,
        ["VND"] = 25_400m,
        ["CLP"] = 930m,
        ["UGX"] = 3780m,
        ["KWD"] = 0.307m,
        ["BHD"] = 0.376m,
        ["JOD"] = 0.709m,
        ["OMR"] = 0.385m,
        ["TND"] = 3.12m,
        ["AED"] = 3.67m,
        ["IDR"] = 15_800m,
        ["BIF"] = 2870m,
        ["DJF"] = 178m,
        ["GNF"] = 8600m,
        ["KMF"] = 453m,
        ["MGA"] = 4480m,
        ["PYG"] = 7350m,
        ["RWF"] = 1290m,
        ["VUV"] = 119m,
        ["XAF"] = 604m,
        ["XOF"] = 604m,
        ["XPF"] = 110m,
    };

    /// <summary>Units of the currency for one unit of the base currency; null when no rate is to be had, so that the document must bring one.</summary>
    public static decimal? Find(string currency, string baseCurrency) =>
        currency == baseCurrency ? 1m
        : PerDollar.TryGetValue(currency, out var units) && PerDollar.TryGetValue(baseCurrency, out var baseUnits) ? decimal.Round(units / baseUnits, 6)
        : null;

    /// <summary>The same, where a document in that currency exists already.</summary>
    public static decimal Of(string currency, string baseCurrency) => Find(currency, baseCurrency) ?? 1m;
}
