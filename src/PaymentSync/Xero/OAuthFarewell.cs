using System.Security.Claims;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Xero;

/// <summary>
/// An operator disconnects: the connection ends here at once, whatever Xero says, and Xero is told as well as can be. First the
/// connection is removed there; the refresh token is revoked only with the last organisation of the app, because a revocation
/// removes every connection that its user made for the app, those of other organisations included.
/// </summary>
/// <remarks>https://developer.xero.com/documentation/guides/oauth2/auth-flow#revoking-tokens</remarks>
sealed partial class OAuthFarewell(NpgsqlDataSource database, XeroConnections connections, XeroIdentity identity, XeroSecrets secrets, AuditLog audit, TimeProvider time,
    IOptions<XeroOptions> options, ILogger<OAuthFarewell> log)
{
    sealed record Credentials(string? ClientId, string? ConnectionId, byte[]? Access, DateTimeOffset? AccessEnds, byte[]? Refresh, bool LastOfApp);

    /// <summary>Two entries in the audit log: the order, with the change itself, and afterwards what Xero confirmed, since no transaction waits for Xero.</summary>
    /// <returns>False when the organisation was not connected.</returns>
    public async Task<bool> DisconnectAsync(Guid organisation, ClaimsPrincipal actor, string? reason)
    {
        var credentials = await ReadAsync(organisation);
        if (!await connections.DisconnectAsync(organisation, version: null, Disconnection.ByOperator, CancellationToken.None,
            transaction => audit.WriteAsync(actor, "connection.disconnect", organisation.ToString(), reason, CancellationToken.None, transaction: transaction)))
        {
            return false;
        }
        if (credentials?.Refresh is null)
            return true;
        var (removed, revoked) = await TellXeroAsync(organisation, credentials);
        if (!removed || (credentials.LastOfApp && !revoked))
            LogNotTold(organisation, removed, revoked);
        await audit.WriteAsync(actor, "connection.farewell", organisation.ToString(), reason, CancellationToken.None, new { removedInXero = removed, revokedInXero = revoked });
        return true;
    }

    async Task<(bool Removed, bool Revoked)> TellXeroAsync(Guid organisation, Credentials credentials)
    {
        if (options.Value is not { ClientId: { } clientId, ClientSecret: { Length: > 0 } secret } || clientId != credentials.ClientId)
            return (false, false);
        var app = new XeroApp(clientId, secret);
        string refresh;
        string? access = null;
        try
        {
            refresh = secrets.Token(organisation, credentials.Refresh!);
            if (credentials.Access is not null && credentials.AccessEnds > time.GetUtcNow())
                access = secrets.Token(organisation, credentials.Access);
        }
        catch (CryptographicException)
        {
            return (false, false);
        }
        // An idle connection's access token has ended; one more is needed to say goodbye. It is kept nowhere.
        if (access is null && await identity.RefreshAsync(app, refresh, System.Diagnostics.Stopwatch.GetTimestamp()) is TokenReply.Granted { RefreshToken: not null } granted)
            (access, refresh) = (granted.AccessToken, granted.RefreshToken);
        var removed = access is not null && credentials.ConnectionId is not null && await identity.RemoveAsync(credentials.ConnectionId, access);
        var revoked = credentials.LastOfApp && await identity.RevokeAsync(app, refresh);
        return (removed, revoked);
    }

    async Task<Credentials?> ReadAsync(Guid organisation)
    {
        await using var command = database.CreateCommand("""
            SELECT c.client_id, c.connection_id, c.protected_access, c.access_expires_at, c.protected_refresh,
                   NOT EXISTS (SELECT 1 FROM paymentsync.connections o
                                WHERE o.client_id = c.client_id AND o.kind = 'OAUTH' AND o.protected_refresh IS NOT NULL AND o.organization_id <> c.organization_id)
              FROM paymentsync.connections c WHERE c.organization_id = $1
            """);
        command.Parameters.AddWithValue(organisation);
        await using var reader = await command.ExecuteReaderAsync();
        return await reader.ReadAsync()
            ? new Credentials(reader.Nullable<string>(0), reader.Nullable<string>(1), reader.Nullable<byte[]>(2), reader.NullableValue<DateTimeOffset>(3),
                reader.Nullable<byte[]>(4), reader.GetBoolean(5))
            : null;
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Organisation {Organisation} is disconnected here, but Xero did not confirm all of it (removed: {Removed}, revoked: {Revoked}); remove the app under Connected apps in Xero")]
    partial void LogNotTold(Guid organisation, bool removed, bool revoked);
}
