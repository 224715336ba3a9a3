using System.Globalization;

namespace PaymentSync.Confirmation;

/// <summary>Money on our API: a string of major units, at most sixteen digits and two decimals, never a JSON number.</summary>
static class Money
{
    const decimal Most = 9_999_999_999_999_999.99m;
    // More digits than a decimal keeps would be rounded away unseen.
    const int LongestText = 20;

    public static bool TryParse(string? text, out decimal amount) =>
        decimal.TryParse(text?.Length > LongestText ? null : text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out amount) && amount <= Most && amount == decimal.Round(amount, 2);

    public static string Format(decimal amount) => amount.ToString("0.00", CultureInfo.InvariantCulture);

    public static bool IsCurrency(string? text) => text is { Length: 3 } && text.All(char.IsAsciiLetterUpper);
}
