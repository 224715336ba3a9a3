using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.Xero;

/// <summary>
/// New tokens for an OAuth connection, asked for by one node at a time. Xero rotates the refresh token at every use, so two nodes that
/// refresh at once would each kill the other's token; and an answer that is lost on its way takes the only copy of the next token
/// with it, so the old one is kept and tried again, which Xero allows for 30 minutes.
/// </summary>
/// <remarks>
/// The right to ask is a lease on the connection's row, taken by compare-and-set and given up with the outcome; no transaction is
/// open during the call. New tokens are committed before anybody uses them. Every write names the token version and the lease.
/// </remarks>
sealed partial class OAuthRefresh(NpgsqlDataSource database, XeroIdentity identity, XeroConnections connections, XeroSecrets secrets, ConnectionMetrics metrics, TimeProvider time,
    IOptions<XeroOptions> options, ILogger<OAuthRefresh> log)
{
    /// <summary>How long Xero takes a refresh token again after its first use.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(30);
    /// <summary>After a try without answer nobody tries for so long, on any node.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);
    static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    /// <summary>Longer than a call can last, so that a lease which ran out means that its call is over.</summary>
    TimeSpan Lease => options.Value.CallTimeout + TimeSpan.FromSeconds(30);

    /// <param name="LeaseLeft">How long nobody else may ask; null: anybody may.</param>
    /// <param name="StartedAt">First use of this refresh token, if an answer to it is missing.</param>
    sealed record Tokens(int Version, bool Active, byte[]? Access, DateTimeOffset? AccessEnds, byte[]? Refresh, string? Owner, TimeSpan? LeaseLeft, DateTimeOffset? StartedAt);

    /// <returns>
    /// The access token in force, a new one where it is ended or is <paramref name="notThis"/>; <see cref="XeroTokens.Answer.Disconnected"/> when
    /// Xero said that the consent is over, or said nothing for too long.
    /// </returns>
    public async Task<XeroTokens.Answer> GetAsync(XeroConnection connection, string? notThis, CancellationToken cancellationToken)
    {
        if (options.Value.ClientId != connection.ClientId || string.IsNullOrEmpty(options.Value.ClientSecret))
            return new XeroTokens.Answer.Unavailable($"The organisation was connected by app {connection.ClientId}, but Xero:ClientId and Xero:ClientSecret are not that app's.", Pause);
        var owner = $"{Environment.MachineName}:{Environment.ProcessId}:{Guid.NewGuid():N}";
        var waiting = Stopwatch.StartNew();
        while (true)
        {
            if (await ReadAsync(connection, cancellationToken) is not { } tokens)
                return new XeroTokens.Answer.Unavailable("The organisation was disconnected or connected anew meanwhile.", TimeSpan.Zero);
            try
            {
                if (tokens is { Active: true, AccessEnds: { } ends } && ends - XeroTokens.RenewBefore > time.GetUtcNow()
                    && secrets.Token(connection.OrganisationId, tokens.Access!) is var access && access != notThis)
                {
                    return new XeroTokens.Answer.Granted(access, ends, tokens.Version);
                }
                if (tokens.LeaseLeft is null)
                {
                    var takenAt = Stopwatch.GetTimestamp();
                    if (await TakeAsync(connection, tokens, owner, cancellationToken) && await AskAsync(connection, tokens, owner, takenAt) is { } answer)
                        return answer;
                    continue;
                }
            }
            catch (CryptographicException)
            {
                if (await connections.DisconnectAsync(connection.OrganisationId, tokens.Version, Disconnection.Unreadable, cancellationToken))
                    return new XeroTokens.Answer.Disconnected(Disconnection.Unreadable);
                continue;
            }
            if (tokens.Owner is null)
                return new XeroTokens.Answer.Unavailable("Xero did not answer a moment ago.", tokens.LeaseLeft.Value);
            if (waiting.Elapsed > Lease)
                return new XeroTokens.Answer.Unavailable("Another node is renewing the token.", Pause);
            // Another node is asking for all; its answer is read from the database.
            await Task.Delay(Poll, cancellationToken);
        }
    }

    /// <returns>Null when the connection is no longer what it was.</returns>
    async Task<Tokens?> ReadAsync(XeroConnection connection, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT token_version, status = 'ACTIVE', protected_access, access_expires_at, protected_refresh, refresh_owner,
                   CASE WHEN refresh_expires_at > paymentsync.now() THEN refresh_expires_at - paymentsync.now() END, refresh_started_at
              FROM paymentsync.connections WHERE organization_id = $1 AND tenant_id = $2 AND kind = 'OAUTH' AND protected_refresh IS NOT NULL
            """);
        command.Parameters.AddWithValue(connection.OrganisationId);
        command.Parameters.AddWithValue(connection.TenantId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new Tokens(reader.GetInt32(0), reader.GetBoolean(1), reader.Nullable<byte[]>(2), reader.NullableValue<DateTimeOffset>(3), reader.Nullable<byte[]>(4), reader.Nullable<string>(5),
                reader.NullableValue<TimeSpan>(6), reader.NullableValue<DateTimeOffset>(7))
            : null;
    }

    /// <summary>Takes the lease and notes the first use of the token before it is used: a node that dies now leaves word for its successor.</summary>
    /// <returns>False when somebody else was faster.</returns>
    async Task<bool> TakeAsync(XeroConnection connection, Tokens tokens, string owner, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            UPDATE paymentsync.connections
               SET refresh_owner = $3, refresh_expires_at = paymentsync.now() + $4, refresh_started_at = coalesce(refresh_started_at, paymentsync.now())
             WHERE organization_id = $1 AND token_version = $2 AND protected_refresh IS NOT NULL AND refresh_started_at IS NOT DISTINCT FROM $5
               AND (refresh_expires_at IS NULL OR refresh_expires_at <= paymentsync.now())
            """);
        command.Parameters.AddWithValue(connection.OrganisationId);
        command.Parameters.AddWithValue(tokens.Version);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(Lease);
        command.Parameters.Add(Time(tokens.StartedAt));
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <returns>Null when the lease was lost meanwhile: what holds now is read anew.</returns>
    async Task<XeroTokens.Answer?> AskAsync(XeroConnection connection, Tokens tokens, string owner, long takenAt)
    {
        var app = new XeroApp(options.Value.ClientId!, options.Value.ClientSecret!);
        var reply = await identity.RefreshAsync(app, secrets.Token(connection.OrganisationId, tokens.Refresh!), takenAt);
        metrics.Refreshed(reply);
        switch (reply)
        {
            case TokenReply.Granted { RefreshToken: not null } granted:
                return await CommitAsync(connection, tokens, owner, granted);
            case TokenReply.Refused { Error: "invalid_grant" } refused:
                return await EndAsync(connection, tokens, owner, Disconnection.Refused(refused.Error));
            case TokenReply.Refused refused:
                // About the app, not about the token: a person mends the configuration, and no organisation has to be connected again.
                LogAppRefused(connection.OrganisationId, refused.Error);
                return await GiveBackAsync(connection, tokens, owner, used: false, $"Xero refuses the app ({refused.Error}): check Xero:ClientId and Xero:ClientSecret.");
            case TokenReply.NotUsed notUsed:
                return await GiveBackAsync(connection, tokens, owner, used: false, notUsed.Reason);
            case TokenReply.Granted or TokenReply.Lost:
                var reason = reply is TokenReply.Lost lost ? lost.Reason : "It gave no refresh token.";
                LogLost(connection.OrganisationId, reason);
                // The last try comes after the grace: a token that was never rotated still works then, and Xero's word is better than the clock's.
                return tokens.StartedAt is { } started && time.GetUtcNow() - started > Grace
                    ? await EndAsync(connection, tokens, owner, Disconnection.Unanswered)
                    : await GiveBackAsync(connection, tokens, owner, used: true, reason);
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>The new tokens, committed before anybody uses them. A connection that had ended for want of an answer is back with them.</summary>
    async Task<XeroTokens.Answer?> CommitAsync(XeroConnection connection, Tokens tokens, string owner, TokenReply.Granted granted)
    {
        await using var connected = await database.OpenConnectionAsync();
        await using var transaction = await connected.BeginTransactionAsync();
        await using var command = new NpgsqlCommand("""
            UPDATE paymentsync.connections
               SET status = 'ACTIVE', disconnected_code = NULL, disconnected_because = NULL, protected_access = $4, access_expires_at = $5, protected_refresh = $6,
                   reconnect_by = paymentsync.now() + $7, token_version = token_version + 1, refresh_owner = NULL, refresh_expires_at = NULL, refresh_started_at = NULL,
                   warned_days = NULL, updated_at = paymentsync.now()
             WHERE organization_id = $1 AND token_version = $2 AND refresh_owner = $3
            """, connected);
        command.Parameters.AddWithValue(connection.OrganisationId);
        command.Parameters.AddWithValue(tokens.Version);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(secrets.ProtectToken(connection.OrganisationId, granted.AccessToken));
        command.Parameters.AddWithValue(granted.Ends);
        command.Parameters.AddWithValue(secrets.ProtectToken(connection.OrganisationId, granted.RefreshToken!));
        command.Parameters.AddWithValue(XeroConnections.RefreshTokenLife);
        try
        {
            if (await command.ExecuteNonQueryAsync() == 0)
            {
                LogTooLate(connection.OrganisationId);
                return null;
            }
        }
        catch (PostgresException taken) when (taken is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "connections_tenant" })
        {
            // It had ended, and another organisation has connected its tenant since.
            await transaction.RollbackAsync();
            await connections.DisconnectAsync(connection.OrganisationId, tokens.Version, Disconnection.Refused("its tenant serves another organisation now"), CancellationToken.None);
            return null;
        }
        if (!tokens.Active)
        {
            var woken = await ConnectionRows.WakeAsync(connected, connection.OrganisationId, connections.Slice, onlyUnconnected: false, CancellationToken.None);
            LogBack(connection.OrganisationId, woken);
        }
        await transaction.CommitAsync();
        return new XeroTokens.Answer.Granted(granted.AccessToken, granted.Ends, tokens.Version + 1);
    }

    /// <param name="used">Whether Xero may have seen the refresh token: its grace runs from the first such try.</param>
    async Task<XeroTokens.Answer?> GiveBackAsync(XeroConnection connection, Tokens tokens, string owner, bool used, string reason)
    {
        await using var command = database.CreateCommand("""
            UPDATE paymentsync.connections
               SET refresh_owner = NULL, refresh_expires_at = paymentsync.now() + $4, refresh_started_at = CASE WHEN $5 THEN refresh_started_at ELSE $6 END
             WHERE organization_id = $1 AND token_version = $2 AND refresh_owner = $3
            """);
        command.Parameters.AddWithValue(connection.OrganisationId);
        command.Parameters.AddWithValue(tokens.Version);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(Pause);
        command.Parameters.AddWithValue(used);
        command.Parameters.Add(Time(tokens.StartedAt));
        return await command.ExecuteNonQueryAsync() == 1 ? new XeroTokens.Answer.Unavailable(reason, Pause) : null;
    }

    async Task<XeroTokens.Answer?> EndAsync(XeroConnection connection, Tokens tokens, string owner, Disconnection why)
    {
        await using var command = database.CreateCommand("""
            UPDATE paymentsync.connections
               SET status = 'DISCONNECTED', disconnected_code = $4, disconnected_because = $5, protected_access = NULL, access_expires_at = NULL,
                   protected_refresh = CASE WHEN $6 THEN protected_refresh END, refresh_owner = NULL, refresh_expires_at = CASE WHEN $6 THEN paymentsync.now() + $7 END,
                   refresh_started_at = CASE WHEN $6 THEN refresh_started_at END,
                   reconnect_by = CASE WHEN $6 THEN reconnect_by END, updated_at = paymentsync.now()
             WHERE organization_id = $1 AND token_version = $2 AND refresh_owner = $3
            """);
        command.Parameters.AddWithValue(connection.OrganisationId);
        command.Parameters.AddWithValue(tokens.Version);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(why.Code);
        command.Parameters.AddWithValue(why.Because);
        command.Parameters.AddWithValue(why == Disconnection.Unanswered);
        command.Parameters.AddWithValue(Pause);
        if (await command.ExecuteNonQueryAsync() == 0)
            return null;
        if (tokens.Active)
            LogEnded(connection.OrganisationId, why.Code, why.Because);
        return new XeroTokens.Answer.Disconnected(why);
    }

    static NpgsqlParameter Time(DateTimeOffset? time) => new() { Value = (object?)time ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz };

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Xero's token endpoint gave organisation {Organisation} no answer that can be used ({Reason}); the same refresh token is tried again, it is good for 30 minutes after its first use")]
    partial void LogLost(Guid organisation, string reason);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "Xero refuses the app that connected organisation {Organisation} ({Error}); check Xero:ClientId and Xero:ClientSecret, it goes on by itself then")]
    partial void LogAppRefused(Guid organisation, string error);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "New tokens of organisation {Organisation} came after this node's lease had ended; they are dropped, what the database has holds")]
    partial void LogTooLate(Guid organisation);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "Xero answers for organisation {Organisation} again: it is connected, {Woken} syncs that waited are due")]
    partial void LogBack(Guid organisation, int woken);

    [LoggerMessage(Level = LogLevel.Error, Message = "Organisation {Organisation} is disconnected from Xero ({Code}): {Because}")]
    partial void LogEnded(Guid organisation, string code, string because);
}
