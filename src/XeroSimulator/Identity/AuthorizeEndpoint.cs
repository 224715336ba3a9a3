using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.WebUtilities;

namespace XeroSimulator.Identity;

/// <summary>The login and consent page without the page: whoever asks has agreed, and is sent back at once.</summary>
/// <remarks><c>simulator_tenant</c> picks the organisation (else the default one); <c>simulator_deny=true</c> is a person who says no.</remarks>
internal static class AuthorizeEndpoint
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/identity/connect/authorize", Authorize);

    private static Results<RedirectHttpResult, BadRequest<string>> Authorize(HttpRequest request, World world)
    {
        var query = request.Query;
        if (world.Identity.App(query["client_id"].ToString()) is not { IsCustomConnection: false } app)
            return TypedResults.BadRequest("unauthorized_client: Unknown client or client not enabled");
        var redirectUri = query["redirect_uri"].ToString();
        if (!IsAllowed(redirectUri))
            return TypedResults.BadRequest("unauthorized_client: Invalid redirect_uri (it must be https or http://localhost)");

        var state = query["state"].ToString();
        if (query["response_type"] != "code")
            return Back(redirectUri, state, "error", "unsupported_response_type");
        var scope = query["scope"].ToString();
        if (scope.Length == 0 || !Scopes.AllKnown(scope))
            return Back(redirectUri, state, "error", "invalid_scope");
        var challenge = query["code_challenge"].ToString();
        if (challenge.Length > 0 && query["code_challenge_method"] != "S256")
            return Back(redirectUri, state, "error", "invalid_request");
        if (query["simulator_deny"] == "true")
            return Back(redirectUri, state, "error", "access_denied");

        var tenant = query["simulator_tenant"].ToString() is { Length: > 0 } text ? world.Organisation(text) : world.Default;
        if (tenant is null)
            return TypedResults.BadRequest("simulator_tenant names no organisation of this simulator");
        var code = world.Identity.Consent(app.ClientId, tenant.TenantId, redirectUri, scope, challenge.Length > 0 ? challenge : null);
        world.Changed();
        return Back(redirectUri, state, "code", code);
    }

    /// <summary>Xero takes https anywhere and http on the name localhost, not on 127.0.0.1.</summary>
    private static bool IsAllowed(string redirectUri) =>
        Uri.TryCreate(redirectUri, UriKind.Absolute, out var uri)
        && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.Host == "localhost"));

    private static RedirectHttpResult Back(string redirectUri, string state, string name, string value) =>
        TypedResults.Redirect(QueryHelpers.AddQueryString(redirectUri, new Dictionary<string, string?>
        {
            [name] = value,
            ["state"] = state.Length > 0 ? state : null,
        }.Where(pair => pair.Value is not null).ToDictionary(pair => pair.Key, pair => pair.Value)));
}
