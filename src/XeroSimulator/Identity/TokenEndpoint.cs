using System.Text;
using XeroSimulator.Gate;

namespace XeroSimulator.Identity;

/// <summary>POST /connect/token and /connect/revocation.</summary>
internal static class TokenEndpoint
{
    public static Answer Token(IFormCollection form, string authorization, World world)
    {
        if (form["grant_type"].ToString() is not { Length: > 0 } grantType)
            return Refuse("invalid_request");
        if (Client(form, authorization, world) is not { } app)
            return Refuse("invalid_client");
        return grantType switch
        {
            "client_credentials" => app.IsCustomConnection ? ClientCredentials(form, app, world) : Refuse("unauthorized_client"),
            "authorization_code" => app.IsCustomConnection ? Refuse("unauthorized_client") : Code(form, app, world),
            "refresh_token" => app.IsCustomConnection ? Refuse("unauthorized_client") : Refresh(form, app, world),
            _ => Refuse("unsupported_grant_type"),
        };
    }

    public static Answer Revoke(IFormCollection form, string authorization, World world)
    {
        if (Client(form, authorization, world) is not { } app)
            return Refuse("invalid_client");
        if (form["token"].ToString() is not { Length: > 0 } token)
            return Refuse("invalid_request");

        // An unknown token is a success too (RFC 7009): the caller wanted it not to work.
        world.Identity.Revoke(app, token);
        return new Answer(200, "text/plain", []);
    }

    private static Answer ClientCredentials(IFormCollection form, ClientApp app, World world)
    {
        var scope = form["scope"].ToString() is { Length: > 0 } asked ? asked : Scopes.CustomConnection;
        return Scopes.AllKnown(scope) && !scope.Split(' ').Contains(Scopes.OfflineAccess)
            ? Write(world.Identity.ClientCredentials(app, scope))
            : Refuse("invalid_scope");
    }

    private static Answer Code(IFormCollection form, ClientApp app, World world)
    {
        var code = form["code"].ToString();
        var redirectUri = form["redirect_uri"].ToString();
        if (code.Length == 0 || redirectUri.Length == 0)
            return Refuse("invalid_request");
        return Write(world.Identity.Exchange(app, code, redirectUri, form["code_verifier"].ToString() is { Length: > 0 } verifier ? verifier : null));
    }

    private static Answer Refresh(IFormCollection form, ClientApp app, World world) =>
        form["refresh_token"].ToString() is { Length: > 0 } token ? Write(world.Identity.Refresh(app, token)) : Refuse("invalid_request");

    private static Answer Write(TokenAnswer answer) => answer.Error is not null ? Refuse(answer.Error) : Answer.OfJson(200, XeroJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("access_token", answer.AccessToken);
        json.WriteNumber("expires_in", (int)IdentityStore.AccessLifetime.TotalSeconds);
        json.WriteString("token_type", "Bearer");
        json.WriteText("refresh_token", answer.RefreshToken);
        json.WriteText("scope", answer.Scope);
        json.WriteEndObject();
    }));

    private static Answer Refuse(string error) => Answer.OfJson(400, $$"""{"error":"{{error}}"}""");

    private static ClientApp? Client(IFormCollection form, string authorization, World world)
    {
        if (!authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
            return world.Identity.App(form["client_id"].ToString(), form["client_secret"].ToString());
        var buffer = new byte[authorization.Length];
        if (!Convert.TryFromBase64String(authorization[6..].Trim(), buffer, out var length))
            return null;
        var pair = Encoding.UTF8.GetString(buffer, 0, length);
        var colon = pair.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : world.Identity.App(Uri.UnescapeDataString(pair[..colon]), Uri.UnescapeDataString(pair[(colon + 1)..]));
    }
}
