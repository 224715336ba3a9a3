using System.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using PaymentSync.Database;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Xero;

/// <summary><c>GET /xero/connect</c> sends an admin's browser to Xero; <c>GET /xero/callback</c> is where Xero sends it back to.</summary>
static class OAuthEndpoints
{
    public static void MapOAuth(this WebApplication app)
    {
        var oauth = app.MapGroup("").WithTags("Xero connection");
        oauth.MapGet("/xero/connect", DepartAsync).RequireAuthorization(Roles.Admin);
        // Xero sends a browser that may carry nothing of ours; what it must carry is a state that an admin began.
        oauth.MapGet(OAuthRedirect.Path, ReturnAsync).AllowAnonymous();
    }

    static async Task<Results<RedirectHttpResult, ProblemHttpResult>> DepartAsync(Guid organizationId, bool? force, string? reason, PaymentSyncDbContext database, OAuthStates states,
        OAuthRedirect redirect, IOptions<XeroOptions> options, HttpContext http, CancellationToken cancellationToken)
    {
        if (!await database.Organisations.AnyAsync(organisation => organisation.Id == organizationId, cancellationToken))
            return Problems.NotFound("organization.unknown", $"There is no organisation {organizationId}.");
        if (string.IsNullOrEmpty(options.Value.ClientId) || string.IsNullOrEmpty(options.Value.ClientSecret))
            return Problems.BadRequest("connection.no_credentials", "Set Xero:ClientId and Xero:ClientSecret to those of your app at developer.xero.com, and register its redirect address.");
        if (force == true && string.IsNullOrWhiteSpace(reason))
            return Problems.BadRequest("connection.reason_missing", "Connecting another Xero tenant by force needs a reason.");
        var departure = await states.BeginAsync(organizationId, redirect.Url, http.User, force == true, reason, cancellationToken);
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Redirect(QueryHelpers.AddQueryString(new Uri(options.Value.LoginUrl, "/identity/connect/authorize").AbsoluteUri, new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["response_type"] = "code",
            ["client_id"] = options.Value.ClientId,
            ["redirect_uri"] = redirect.Url,
            ["scope"] = options.Value.Scopes,
            ["state"] = departure.State,
            ["code_challenge"] = departure.Challenge,
            ["code_challenge_method"] = "S256",
        }));
    }

    /// <summary>From here on nothing is cancelled by a browser that loses patience: the code works once, and its answer carries the only copy of the tokens.</summary>
    static async Task<ContentHttpResult> ReturnAsync(string? state, string? code, string? error, OAuthStates states, OAuthConnector connector, HttpContext http)
    {
        const string startAgain = "Start again with Connect to Xero.";
        ContentHttpResult Page(int status, string title, string happened, string next) => OAuthPage.Show(http, status, title, happened, next);
        ContentHttpResult NotConnected(int status, string happened, string next) => Page(status, "Not connected", happened, next);

        if (string.IsNullOrEmpty(state) || await states.ReturnAsync(state, CancellationToken.None) is not { } begun)
        {
            return NotConnected(StatusCodes.Status400BadRequest,
                "This return from Xero belongs to no authorisation that was begun here: it was used already, is older than ten minutes, or came from elsewhere. Nothing was changed.", startAgain);
        }
        if (!string.IsNullOrEmpty(error) || string.IsNullOrEmpty(code))
        {
            return NotConnected(StatusCodes.Status400BadRequest, error == "access_denied"
                ? "Access was not granted in Xero. Nothing was changed."
                : $"Xero did not authorise the connection ({Short(error ?? "no code")}). Nothing was changed.", startAgain);
        }
        return await connector.ConnectAsync(begun, code) switch
        {
            ConnectorResult.Connected { Done: { } done } connected => Page(StatusCodes.Status200OK, "Connected to Xero", connected.Several
                    ? $"The organisation is connected to {Name(connected.Tenant)}; of the organisations you let this app use, that is the one you just agreed to."
                    : $"The organisation is connected to {Name(connected.Tenant)}.",
                Waited(done) + "You can close this page."),
            ConnectorResult.Refused refused => NotConnected(StatusCodes.Status400BadRequest, $"Xero refuses the code it gave ({Short(refused.Error)}). Nothing was changed.",
                refused.Error == "invalid_client" ? "Check Xero:ClientId and Xero:ClientSecret, then start again." : startAgain),
            ConnectorResult.Unavailable unavailable => NotConnected(StatusCodes.Status503ServiceUnavailable, $"Xero could not be asked: {unavailable.Reason} Nothing was changed.", startAgain),
            ConnectorResult.NoTenant => NotConnected(StatusCodes.Status409Conflict, "Xero names no organisation that this app may use. Nothing was changed.", "Start again, and pick an organisation on Xero's page."),
            ConnectorResult.OtherTenant other => NotConnected(StatusCodes.Status409Conflict,
                $"You picked {Name(other.Picked)}, but this organisation is connected to {other.FormerName ?? other.FormerId} in Xero: what was booked is there. Nothing was changed.",
                "Start again and pick the former one. If it must be another one, an admin can force it with a reason (force=true&reason=…)."),
            ConnectorResult.TenantTaken taken => NotConnected(StatusCodes.Status409Conflict,
                $"{Name(taken.Picked)} is connected to another organisation of PaymentSync; one Xero organisation serves one. Nothing was changed.", "Disconnect it there first, or pick another one."),
            ConnectorResult.Busy => NotConnected(StatusCodes.Status409Conflict, "Payments are being sent to the former Xero organisation right now. Nothing was changed.", "Start again in a minute."),
            _ => throw new UnreachableException(),
        };
    }

    static string Waited(ConnectResult.Connected done) =>
        (done.Woken + done.Released > 0 ? $"Documents that waited for it and are booked now: {done.Woken + done.Released}. " : "")
        + (done.Held > 0 ? $"Documents that belong to the former Xero organisation, held until it is connected again or a person decides: {done.Held}. " : "");

    static string Name(XeroTenant tenant) => tenant.Name ?? tenant.Id;

    /// <summary>What came by the address is shown, but not at any length.</summary>
    static string Short(string text) => text.Length <= 100 ? text : text[..100] + "…";
}
