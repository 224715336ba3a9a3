using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.Xero;

/// <param name="Found">Connections of the host that still hold tokens in plain text.</param>
/// <param name="TakenOver">Of these, how many are PaymentSync's now and cleared there.</param>
/// <param name="LeftAlone">Why each of the others was left, by organisation.</param>
sealed record HostConnectionsReport(long Found, long TakenOver, IReadOnlyDictionary<Guid, string> LeftAlone, string Sentence);

/// <summary>The host application's own <c>xero_connections</c>: tokens in plain text, which PaymentSync takes over when it is told to, and never else.</summary>
sealed class HostConnections(string connectionString, IConfiguration configuration)
{
    /// <summary>Xero's access tokens live so long: the refresh token was last used when this one was issued.</summary>
    static readonly TimeSpan AccessTokenLife = TimeSpan.FromMinutes(30);

    const string There = """
        SELECT count(*) = 5 FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'xero_connections'
           AND column_name IN ('organization_id', 'tenant_id', 'access_token', 'refresh_token', 'expires_at')
        """;

    /// <exception cref="StartException">Without the master key nothing can be encrypted, and a refresh token works only for the app that got it.</exception>
    public void RequireSettings()
    {
        MasterKey.From(configuration, new Production());
        if (string.IsNullOrEmpty(configuration["Xero:ClientId"]) || string.IsNullOrEmpty(configuration["Xero:ClientSecret"]))
            throw new StartException("--adopt-connections needs Xero__ClientId and Xero__ClientSecret of the app that the host application connected its organisations with: a refresh token works for that app only.");
    }

    /// <returns>Null where there is nothing to say: a database of our own, or no host connections.</returns>
    public async Task<HostConnectionsReport?> AdoptAsync(bool take, bool dryRun)
    {
        await using var database = DatabaseSetup.BuildDataSource(connectionString);
        await using var connection = await database.OpenConnectionAsync();
        await using (var there = new NpgsqlCommand(There, connection))
        {
            if (!(bool)(await there.ExecuteScalarAsync())!)
                return null;
        }
        var found = new List<Found>();
        await using (var read = new NpgsqlCommand("SELECT organization_id, tenant_id, access_token, refresh_token, expires_at FROM xero_connections WHERE refresh_token <> '' ORDER BY organization_id", connection))
        await using (var reader = await read.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
                found.Add(new Found(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetDateTime(4)));
        }
        var nobody = new Dictionary<Guid, string>();
        if (found.Count == 0)
            return null;
        if (!take || dryRun)
        {
            return new HostConnectionsReport(found.Count, 0, nobody, $"{found.Count} Xero connections of the host application were left alone; their tokens are in plain text in xero_connections. "
                + "To take them over: PaymentSync migrate --adopt-connections. Else connect each organisation: GET /xero/connect?organizationId=…");
        }
        var secrets = Secrets(database);
        var left = new Dictionary<Guid, string>();
        foreach (var one in found)
        {
            if (await TakeAsync(connection, secrets, one) is { } why)
                left[one.Organisation] = why;
        }
        return new HostConnectionsReport(found.Count, found.Count - left.Count, left,
            $"{found.Count - left.Count} of {found.Count} Xero connections of the host application were taken over, encrypted, and cleared in xero_connections."
            + string.Concat(left.Select(one => $" Organisation {one.Key} was left alone: {one.Value}")));
    }

    sealed record Found(Guid Organisation, string Tenant, string Access, string Refresh, DateTime Expires);

    /// <summary>Takes and clears in one transaction: the plain text is gone exactly when the encrypted token is kept.</summary>
    /// <returns>Why it was left alone; null when it was taken.</returns>
    async Task<string?> TakeAsync(NpgsqlConnection connection, XeroSecrets secrets, Found one)
    {
        await using var transaction = await connection.BeginTransactionAsync();
        await using var insert = new NpgsqlCommand("""
            INSERT INTO paymentsync.connections (organization_id, tenant_id, kind, status, client_id, protected_access, access_expires_at, protected_refresh, reconnect_by, token_version)
            VALUES ($1, $2, 'OAUTH', 'ACTIVE', $3, $4, $5, $6, $5 + $7, 1)
            ON CONFLICT (organization_id) DO NOTHING
            """, connection);
        insert.Parameters.AddWithValue(one.Organisation);
        insert.Parameters.AddWithValue(one.Tenant);
        insert.Parameters.AddWithValue(configuration["Xero:ClientId"]!);
        insert.Parameters.AddWithValue(secrets.ProtectToken(one.Organisation, one.Access));
        insert.Parameters.AddWithValue(one.Expires);
        insert.Parameters.AddWithValue(secrets.ProtectToken(one.Organisation, one.Refresh));
        insert.Parameters.AddWithValue(XeroConnections.RefreshTokenLife - AccessTokenLife);
        try
        {
            if (await insert.ExecuteNonQueryAsync() == 0)
                return "it is connected in PaymentSync already.";
        }
        catch (PostgresException taken) when (taken is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "connections_tenant" })
        {
            return $"tenant {one.Tenant} serves another organisation already.";
        }
        await using var clear = new NpgsqlCommand("UPDATE xero_connections SET access_token = '', refresh_token = '' WHERE organization_id = $1 AND refresh_token = $2", connection);
        clear.Parameters.AddWithValue(one.Organisation);
        clear.Parameters.AddWithValue(one.Refresh);
        if (await clear.ExecuteNonQueryAsync() != 1)
            return "the host application renewed its token this moment. Stop whatever of it still calls Xero, and run this again.";
        await transaction.CommitAsync();
        return null;
    }

    /// <summary>The service's own key ring, so that what is encrypted here is read there.</summary>
    XeroSecrets Secrets(NpgsqlDataSource database)
    {
        var services = new ServiceCollection();
        var master = MasterKey.From(configuration, new Production());
        services.AddSingleton(master);
        var ring = new KeyRing(database);
        services.AddDataProtection().SetApplicationName("PaymentSync");
        services.AddSingleton<IConfigureOptions<KeyManagementOptions>>(new ConfigureOptions<KeyManagementOptions>(options =>
        {
            options.XmlRepository = ring;
            options.XmlEncryptor = new KeyRingEncryptor(master);
        }));
        return new XeroSecrets(services.BuildServiceProvider().GetRequiredService<IDataProtectionProvider>());
    }

    /// <summary>A migration has no environment: the master key must be set.</summary>
    sealed class Production : IHostEnvironment
    {
        public string EnvironmentName { get; set; } = Environments.Production;
        public string ApplicationName { get; set; } = "PaymentSync";
        public string ContentRootPath { get; set; } = "";
        public Microsoft.Extensions.FileProviders.IFileProvider ContentRootFileProvider { get; set; } = new Microsoft.Extensions.FileProviders.NullFileProvider();
    }
}
