using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;

namespace PaymentSync.OperatorConsole;

/// <summary>
/// For pages, whose browser cannot send an operator key: the key is shown once at the sign-in form and exchanged for a cookie, sealed by the key ring that all
/// nodes share. Only what asks for <see cref="KeyOrSession"/> takes it; the API knows keys alone, so that no page elsewhere can act through a browser.
/// </summary>
static class OperatorSession
{
    public const string Name = "OperatorSession";
    /// <summary>The scheme of pages: a key when one is sent, else the session.</summary>
    public const string KeyOrSession = "OperatorKeyOrSession";
    static readonly TimeSpan Lasts = TimeSpan.FromHours(8);

    public static void AddOperatorSession(this AuthenticationBuilder authentication)
    {
        authentication.Services.AddAntiforgery(antiforgery =>
        {
            antiforgery.Cookie.Name = "paymentsync_form";
            antiforgery.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
        });
        authentication.AddCookie(Name, session =>
        {
            session.Cookie.Name = "paymentsync_operator";
            session.Cookie.HttpOnly = true;
            session.Cookie.SameSite = SameSiteMode.Strict;
            // A laptop's http works; whatever is served over https never leaves it.
            session.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            session.ExpireTimeSpan = Lasts;
            session.SlidingExpiration = false;
            session.Events.OnValidatePrincipal = StillKnownAsync;
            session.Events.OnRedirectToLogin = AskAsync;
            session.Events.OnRedirectToAccessDenied = context => Problems.Forbidden("operator_key.role", "This key's role does not allow that.").ExecuteAsync(context.HttpContext);
        });
        authentication.AddPolicyScheme(KeyOrSession, displayName: null, either =>
            either.ForwardDefaultSelector = context => context.Request.Headers.Authorization.Count > 0 ? OperatorKeyHandler.Name : Name);
    }

    /// <returns>False: the key is unknown or revoked, and nobody is signed in.</returns>
    public static async Task<bool> SignInAsync(HttpContext http, string key, OperatorKeys keys)
    {
        if (await keys.FindAsync(key, http.RequestAborted) is not { } known)
            return false;
        await http.SignInAsync(Name, known.Holder(Name), new AuthenticationProperties { IsPersistent = false });
        return true;
    }

    /// <summary>Ends with the key: one that is revoked signs its sessions out at their next request.</summary>
    static async Task StillKnownAsync(CookieValidatePrincipalContext context)
    {
        var keys = context.HttpContext.RequestServices.GetRequiredService<OperatorKeys>();
        if (Guid.TryParse(context.Principal?.FindFirstValue(ClaimTypes.NameIdentifier), out var id) && await keys.FindAsync(id, context.HttpContext.RequestAborted) is { } known)
            context.ReplacePrincipal(known.Holder(Name));
        else
            context.RejectPrincipal();
    }

    /// <summary>A person who opens a page is led to its sign-in form; whatever else asked is told.</summary>
    static Task AskAsync(RedirectContext<CookieAuthenticationOptions> context)
    {
        var http = context.HttpContext;
        if (HttpMethods.IsGet(http.Request.Method) && http.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase)
            && http.GetEndpoint()?.Metadata.GetMetadata<SignInPage.At>() is { } page)
        {
            http.Response.Redirect(page.Path);
            return Task.CompletedTask;
        }
        return Problems.Unauthorised("operator_key.missing", "Sign in first, or send an operator key: Authorization: Bearer <key>.").ExecuteAsync(http);
    }
}
