using System.Globalization;
using PaymentSync.StripeWebhooks;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.StripeWebhooks;

public sealed class StripeMinorUnitsTests
{
    [Theory]
    [InlineData(12000, "GBP", "120.00")]
    [InlineData(1, "USD", "0.01")]
    [InlineData(0, "EUR", "0.00")]
    [InlineData(500, "JPY", "500")]
    [InlineData(5120, "KWD", "5.12")]
    [InlineData(10, "BHD", "0.01")]
    [InlineData(500000, "UGX", "5000.00")]
    [InlineData(500000, "ISK", "5000.00")]
    [InlineData(12345, "HUF", "123.45")]
    [InlineData(12300, "TWD", "123.00")]
    [InlineData(999_999_999_999, "IDR", "9999999999.99")]
    [InlineData(999_999_999_999, "VND", "999999999999")]
    [InlineData(999_999_999_990, "TND", "999999999.99")]
    public void Minor_units_become_exact_major_units(long minor, string currency, string expected)
    {
        StripeMinorUnits.TryToMajor(minor, currency, out var amount).ShouldBeTrue();
        amount.ToString(CultureInfo.InvariantCulture).ShouldBe(expected);
    }

    [Theory]
    [InlineData("BHD")]
    [InlineData("JOD")]
    [InlineData("KWD")]
    [InlineData("OMR")]
    [InlineData("TND")]
    public void Three_decimals_fit_only_when_the_last_is_zero(string currency)
    {
        for (var last = 0; last < 10; last++)
            StripeMinorUnits.TryToMajor(1230 + last, currency, out _).ShouldBe(last == 0);
    }

    [Fact]
    public void Exactly_Stripes_fifteen_currencies_have_no_decimals_and_five_have_three()
    {
        var letters = Enumerable.Range('A', 26).Select(letter => (char)letter).ToArray();
        var all = from a in letters from b in letters from c in letters select $"{a}{b}{c}";
        var byExponent = all.ToLookup(StripeMinorUnits.Exponent);
        byExponent[0].ShouldBe(["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]);
        byExponent[3].ShouldBe(["BHD", "JOD", "KWD", "OMR", "TND"]);
        byExponent[2].Count().ShouldBe((26 * 26 * 26) - 20);
    }

    [Fact]
    public void No_cent_is_lost_on_the_way_whatever_the_amount()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        foreach (var (currency, unit) in new[] { ("JPY", 1m), ("GBP", 100m), ("KWD", 1000m) })
        {
            for (var i = 0; i < 2_000; i++)
            {
                var minor = random.NextInt64(StripeMinorUnits.Max / 10) * 10;
                StripeMinorUnits.TryToMajor(minor, currency, out var amount).ShouldBeTrue();
                (amount * unit).ShouldBe(minor, $"seed {seed}, {currency}");
                amount.Scale.ShouldBeLessThanOrEqualTo((byte)2);
            }
        }
    }
}
