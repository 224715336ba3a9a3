using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace XeroSimulator.Identity;

/// <summary>Apps, connections, codes and tokens, with Xero's lifetimes.</summary>
internal sealed class IdentityStore(SimulatorClock clock)
{
    public static readonly TimeSpan CodeLifetime = TimeSpan.FromMinutes(5);
    public static readonly TimeSpan AccessLifetime = TimeSpan.FromMinutes(30);
    public static readonly TimeSpan RefreshLifetime = TimeSpan.FromDays(60);
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(30);

    private static readonly string JwtHeader = Base64Url.EncodeToString("""{"alg":"RS256","typ":"JWT"}"""u8);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, ClientApp> _apps = [];
    private readonly Dictionary<Guid, Connection> _connections = [];
    private readonly Dictionary<string, AuthorizationCode> _codes = [];
    private readonly Dictionary<string, AccessToken> _access = [];
    private readonly Dictionary<string, Grant> _grants = [];

    public void Register(ClientApp app)
    {
        lock (_gate)
        {
            _apps[app.ClientId] = app;
            if (app.TenantId is { } tenantId)
                ConnectUnderLock(app.ClientId, tenantId, Guid.NewGuid());
        }
    }

    public bool IsTaken(string clientId)
    {
        lock (_gate)
            return _apps.ContainsKey(clientId);
    }

    public ClientApp? App(string clientId)
    {
        lock (_gate)
            return _apps.GetValueOrDefault(clientId);
    }

