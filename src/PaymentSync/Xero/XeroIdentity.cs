using System.Diagnostics;
using System.Text.Json;

namespace PaymentSync.Xero;

/// <summary>What the token endpoint said: a closed set, because each member means something else for the token that was used.</summary>
abstract record TokenReply
{
    /// <param name="RefreshToken">Null for client credentials.</param>
    public sealed record Granted(string AccessToken, string? RefreshToken, DateTimeOffset Ends) : TokenReply
    {
        public override string ToString() => $"granted until {Ends:u}";
    }

    /// <summary>Xero's own word, by RFC 6749: <c>invalid_grant</c> is about what was presented, <c>invalid_client</c> about the app.</summary>
    public sealed record Refused(string Error) : TokenReply;

    /// <summary>It never left, or was turned away before it was looked at: a token that was presented is as good as before.</summary>
    public sealed record NotUsed(string Reason) : TokenReply;

    /// <summary>It may have been done: a refresh token that was presented may be rotated, and the new one lost on its way.</summary>
    public sealed record Lost(string Reason) : TokenReply;
}

/// <summary>One organisation that an app may use.</summary>
/// <param name="ConnectionId">Xero's id of the connection.</param>
/// <param name="AuthEventId">The consent that made or last renewed it.</param>
sealed record XeroTenant(string Id, string? Name, string? ConnectionId, string? AuthEventId, DateTimeOffset? UpdatedAt);

/// <summary>The identity endpoints: tokens, revocation, and which organisations a token may use.</summary>
/// <remarks>https://developer.xero.com/documentation/guides/oauth2/auth-flow</remarks>
sealed class XeroIdentity(XeroClient client, TimeProvider time)
{
    /// <summary>Custom connection: 30 minutes, no refresh token.</summary>
    public Task<TokenReply> ClientCredentialsAsync(XeroApp app, CancellationToken cancellationToken) =>
        AskAsync(app, new(StringComparer.Ordinal) { ["grant_type"] = "client_credentials" }, Stopwatch.GetTimestamp(), cancellationToken);

    public Task<TokenReply> ExchangeAsync(XeroApp app, string code, string redirectUrl, string verifier) =>
        AskAsync(app, new(StringComparer.Ordinal) { ["grant_type"] = "authorization_code", ["code"] = code, ["redirect_uri"] = redirectUrl, ["code_verifier"] = verifier },
            Stopwatch.GetTimestamp(), CancellationToken.None);

    /// <summary>Not cancelled by anything: the answer carries the only copy of the next refresh token.</summary>
    /// <param name="leasedAt">Monotonic time from before the lease was taken. A node that slept since then no longer asks: its successor may have.</param>
    public Task<TokenReply> RefreshAsync(XeroApp app, string refreshToken, long leasedAt) =>
        AskAsync(app, new(StringComparer.Ordinal) { ["grant_type"] = "refresh_token", ["refresh_token"] = refreshToken }, leasedAt, CancellationToken.None);

    /// <summary>Ends the refresh token, and with it every connection that its user made for this app.</summary>
    /// <returns>False when Xero did not confirm it.</returns>
    public async Task<bool> RevokeAsync(XeroApp app, string refreshToken) =>
        await client.PostFormAsync("/connect/revocation", app, new Dictionary<string, string>(StringComparer.Ordinal) { ["token"] = refreshToken }, Stopwatch.GetTimestamp(), CancellationToken.None)
            is XeroReply.Answered { Status: 200 };

    /// <returns>False when Xero did not confirm it.</returns>
    public async Task<bool> RemoveAsync(string connectionId, string accessToken) =>
        await client.DeleteConnectionAsync(connectionId, accessToken, CancellationToken.None) is XeroReply.Answered { Status: 204 or 200 or 404 };

    /// <returns>Null when Xero's answer says nothing about it: a failed read is never "none".</returns>
    public async Task<IReadOnlyList<XeroTenant>?> TenantsAsync(string accessToken, CancellationToken cancellationToken)
    {
        if (await client.GetConnectionsAsync(accessToken, cancellationToken) is not XeroReply.Answered { Status: 200 } answered)
            return null;
        try
        {
            using var body = JsonDocument.Parse(answered.Body);
            return [.. body.RootElement.EnumerateArray().Where(tenant => Text(tenant, "tenantType") is null or "ORGANISATION").Select(Read).OfType<XeroTenant>()];
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    async Task<TokenReply> AskAsync(XeroApp app, Dictionary<string, string> form, long intendedAt, CancellationToken cancellationToken)
    {
        var asked = time.GetUtcNow();
        return await client.PostFormAsync("/connect/token", app, form, intendedAt, cancellationToken) switch
        {
            XeroReply.NotSent notSent => new TokenReply.NotUsed($"It could not be reached: {notSent.Reason}"),
            XeroReply.Unknown unknown => new TokenReply.Lost(unknown.Reason),
            XeroReply.Answered { Status: 200 } answered => Tokens(answered.Body, asked),
            XeroReply.Answered { Status: 400 or 401 } answered when Error(answered.Body) is { } error => new TokenReply.Refused(error),
            XeroReply.Answered { Status: < 500 } answered => new TokenReply.NotUsed($"It answered {answered.Status}."),
            XeroReply.Answered answered => new TokenReply.Lost($"It answered {answered.Status}."),
            _ => throw new UnreachableException(),
        };
    }

    static TokenReply Tokens(byte[] answer, DateTimeOffset asked)
    {
        try
        {
            using var body = JsonDocument.Parse(answer);
            if (Text(body.RootElement, "access_token") is { Length: > 0 } access && body.RootElement.TryGetProperty("expires_in", out var lifetime) && lifetime.TryGetInt32(out var seconds))
                return new TokenReply.Granted(access, Text(body.RootElement, "refresh_token"), asked + TimeSpan.FromSeconds(seconds));
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            // Cut short on its way: whatever it granted is lost.
        }
        return new TokenReply.Lost("Its answer could not be read.");
    }

    static string? Error(byte[] answer)
    {
        try
        {
            using var body = JsonDocument.Parse(answer);
            return Text(body.RootElement, "error");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static XeroTenant? Read(JsonElement json) => Text(json, "tenantId") is not { Length: > 0 } id
        ? null
        : new XeroTenant(id, Text(json, "tenantName"), Text(json, "id"), Text(json, "authEventId"),
            // Xero writes UTC without saying so.
            DateTimeOffset.TryParse(Text(json, "updatedDateUtc") ?? Text(json, "createdDateUtc"), System.Globalization.CultureInfo.InvariantCulture,
                System.Globalization.DateTimeStyles.AssumeUniversal, out var updated) ? updated : null);

    static string? Text(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
