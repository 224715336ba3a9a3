using System.Globalization;

namespace PaymentSync.Cli.Demo;

/// <summary>What must become of a sale.</summary>
enum Ending
{
    /// <summary>An invoice and a payment in Xero.</summary>
    Booked,
    /// <summary>Rows that wait for a person.</summary>
    Held,
    /// <summary>No money came, so nothing.</summary>
    NotPaid,
}

/// <summary>One payment link and the payment that comes for it.</summary>
/// <param name="Minor">In Stripe's minor units: yen have no decimals.</param>
/// <param name="StripeLink">plink_… of a sale whose session names the link only so; else null.</param>
sealed record Sale(Guid Link, string Payment, string Session, string Currency, long Minor, string Customer, string Email, string Description, string? StripeLink, Ending Ending)
{
    public decimal Amount => Currency == "JPY" ? Minor : Minor / 100m;

    public string AmountText => Amount.ToString("0.00", CultureInfo.InvariantCulture);
}
