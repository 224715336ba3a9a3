using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.OperatorConsole;

/// <summary>Operator keys, known to the database by their hashes only.</summary>
sealed class OperatorKeys(NpgsqlDataSource database)
{
    const int ShortestKey = 16;

    public sealed record Known(Guid Id, string Name, string Role)
    {
        /// <summary>Its holder, as signed in by this scheme.</summary>
        public ClaimsPrincipal Holder(string scheme) => new(new ClaimsIdentity([new(ClaimTypes.NameIdentifier, Id.ToString()), new(ClaimTypes.Name, Name), new(ClaimTypes.Role, Role)], scheme));
    }

    /// <returns>Null: unknown or revoked.</returns>
    public Task<Known?> FindAsync(string key, CancellationToken cancellationToken) => FindAsync("key_sha256 = $1", Hash(key), cancellationToken);

    /// <inheritdoc cref="FindAsync(string, CancellationToken)"/>
    public Task<Known?> FindAsync(Guid id, CancellationToken cancellationToken) => FindAsync("id = $1", id, cancellationToken);

    async Task<Known?> FindAsync(string which, object value, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"SELECT id, name, role FROM paymentsync.operator_keys WHERE {which} AND revoked_at IS NULL");
        command.Parameters.AddWithValue(value);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new Known(reader.GetGuid(0), reader.GetString(1), reader.GetString(2)) : null;
    }

    /// <summary>Stores the hashes of the keys in Operator:Keys ("role:key"). A key that is stored already stays as it is, revoked ones included.</summary>
    /// <exception cref="StartException">A setting is not of that form, or its key is too short.</exception>
    public async Task SeedAsync(IEnumerable<string> settings, CancellationToken cancellationToken)
    {
        foreach (var (setting, number) in settings.Select((setting, index) => (setting, index)))
        {
            if (setting.Split(':', 2) is not [var role, var key] || !Roles.All.Contains(role, StringComparer.Ordinal))
                throw new StartException($"Operator:Keys:{number} must be \"role:key\" with the role viewer, operator or admin.");
            if (key.Length < ShortestKey)
                throw new StartException($"Operator:Keys:{number} is too short: a key has at least {ShortestKey} characters. Make one with: openssl rand -hex 24");
            await using var command = database.CreateCommand("INSERT INTO paymentsync.operator_keys (name, role, key_sha256) VALUES ($1, $2, $3) ON CONFLICT (key_sha256) DO NOTHING");
            command.Parameters.AddWithValue($"configured {role} {number}");
            command.Parameters.AddWithValue(role);
            command.Parameters.AddWithValue(Hash(key));
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

/// <summary><c>Authorization: Bearer &lt;operator key&gt;</c>.</summary>
sealed class OperatorKeyHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, OperatorKeys keys)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Name = "OperatorKey";
    const string Prefix = "Bearer ";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
            return AuthenticateResult.NoResult();
        if (await keys.FindAsync(header[Prefix.Length..].Trim(), Context.RequestAborted) is not { } known)
            return AuthenticateResult.Fail("The operator key is unknown or revoked.");
        return AuthenticateResult.Success(new AuthenticationTicket(known.Holder(Name), Name));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = "Bearer";
        return Problems.Unauthorised("operator_key.missing", "Send an operator key: Authorization: Bearer <key>.").ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        Problems.Forbidden("operator_key.role", "This key's role does not allow that.").ExecuteAsync(Context);
}
