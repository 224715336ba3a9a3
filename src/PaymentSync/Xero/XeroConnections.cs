using System.Diagnostics;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;
using PaymentSync.Jobs;

namespace PaymentSync.Xero;

/// <summary>Labels as in the database. CUSTOM: client credentials, good for one tenant that calls need not name. OAUTH: a person's consent.</summary>
enum ConnectionKind { CUSTOM, OAUTH }

/// <summary>An organisation's connection to its one Xero tenant.</summary>
/// <param name="ClientId">The app it belongs to.</param>
/// <param name="TokenVersion">Which tokens: +1 whenever they change.</param>
/// <param name="ProtectedSecret">Of a custom connection; an OAuth connection uses the configured app's.</param>
sealed record XeroConnection(Guid OrganisationId, string TenantId, string? TenantName, ConnectionKind Kind, string ClientId, int TokenVersion, byte[]? ProtectedSecret);

/// <summary>What is to be stored: client credentials have no refresh token, a person's consent has one.</summary>
sealed record NewConnection(Guid Organisation, XeroTenant Tenant, ConnectionKind Kind, XeroApp App, TokenReply.Granted Tokens);

/// <summary>How connecting ended.</summary>
abstract record ConnectResult
{
    /// <param name="Held">Rows that stay behind with the former tenant.</param>
    /// <param name="Released">Rows that waited for this tenant to come back.</param>
    public sealed record Connected(int Woken, int Held, int Released) : ConnectResult;

    /// <summary>The organisation was connected to another tenant before: an admin may force it, with a reason.</summary>
    public sealed record OtherTenant(string Id, string? Name) : ConnectResult;

    /// <summary>The tenant is connected to another organisation.</summary>
    public sealed record TenantTaken : ConnectResult;

    /// <summary>Rows are being sent to the former tenant right now.</summary>
    public sealed record Busy : ConnectResult;
}

/// <summary>Why a connection ended: a stable code, and a sentence that says what to do.</summary>
sealed record Disconnection(string Code, string Because)
{
    public static Disconnection ByOperator => new("operator", "An operator disconnected it.");
    public static Disconnection Refused(string error) => new("token.refused", $"Xero refuses its credentials ({error}). Connect the organisation again.");
    public static Disconnection Unreadable =>
        new("token.unreadable", "Its stored credentials cannot be decrypted: the key they were encrypted with is gone. Connect the organisation again.");
    public static Disconnection InXero => new("xero.disconnected", "The organisation was disconnected in Xero. Connect it again.");
    /// <summary>The one that keeps its refresh token, since nobody said that it is dead.</summary>
    public static Disconnection Unanswered =>
        new("token.unanswered", "Xero did not answer for 30 minutes when its token was to be renewed. It is tried again from time to time; to be sure, connect the organisation again.");
}

/// <summary>The connections table: who is connected to which tenant, and the credentials, encrypted at rest.</summary>
sealed partial class XeroConnections(NpgsqlDataSource database, XeroSecrets secrets, DrainLeases drains, IOptions<XeroOptions> options, ILogger<XeroConnections> log)
{
    /// <summary>Xero's rule: a refresh token that is not used for so long is dead.</summary>
    public static readonly TimeSpan RefreshTokenLife = TimeSpan.FromDays(60);
    static readonly TimeSpan PatienceWithDrain = TimeSpan.FromSeconds(10);
    static readonly TimeSpan TenantChangeLease = TimeSpan.FromMinutes(1);
    const string Columns = "organization_id, tenant_id, tenant_name, kind, client_id, token_version, protected_secret";

    /// <summary>Rows that a minute's calls can carry.</summary>
    public int Slice => options.Value.CallsPerMinute * options.Value.BatchSize;

    public async Task<XeroConnection?> FindActiveAsync(Guid organisation, CancellationToken cancellationToken) =>
        (await ListAsync("organization_id = $1 AND status = 'ACTIVE'", organisation, cancellationToken)).FirstOrDefault();

    /// <summary>OAuth connections whose refresh token was not used for so long that it should be, before the day comes when it is needed and dead.</summary>
    public Task<List<XeroConnection>> ListIdleAsync(TimeSpan unusedFor, CancellationToken cancellationToken) =>
        ListAsync("kind = 'OAUTH' AND status = 'ACTIVE' AND reconnect_by < (SELECT paymentsync.now()) + $1", RefreshTokenLife - unusedFor, cancellationToken);

    /// <summary>Those that ended because Xero was silent, not because it said no.</summary>
    public Task<List<XeroConnection>> ListUnansweredAsync(CancellationToken cancellationToken) =>
        ListAsync("kind = 'OAUTH' AND status = 'DISCONNECTED' AND disconnected_code = $1", Disconnection.Unanswered.Code, cancellationToken);