    public ClientApp? App(string clientId, string secret) =>
        App(clientId) is { } app && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(app.Secret), Encoding.UTF8.GetBytes(secret)) ? app : null;

    /// <summary>A person agreed that the app may use the organisation: a connection, and a code to exchange.</summary>
    public string Consent(string clientId, Guid tenantId, string redirectUri, string scope, string? challenge)
    {
        lock (_gate)
        {
            var authEventId = Guid.NewGuid();
            ConnectUnderLock(clientId, tenantId, authEventId);
            var code = NewToken();
            _codes[code] = new(code, clientId, redirectUri, scope, challenge, authEventId, clock.Now + CodeLifetime);
            return code;
        }
    }

    public TokenAnswer Exchange(ClientApp app, string code, string redirectUri, string? verifier)
    {
        lock (_gate)
        {
            // Removed before it is checked: a code that was tried once is used up, whatever came of it.
            if (!_codes.Remove(code, out var known) || known.ClientId != app.ClientId || known.ExpiresAt <= clock.Now || known.RedirectUri != redirectUri)
                return TokenAnswer.Refused("invalid_grant");
            if (known.Challenge is not null && (verifier is null || Challenge(verifier) != known.Challenge))
                return TokenAnswer.Refused("invalid_grant");
            var access = IssueUnderLock(app.ClientId, known.Scope, known.AuthEventId);
            if (!known.Scope.Split(' ').Contains(Scopes.OfflineAccess))
                return new(null, access, null, known.Scope);
            var grant = new Grant(Guid.NewGuid(), app.ClientId, known.Scope, known.AuthEventId, NewToken(), clock.Now, null, null);
            _grants[grant.Current] = grant;
            return new(null, access, grant.Current, grant.Scope);
        }
    }

    /// <summary>Rotates: the new token is the latest, the old one may be retried for 30 minutes, anything older is dead.</summary>
    /// <remarks>Retrying the previous token replaces the answer that was lost: the token in that answer stops working.</remarks>
    public TokenAnswer Refresh(ClientApp app, string refreshToken)
    {
        lock (_gate)
        {
            var now = clock.Now;
            if (!_grants.TryGetValue(refreshToken, out var grant) || grant.ClientId != app.ClientId)
                return TokenAnswer.Refused("invalid_grant");
            var isRetry = grant.Previous == refreshToken;
            var expired = isRetry ? grant.ReplacedAt + Grace <= now : grant.CurrentIssuedAt + RefreshLifetime <= now;
            if (expired)
                return TokenAnswer.Refused("invalid_grant");

            var next = grant with
            {
                Current = NewToken(),
                CurrentIssuedAt = now,
                Previous = refreshToken,
                ReplacedAt = isRetry ? grant.ReplacedAt : now,
            };
            _grants.Remove(grant.Current);
            if (grant.Previous is not null)
                _grants.Remove(grant.Previous);
            _grants[next.Current] = next;
            _grants[refreshToken] = next;
            return new(null, IssueUnderLock(app.ClientId, next.Scope, next.AuthEventId), next.Current, next.Scope);
        }
    }

    public TokenAnswer ClientCredentials(ClientApp app, string scope)
    {
        lock (_gate)
            return new(null, IssueUnderLock(app.ClientId, scope, authEventId: null), null, scope);
    }

    /// <summary>Revoking a refresh token ends the consent and every connection of the app.</summary>
    public void Revoke(ClientApp app, string refreshToken)
    {
        lock (_gate)
        {
            if (!_grants.TryGetValue(refreshToken, out var grant) || grant.ClientId != app.ClientId)
                return;
            _grants.Remove(grant.Current);
            if (grant.Previous is not null)
                _grants.Remove(grant.Previous);
            foreach (var connection in _connections.Values.Where(c => c.ClientId == app.ClientId).ToList())
                _connections.Remove(connection.Id);
        }
    }

    public AccessToken? Access(string token)
    {
        lock (_gate)
            return _access.GetValueOrDefault(token);
    }

    /// <summary>Ends a token before its time: the 401 in the middle of a batch.</summary>
    public void Expire(string token)
    {
        lock (_gate)
        {
            if (_access.TryGetValue(token, out var known) && known.ExpiresAt > clock.Now)
                _access[token] = known with { ExpiresAt = clock.Now };
        }
    }

    public IReadOnlyList<Connection> Connections(string clientId)
    {
        lock (_gate)
            return [.. _connections.Values.Where(c => c.ClientId == clientId).OrderBy(c => c.CreatedAt)];
    }

    public bool IsConnected(string clientId, Guid tenantId)
    {
        lock (_gate)
            return _connections.Values.Any(c => c.ClientId == clientId && c.TenantId == tenantId);
    }

    public bool Disconnect(string clientId, Guid connectionId)
    {
        lock (_gate)
            return _connections.TryGetValue(connectionId, out var connection) && connection.ClientId == clientId && _connections.Remove(connectionId);
    }

    public void Clear()
    {
        lock (_gate)
        {
            _apps.Clear();
            _connections.Clear();
            _codes.Clear();
            _access.Clear();
            _grants.Clear();
        }
    }

    public IdentitySnapshot Snapshot()
    {
        lock (_gate)
        {
            return new(
                [.. _apps.Values],
                [.. _connections.Values],
                [.. _codes.Values],
                [.. _access.Values.Where(token => token.ExpiresAt > clock.Now)],
                [.. _grants.Values.DistinctBy(grant => grant.Id)]);
        }
    }

    public void Restore(IdentitySnapshot snapshot)
    {
        Clear();
        lock (_gate)
        {
            foreach (var app in snapshot.Apps)
                _apps[app.ClientId] = app;
            foreach (var connection in snapshot.Connections)
                _connections[connection.Id] = connection;
            foreach (var code in snapshot.Codes)
                _codes[code.Code] = code;
            foreach (var token in snapshot.AccessTokens)
                _access[token.Token] = token;
            foreach (var grant in snapshot.Grants)
            {
                _grants[grant.Current] = grant;
                if (grant.Previous is not null)
                    _grants[grant.Previous] = grant;
            }
        }
    }

    /// <summary>Agreeing again keeps the connection's id and moves it to the new consent.</summary>
    private void ConnectUnderLock(string clientId, Guid tenantId, Guid authEventId)
    {
        var connection = _connections.Values.FirstOrDefault(c => c.ClientId == clientId && c.TenantId == tenantId) is { } known
            ? known with { AuthEventId = authEventId, UpdatedAt = clock.Now }
            : new Connection(Guid.NewGuid(), clientId, tenantId, authEventId, clock.Now, clock.Now);
        _connections[connection.Id] = connection;
    }

    private string IssueUnderLock(string clientId, string scope, Guid? authEventId)
    {
        var token = NewAccessToken(clientId, scope, authEventId, clock.Now + AccessLifetime);
        _access[token] = new(token, clientId, scope, clock.Now + AccessLifetime);
        return token;
    }

    /// <summary>A JWT in shape, so that clients can read its claims; its signature is random and proves nothing.</summary>
    private static string NewAccessToken(string clientId, string scope, Guid? authEventId, DateTimeOffset expiresAt)
    {
        var claims = new Dictionary<string, object> { ["client_id"] = clientId, ["scope"] = scope.Split(' '), ["exp"] = expiresAt.ToUnixTimeSeconds() };
        if (authEventId is not null)
            claims["authentication_event_id"] = authEventId;
        var payload = Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(claims));
        return $"{JwtHeader}.{payload}.{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}";
    }

    private static string NewToken() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));

    private static string Challenge(string verifier) =>
        Convert.ToBase64String(SHA256.HashData(Encoding.ASCII.GetBytes(verifier))).TrimEnd('=').Replace('+', '-').Replace('/', '_');
}

internal sealed record IdentitySnapshot(
    IReadOnlyList<ClientApp> Apps,
    IReadOnlyList<Connection> Connections,
    IReadOnlyList<AuthorizationCode> Codes,
    IReadOnlyList<AccessToken> AccessTokens,
    IReadOnlyList<Grant> Grants);
