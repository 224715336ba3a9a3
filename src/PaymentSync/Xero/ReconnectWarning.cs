using System.Globalization;

namespace PaymentSync.Xero;

/// <summary>A refresh token that is not used for 60 days is dead, and with it the connection. Warned of at 7, 3 and 1 days before.</summary>
static class ReconnectWarning
{
    static readonly int[] Days = [1, 3, 7];

    /// <returns>The step that is reached: 7, 3 or 1; null: not yet.</returns>
    public static int? Of(TimeSpan left) => Days.Where(days => left <= TimeSpan.FromDays(days)).Cast<int?>().FirstOrDefault();

    /// <returns>A sentence for the operator; null: nothing to warn of.</returns>
    public static string? Sentence(DateTimeOffset? reconnectBy, DateTimeOffset now) => reconnectBy is { } by && Of(by - now) is not null
        ? string.Create(CultureInfo.InvariantCulture,
            $"Its Xero token was not renewed for long and dies on {by:yyyy-MM-dd} at {by:HH:mm} UTC ({Left(by - now)}). Connect the organisation to Xero again before.")
        : null;

    static string Left(TimeSpan left) => left switch
    {
        _ when left <= TimeSpan.Zero => "it is dead",
        _ when left < TimeSpan.FromDays(1) => "in less than a day",
        _ when left.TotalDays < 2 => "in 1 day",
        _ => string.Create(CultureInfo.InvariantCulture, $"in {Math.Floor(left.TotalDays)} days"),
    };
}