    async Task<List<XeroConnection>> ListAsync(string which, object parameter, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"SELECT {Columns} FROM paymentsync.connections WHERE {which} ORDER BY reconnect_by, organization_id");
        command.Parameters.AddWithValue(parameter);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var connections = new List<XeroConnection>();
        while (await reader.ReadAsync(cancellationToken))
        {
            connections.Add(new XeroConnection(reader.GetGuid(0), reader.GetString(1), reader.Nullable<string>(2), Enum.Parse<ConnectionKind>(reader.GetString(3)), reader.GetString(4),
                reader.GetInt32(5), reader.Nullable<byte[]>(6)));
        }
        return connections;
    }

    /// <returns>The tenant the organisation is or was connected to.</returns>
    public async Task<(string Id, string? Name)?> FindTenantAsync(Guid organisation, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT tenant_id, tenant_name FROM paymentsync.connections WHERE organization_id = $1");
        command.Parameters.AddWithValue(organisation);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? (reader.GetString(0), reader.Nullable<string>(1)) : null;
    }

    /// <summary>
    /// Stores a connection and makes due what waited for it, in one transaction. An organisation keeps its tenant unless an admin
    /// forces another one, and a tenant serves one organisation.
    /// </summary>
    /// <param name="audit">Writes the audit log, inside that transaction.</param>
    public async Task<ConnectResult> ConnectAsync(NewConnection connection, bool force, Func<ConnectResult.Connected, NpgsqlTransaction, Task> audit, CancellationToken cancellationToken)
    {
        if (!force || await FindTenantAsync(connection.Organisation, cancellationToken) is not { } former || former.Id == connection.Tenant.Id)
            return await StoreAsync(connection, force, audit, cancellationToken);

        // The organisation's turn is taken first: while tenants change, nothing of it is on its way to either.
        var owner = $"tenant change:{Guid.NewGuid():N}";
        var waiting = Stopwatch.StartNew();
        while (!await drains.TakeAsync(connection.Organisation, owner, TenantChangeLease, cancellationToken))
        {
            if (waiting.Elapsed > PatienceWithDrain)
                return new ConnectResult.Busy();
            await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken);
        }
        try
        {
            return await StoreAsync(connection, force, audit, cancellationToken);
        }
        finally
        {
            await drains.GiveBackAsync(connection.Organisation, owner);
        }
    }

    async Task<ConnectResult> StoreAsync(NewConnection connection, bool force, Func<ConnectResult.Connected, NpgsqlTransaction, Task> audit, CancellationToken cancellationToken)
    {
        var (organisation, tenant) = (connection.Organisation, connection.Tenant);
        await using var connected = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connected.BeginTransactionAsync(cancellationToken);
        (string Id, string? Name)? former = null;
        await using (var read = new NpgsqlCommand("SELECT tenant_id, tenant_name FROM paymentsync.connections WHERE organization_id = $1 FOR UPDATE", connected))
        {
            read.Parameters.AddWithValue(organisation);
            await using var reader = await read.ExecuteReaderAsync(cancellationToken);
            if (await reader.ReadAsync(cancellationToken))
                former = (reader.GetString(0), reader.Nullable<string>(1));
        }
        var changes = former is not null && former.Value.Id != tenant.Id;
        if (changes && !force)
            return new ConnectResult.OtherTenant(former!.Value.Id, former.Value.Name);
        try
        {
            if (!await UpsertAsync(connected, connection, former?.Id, cancellationToken))
                return new ConnectResult.Busy();
        }
        catch (PostgresException taken) when (taken is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "connections_tenant" })
        {
            return new ConnectResult.TenantTaken();
        }
        var held = changes ? await ConnectionRows.HoldAsync(connected, organisation, former!.Value.Id, tenant.Id, cancellationToken) : 0;
        var released = await ConnectionRows.ReleaseAsync(connected, organisation, tenant.Id, cancellationToken);
        var woken = await ConnectionRows.WakeAsync(connected, organisation, Slice, onlyUnconnected: false, cancellationToken);
        var done = new ConnectResult.Connected(woken, held, released);
        await audit(done, transaction);
        await transaction.CommitAsync(cancellationToken);
        LogConnected(organisation, tenant.Id, connection.Kind, woken, held, released);
        return done;
    }

    /// <returns>False when somebody else connected the organisation for the first time, at the same moment.</returns>
    async Task<bool> UpsertAsync(NpgsqlConnection connected, NewConnection connection, string? formerTenant, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            INSERT INTO paymentsync.connections AS c (organization_id, tenant_id, tenant_name, kind, status, client_id, connection_id, protected_secret,
                protected_access, access_expires_at, protected_refresh, reconnect_by, token_version, connected_at)
            VALUES ($1, $2, $3, $4, 'ACTIVE', $5, $6, $7, $8, $9, $10, CASE WHEN $10 IS NOT NULL THEN paymentsync.now() + $11 END, 1, paymentsync.now())
            ON CONFLICT (organization_id) DO UPDATE
              SET tenant_id = excluded.tenant_id, tenant_name = excluded.tenant_name, kind = excluded.kind, status = 'ACTIVE', client_id = excluded.client_id,
                  connection_id = excluded.connection_id, protected_secret = excluded.protected_secret, protected_access = excluded.protected_access,
                  access_expires_at = excluded.access_expires_at, protected_refresh = excluded.protected_refresh, reconnect_by = excluded.reconnect_by,
                  token_version = c.token_version + 1, refresh_owner = NULL, refresh_expires_at = NULL, refresh_started_at = NULL, warned_days = NULL,
                  disconnected_code = NULL, disconnected_because = NULL, connected_at = paymentsync.now(), updated_at = paymentsync.now()
              WHERE c.tenant_id = coalesce($12, excluded.tenant_id)
            """, connected);
        var oauth = connection.Kind == ConnectionKind.OAUTH;
        var tokens = connection.Tokens;
        command.Parameters.AddWithValue(connection.Organisation);
        command.Parameters.AddWithValue(connection.Tenant.Id);
        command.Parameters.Add(Optional(connection.Tenant.Name, NpgsqlDbType.Text));
        command.Parameters.AddWithValue(connection.Kind.ToString());
        command.Parameters.AddWithValue(connection.App.ClientId);
        command.Parameters.Add(Optional(connection.Tenant.ConnectionId, NpgsqlDbType.Text));
        // The configured app's secret stays in the configuration: only a custom connection may have one of its own.
        command.Parameters.Add(Optional(oauth ? null : secrets.ProtectClientSecret(connection.App.ClientSecret), NpgsqlDbType.Bytea));
        command.Parameters.Add(Optional(oauth ? secrets.ProtectToken(connection.Organisation, tokens.AccessToken) : null, NpgsqlDbType.Bytea));
        command.Parameters.Add(Optional(oauth ? tokens.Ends : null, NpgsqlDbType.TimestampTz));
        command.Parameters.Add(Optional(oauth ? secrets.ProtectToken(connection.Organisation, tokens.RefreshToken!) : null, NpgsqlDbType.Bytea));
        command.Parameters.AddWithValue(RefreshTokenLife);
        command.Parameters.Add(Optional(formerTenant, NpgsqlDbType.Text));
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <summary>Ends a connection and removes its credentials, but only while it still is the one that was looked at.</summary>
    /// <param name="version">Null: whatever it is now.</param>
    /// <param name="audit">Writes the audit log in the same transaction, where a person ended it.</param>
    /// <returns>False when it was not connected, or has been connected anew since.</returns>
    public async Task<bool> DisconnectAsync(Guid organisation, int? version, Disconnection why, CancellationToken cancellationToken, Func<NpgsqlTransaction, Task>? audit = null)
    {
        await using var connected = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connected.BeginTransactionAsync(cancellationToken);
        await using var command = new NpgsqlCommand("""
            UPDATE paymentsync.connections
               SET status = 'DISCONNECTED', protected_secret = NULL, protected_access = NULL, access_expires_at = NULL, protected_refresh = NULL, reconnect_by = NULL,
                   refresh_owner = NULL, refresh_expires_at = NULL, refresh_started_at = NULL, token_version = token_version + 1,
                   disconnected_code = $3, disconnected_because = $4, updated_at = paymentsync.now()
             WHERE organization_id = $1 AND token_version = coalesce($2, token_version) AND (status = 'ACTIVE' OR protected_refresh IS NOT NULL)
            """, connected, transaction);
        command.Parameters.AddWithValue(organisation);
        command.Parameters.Add(Optional(version, NpgsqlDbType.Integer));
        command.Parameters.AddWithValue(why.Code);
        command.Parameters.AddWithValue(why.Because);
        if (await command.ExecuteNonQueryAsync(cancellationToken) == 0)
            return false;
        if (audit is not null)
            await audit(transaction);
        await transaction.CommitAsync(cancellationToken);
        LogDisconnected(organisation, why.Code, why.Because);
        return true;
    }

    static NpgsqlParameter Optional(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };

    [LoggerMessage(Level = LogLevel.Information,
        Message = "Organisation {Organisation} is connected to Xero tenant {Tenant} ({Kind}); {Woken} syncs that waited are due, {Held} stay with the former tenant, {Released} of this tenant go on")]
    partial void LogConnected(Guid organisation, string tenant, ConnectionKind kind, int woken, int held, int released);

    [LoggerMessage(Level = LogLevel.Error, Message = "Organisation {Organisation} is disconnected from Xero ({Code}): {Because}")]
    partial void LogDisconnected(Guid organisation, string code, string because);
}
