using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;

namespace PaymentSync.Xero;

/// <summary>Where Xero sends the browser back to. Xero compares it letter by letter with what is registered for the app.</summary>
sealed class OAuthRedirect(IOptions<XeroOptions> options, IServer server)
{
    public const string Path = "/xero/callback";

    public string Url => options.Value.RedirectUrl ?? $"http://localhost:{ListeningPort}{Path}";

    int ListeningPort => server.Features.Get<IServerAddressesFeature>()?.Addresses is { Count: > 0 } addresses ? BindingAddress.Parse(addresses.First()).Port : 8080;

    /// <returns>A sentence that says why Xero would refuse it; null when it is fine.</returns>
    public static string? Problem(string redirectUrl)
    {
        if (!Uri.TryCreate(redirectUrl, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            return "Xero:RedirectUrl must be a whole address, for example https://payments.example.com/xero/callback.";
        if (uri.Fragment.Length > 0)
            return "Xero:RedirectUrl must not have a #fragment.";
        if (uri.Scheme == Uri.UriSchemeHttps || uri.Host == "localhost")
            return null;
        return uri.IsLoopback
            ? $"Xero:RedirectUrl names {uri.Host}; Xero accepts plain http on the name localhost only. Use http://localhost:{uri.Port}{uri.AbsolutePath}."
            : "Xero:RedirectUrl must be https: Xero accepts plain http on the name localhost only.";
    }
}
