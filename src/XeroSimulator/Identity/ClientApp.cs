using System.Text.Json.Serialization;
using XeroSimulator.Limits;

namespace XeroSimulator.Identity;

/// <param name="TenantId">Set for a custom connection: its one organisation. Null for a web app, which any organisation can be connected to.</param>
internal sealed record ClientApp(string ClientId, string Secret, string Name, Guid? TenantId)
{
    [JsonIgnore]
    public AppLimit Limit { get; } = new();

    public bool IsCustomConnection => TenantId is not null;
}

/// <summary>One organisation connected to one app.</summary>
/// <param name="AuthEventId">The consent that made or last renewed it; access tokens of that consent name it too.</param>
internal sealed record Connection(Guid Id, string ClientId, Guid TenantId, Guid AuthEventId, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);

internal sealed record AuthorizationCode(
    string Code, string ClientId, string RedirectUri, string Scope, string? Challenge, Guid AuthEventId, DateTimeOffset ExpiresAt);

internal sealed record AccessToken(string Token, string ClientId, string Scope, DateTimeOffset ExpiresAt)
{
    public bool Allows(string scope) => Scope.Split(' ').Contains(scope);
}

/// <summary>One person's consent: the refresh token in force and the one it replaced.</summary>
/// <param name="ReplacedAt">When <paramref name="Previous"/> was first replaced; it may be retried for 30 minutes from then.</param>
internal sealed record Grant(
    Guid Id, string ClientId, string Scope, Guid AuthEventId, string Current, DateTimeOffset CurrentIssuedAt, string? Previous, DateTimeOffset? ReplacedAt);

/// <summary>An answer of the token endpoint: tokens, or the error code of RFC 6749.</summary>
internal sealed record TokenAnswer(string? Error, string? AccessToken, string? RefreshToken, string? Scope)
{
    public static TokenAnswer Refused(string error) => new(error, null, null, null);
}
