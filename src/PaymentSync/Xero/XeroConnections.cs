using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.DataProtection;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;

namespace PaymentSync.Xero;

/// <summary>An organisation's active connection to its one Xero tenant.</summary>
sealed record XeroConnection(Guid OrganisationId, string TenantId, string? TenantName, string ClientId, byte[] ProtectedSecret);

/// <summary>The connections table: who is connected to which tenant, and the credentials, encrypted at rest.</summary>
sealed class XeroConnections(NpgsqlDataSource database, IDataProtectionProvider protection)
{
    readonly IDataProtector _protector = protection.CreateProtector("PaymentSync.XeroCredentials.v1");

    public async Task<XeroConnection?> FindActiveAsync(Guid organisation, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "SELECT tenant_id, tenant_name, client_id, protected_secret FROM paymentsync.connections WHERE organization_id = $1 AND status = 'ACTIVE'");
        command.Parameters.AddWithValue(organisation);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new XeroConnection(organisation, reader.GetString(0), reader.Nullable<string>(1), reader.GetString(2), reader.GetFieldValue<byte[]>(3))
            : null;
    }

    public string Secret(XeroConnection connection) => Encoding.UTF8.GetString(_protector.Unprotect(connection.ProtectedSecret));

    /// <summary>
    /// Stores a custom connection and makes due what waited for it, all in one statement. An organisation keeps its tenant, and a tenant
    /// serves one organisation.
    /// </summary>
    /// <returns>How many rows became due; null when another tenant was connected before, or the tenant serves another organisation.</returns>
    public async Task<int?> ConnectAsync(Guid organisation, string tenant, string? tenantName, string clientId, string clientSecret, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH connected AS (
              INSERT INTO paymentsync.connections AS c (organization_id, tenant_id, tenant_name, kind, status, client_id, protected_secret)
              VALUES ($1, $2, $3, 'CUSTOM', 'ACTIVE', $4, $5)
              ON CONFLICT (organization_id) DO UPDATE
                SET tenant_name = excluded.tenant_name, kind = excluded.kind, status = 'ACTIVE', client_id = excluded.client_id, protected_secret = excluded.protected_secret,
                    connected_at = paymentsync.now(), updated_at = paymentsync.now()
                WHERE c.tenant_id = excluded.tenant_id
              RETURNING c.organization_id),
            woken AS (
              UPDATE xero_syncs s SET next_retry_at = paymentsync.now(), due_because = 'RESUME'
                FROM connected c
               WHERE s.organization_id = c.organization_id AND s.status = 'FAILED' AND s.failure_code IN ('xero.no_connection', 'xero.unauthorized', 'xero.forbidden')
              RETURNING s.id)
            SELECT (SELECT count(*)::int FROM woken) FROM connected
            """);
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(tenant);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)tenantName ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.AddWithValue(clientId);
        command.Parameters.AddWithValue(_protector.Protect(Encoding.UTF8.GetBytes(clientSecret)));
        try
        {
            return (int?)await command.ExecuteScalarAsync(cancellationToken);
        }
        catch (PostgresException taken) when (taken is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "connections_tenant" })
        {
            return null;
        }
    }

    /// <returns>False when it was not connected.</returns>
    public async Task<bool> DisconnectAsync(Guid organisation, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "UPDATE paymentsync.connections SET status = 'DISCONNECTED', protected_secret = NULL, updated_at = paymentsync.now() WHERE organization_id = $1 AND status = 'ACTIVE'");
        command.Parameters.AddWithValue(organisation);
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }
}

/// <summary>Access tokens of custom connections: asked for when needed, kept in memory only, renewed before they end.</summary>
sealed class XeroTokens(XeroClient client, XeroConnections connections, TimeProvider time, Microsoft.Extensions.Options.IOptions<XeroOptions> options) : IDisposable
{
    static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(2);
    readonly Dictionary<string, Token> _tokens = new(StringComparer.Ordinal);
    readonly SemaphoreSlim _one = new(1, 1);

    sealed record Token(string Value, DateTimeOffset Ends);

    /// <summary>A token, or why there is none now.</summary>
    public abstract record Answer
    {
        public sealed record Granted(string AccessToken) : Answer;
        /// <summary>Xero refuses these credentials; a person must connect again.</summary>
        public sealed record Refused(string Error) : Answer;
        /// <summary>The token endpoint did not answer usefully; later it may.</summary>
        public sealed record Unavailable(string Reason) : Answer;
    }

    /// <param name="notThis">A token that Xero just refused: another one is asked for.</param>
    public async Task<Answer> GetAsync(XeroConnection connection, string? notThis, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            // A new connection of the same tenant brings new credentials: their bytes are part of the key.
            var key = connection.TenantId + Convert.ToHexString(SHA256.HashData(connection.ProtectedSecret));
            if (_tokens.TryGetValue(key, out var kept) && kept.Value != notThis && kept.Ends - RenewBefore > time.GetUtcNow())
                return new Answer.Granted(kept.Value);
            var answer = await AskAsync(connection.ClientId, connections.Secret(connection), cancellationToken);
            if (answer is (Answer.Granted granted, { } ends))
                _tokens[key] = new Token(granted.AccessToken, ends);
            return answer.Answer;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Client credentials grant (custom connection): 30 minutes, no refresh token.</summary>
    public async Task<(Answer Answer, DateTimeOffset? Ends)> AskAsync(string clientId, string clientSecret, CancellationToken cancellationToken)
    {
        var asked = time.GetUtcNow();
        var reply = await client.PostFormAsync(new Uri(options.Value.IdentityUrl, "/connect/token"), clientId, clientSecret,
            new Dictionary<string, string>(StringComparer.Ordinal) { ["grant_type"] = "client_credentials" }, cancellationToken);
        if (reply is not XeroReply.Answered answered)
            return (new Answer.Unavailable(reply is XeroReply.NotSent notSent ? notSent.Reason : ((XeroReply.Unknown)reply).Reason), null);
        try
        {
            using var body = JsonDocument.Parse(answered.Body);
            if (answered.Status == 200)
            {
                return (new Answer.Granted(body.RootElement.GetProperty("access_token").GetString()!),
                    asked + TimeSpan.FromSeconds(body.RootElement.GetProperty("expires_in").GetInt32()));
            }
            if (answered.Status is 400 or 401 && body.RootElement.TryGetProperty("error", out var error) && error.GetString() is { } code)
                return (new Answer.Refused(code), null);
        }
        catch (Exception problem) when (problem is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            // Falls through: an answer that cannot be read is no word about the credentials.
        }
        return (new Answer.Unavailable($"The token endpoint answered {answered.Status}."), null);
    }

    public void Dispose() => _one.Dispose();
}
