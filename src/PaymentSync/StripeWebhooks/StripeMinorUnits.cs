namespace PaymentSync.StripeWebhooks;

/// <summary>Turns Stripe's integer amounts into major units, exactly.</summary>
/// <remarks>
/// The table is Stripe's wire, not ISO 4217: UGX and ISK have no decimals any more, yet Stripe goes on sending them with two
/// (an ISO table is wrong by 100). See https://docs.stripe.com/currencies#zero-decimal and #special-cases.
/// </remarks>
public static class StripeMinorUnits
{
    /// <summary>The most Stripe takes, in minor units: twelve digits.</summary>
    /// <remarks>https://docs.stripe.com/api/payment_intents/object#payment_intent_object-amount</remarks>
    public const long Max = 999_999_999_999;

    /// <summary>How many decimals Stripe's integer has.</summary>
    /// <param name="currency">Three upper-case letters; a currency that is not in the table has two.</param>
    public static int Exponent(string currency) => currency switch
    {
        "BIF" or "CLP" or "DJF" or "GNF" or "JPY" or "KMF" or "KRW" or "MGA" or "PYG" or "RWF" or "VND" or "VUV" or "XAF" or "XOF" or "XPF" => 0,
        "BHD" or "JOD" or "KWD" or "OMR" or "TND" => 3,
        _ => 2,
    };

    /// <summary>Minor to major units: 12000 GBP is 120.00, 500 JPY is 500, 5120 KWD is 5.12.</summary>
    /// <param name="minor">Minor units, 0 to <see cref="Max"/>.</param>
    /// <param name="currency">Three upper-case letters.</param>
    /// <param name="amount">Major units with at most two decimals, as <c>numeric(18,2)</c> and Xero keep them.</param>
    /// <returns>False when two decimals cannot hold it: a three-decimal amount that does not end in 0, which Stripe itself refuses to charge.</returns>
    public static bool TryToMajor(long minor, string currency, out decimal amount)
    {
        // A product of decimals is exact and keeps the decimals: 12000 * 0.01 is 120.00.
        var exponent = Exponent(currency);
        amount = exponent switch
        {
            0 => minor,
            2 => minor * 0.01m,
            _ => minor / 10 * 0.01m,
        };
        return exponent < 3 || minor % 10 == 0;
    }
}
