using Microsoft.Extensions.Options;
using PaymentSync.StripeWebhooks;

namespace PaymentSync.Xero;

/// <summary>Section "Xero".</summary>
sealed class XeroOptions
{
    /// <summary>Base of the accounting API.</summary>
    public Uri ApiUrl { get; set; } = new("https://api.xero.com/api.xro/2.0");
    /// <summary>Base of the token endpoint (/connect/token).</summary>
    public Uri IdentityUrl { get; set; } = new("https://identity.xero.com");
    /// <summary>Base of the authorisation page.</summary>
    public Uri LoginUrl { get; set; } = new("https://login.xero.com");
    /// <summary>Whether these three may be plain http on another machine, for a simulator there. Never with Stripe:Livemode.</summary>
    public bool PlainHttp { get; set; }
    /// <summary>The app that organisations connect by OAuth; also the pair of a custom connection whose request names none.</summary>
    public string? ClientId { get; set; }
    public string? ClientSecret { get; set; }
    /// <summary>
    /// Where Xero sends the browser back to, as registered with the app: https, or http on the name localhost. Null: http://localhost, the
    /// port this service listens on, /xero/callback.
    /// </summary>
    public string? RedirectUrl { get; set; }
    /// <summary>What the app asks for. Apps made before March 2026 may need the broad accounting.transactions instead.</summary>
    public string Scopes { get; set; } = "offline_access accounting.invoices accounting.payments accounting.banktransactions accounting.contacts accounting.settings.read";
    /// <summary>T: the total time of one call, connecting and reading included. 1 s to 2 min.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(60);
    /// <summary>An intent older than this just before its first byte is written is not sent any more. At least 100 ms, at most T.</summary>
    public TimeSpan MaxIntentAge { get; set; } = TimeSpan.FromSeconds(10);
    /// <summary>Documents in one call; Xero takes 50.</summary>
    public int BatchSize { get; set; } = 50;
    /// <summary>Bytes of one request; a batch that is longer goes in parts. Xero takes 3.5 MB. 1,000 to 3,500,000.</summary>
    public int LongestBody { get; set; } = 3_500_000;
    /// <summary>Whether an organisation's lock dates, currencies and accounts are read and looked at before a document is sent that they must refuse. Without it lockDatePolicy FirstOpenDay holds like Hold.</summary>
    public bool PreFlight { get; set; } = true;
    /// <summary>After which those settings are read again, when something is to be sent. 1 min to 1 day.</summary>
    public TimeSpan SettingsAge { get; set; } = TimeSpan.FromMinutes(30);
    /// <summary>Calls in flight for one tenant; Xero allows 5.</summary>
    public int CallsInFlight { get; set; } = 5;
    /// <summary>Calls in any 60 seconds for one tenant; Xero allows 60.</summary>
    public int CallsPerMinute { get; set; } = 60;
    /// <summary>Calls of a minute kept for look-ups and operators: nothing is sent with them.</summary>
    public int MinuteReserve { get; set; } = 2;
    /// <summary>Calls in any 24 hours for one tenant: 5,000, or 1,000 on Xero's Starter tier. Xero's headers lower the figure by themselves.</summary>
    public int CallsPerDay { get; set; } = 5000;
    /// <summary>Calls of a day kept for look-ups and operators.</summary>
    public int DayReserve { get; set; } = 50;

    /// <summary>After which a slot whose holder is gone is taken back.</summary>
    public TimeSpan SlotHold => CallTimeout + TimeSpan.FromSeconds(90);
}

sealed class XeroOptionsRules(IOptions<StripeOptions> stripe) : IValidateOptions<XeroOptions>
{
    public ValidateOptionsResult Validate(string? name, XeroOptions options)
    {
        var problems = new List<string>();
        if (options.CallTimeout < TimeSpan.FromSeconds(1) || options.CallTimeout > TimeSpan.FromMinutes(2))
            problems.Add("Xero:CallTimeout must be between 1 second and 2 minutes.");
        if (options.MaxIntentAge < TimeSpan.FromMilliseconds(100) || options.MaxIntentAge > options.CallTimeout)
            problems.Add("Xero:MaxIntentAge must be between 100 ms and Xero:CallTimeout.");
        if (options.BatchSize is < 1 or > 50)
            problems.Add("Xero:BatchSize must be between 1 and 50.");
        if (options.LongestBody is < 1_000 or > 3_500_000)
            problems.Add("Xero:LongestBody must be between 1,000 and 3,500,000 bytes, Xero's limit.");
        if (options.SettingsAge < TimeSpan.FromMinutes(1) || options.SettingsAge > TimeSpan.FromDays(1))
            problems.Add("Xero:SettingsAge must be between 1 minute and 1 day.");
        if (options.CallsInFlight is < 1 or > 5)
            problems.Add("Xero:CallsInFlight must be between 1 and 5, Xero's limit.");
        if (options.CallsPerMinute is < 1 or > 60)
            problems.Add("Xero:CallsPerMinute must be between 1 and 60, Xero's limit.");
        if (options.MinuteReserve < 0 || options.MinuteReserve >= options.CallsPerMinute || options.DayReserve < 0 || options.DayReserve >= options.CallsPerDay)
            problems.Add("Xero:MinuteReserve and Xero:DayReserve must be at least 0 and below the limits they are kept from.");
        foreach (var (setting, url) in new[] { ("ApiUrl", options.ApiUrl), ("IdentityUrl", options.IdentityUrl), ("LoginUrl", options.LoginUrl) })
        {
            if (!url.IsAbsoluteUri || (url.Scheme != Uri.UriSchemeHttps && !url.IsLoopback && !(options.PlainHttp && url.Scheme == Uri.UriSchemeHttp)))
                problems.Add($"Xero:{setting} must be an https address (http is accepted for this machine, and with Xero:PlainHttp for a simulator).");
        }
        if (options.PlainHttp && stripe.Value.Livemode)
            problems.Add("Xero:PlainHttp is for a simulator and Stripe:Livemode for real payments: they do not go together.");
        if (options.RedirectUrl is not null && OAuthRedirect.Problem(options.RedirectUrl) is { } problem)
            problems.Add(problem);
        if (!options.Scopes.Split(' ').Contains("offline_access", StringComparer.Ordinal))
            problems.Add("Xero:Scopes must contain offline_access: without it Xero gives no refresh token, and the connection ends after 30 minutes.");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
