using System.Buffers.Text;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;

namespace PaymentSync.Xero;

/// <summary>An authorisation that was begun: what the browser takes along, and nothing else knows.</summary>
/// <param name="State">Random; the database has its hash only.</param>
/// <param name="Challenge">PKCE, S256. Its verifier never leaves this service but to Xero's token endpoint.</param>
sealed record OAuthDeparture(string State, string Challenge);

/// <summary>An authorisation that came back, and who had begun it.</summary>
sealed record OAuthReturn(Guid Organisation, string Verifier, string RedirectUrl, bool Force, string? Reason, ClaimsPrincipal Actor)
{
    public override string ToString() => $"authorisation of organisation {Organisation}";
}

/// <summary>Authorisations under way: each state is good for one return within ten minutes.</summary>
sealed class OAuthStates(NpgsqlDataSource database, XeroSecrets secrets)
{
    public static readonly TimeSpan Life = TimeSpan.FromMinutes(10);
    const int RandomBytes = 32;

    public async Task<OAuthDeparture> BeginAsync(Guid organisation, string redirectUrl, ClaimsPrincipal actor, bool force, string? reason, CancellationToken cancellationToken)
    {
        var state = Random();
        var verifier = Random();
        await using var command = database.CreateCommand("""
            INSERT INTO paymentsync.oauth_states (state_sha256, organization_id, protected_verifier, redirect_url, actor, role, forced, reason, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, paymentsync.now() + $9)
            """);
        command.Parameters.AddWithValue(Hash(state));
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(secrets.ProtectVerifier(organisation, verifier));
        command.Parameters.AddWithValue(redirectUrl);
        command.Parameters.AddWithValue(actor.Identity?.Name ?? "unknown");
        command.Parameters.AddWithValue(actor.FindFirstValue(ClaimTypes.Role) ?? "none");
        command.Parameters.AddWithValue(force);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)reason ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.AddWithValue(Life);
        await command.ExecuteNonQueryAsync(cancellationToken);
        return new OAuthDeparture(state, Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(verifier))));
    }

    /// <summary>Uses the state up, whatever becomes of it.</summary>
    /// <returns>Null when it is unknown, was used before, or is too old: the database tells these apart no more than we do.</returns>
    public async Task<OAuthReturn?> ReturnAsync(string state, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            DELETE FROM paymentsync.oauth_states WHERE state_sha256 = $1
            RETURNING organization_id, protected_verifier, redirect_url, forced, reason, actor, role, expires_at > paymentsync.now()
            """);
        command.Parameters.AddWithValue(Hash(state));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken) || !reader.GetBoolean(7))
            return null;
        var organisation = reader.GetGuid(0);
        var actor = new ClaimsIdentity([new(ClaimTypes.Name, reader.GetString(5)), new(ClaimTypes.Role, reader.GetString(6))], "begun authorisation");
        try
        {
            var verifier = secrets.Verifier(organisation, reader.GetFieldValue<byte[]>(1));
            return new OAuthReturn(organisation, verifier, reader.GetString(2), reader.GetBoolean(3), reader.Nullable<string>(4), new ClaimsPrincipal(actor));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <returns>How many that never came back were removed.</returns>
    public async Task<int> CleanUpAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("DELETE FROM paymentsync.oauth_states WHERE expires_at <= (SELECT paymentsync.now())");
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    static string Random() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes));

    static byte[] Hash(string state) => SHA256.HashData(Encoding.UTF8.GetBytes(state));
}
