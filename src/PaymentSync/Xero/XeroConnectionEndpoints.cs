using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Xero;

/// <summary>
/// <c>/api/organizations/{id}/xero-connection</c>: connects a custom connection (client credentials), shows a connection, disconnects it.
/// People connect by OAuth at <c>/xero/connect</c>.
/// </summary>
static class XeroConnectionEndpoints
{
    public static void MapXeroConnections(this WebApplication app)
    {
        app.MapOAuth();
        var connection = app.MapGroup("/api/organizations/{id:guid}/xero-connection").WithTags("Xero connection");
        connection.MapPost("/", ConnectAsync).RequireAuthorization(Roles.Admin);
        connection.MapGet("/", ShowAsync).RequireAuthorization(Roles.Viewer);
        connection.MapDelete("/", DisconnectAsync).RequireAuthorization(Roles.Admin);
    }

    /// <param name="ClientId">Null: Xero:ClientId of the configuration.</param>
    /// <param name="ClientSecret">Null: Xero:ClientSecret of the configuration.</param>
    /// <param name="Force">Connect although the organisation was connected to another tenant; needs a reason.</param>
    sealed record ConnectRequest(string? ClientId, string? ClientSecret, string? Reason, bool Force = false);

    /// <param name="Status">ACTIVE or DISCONNECTED.</param>
    /// <param name="TenantId">The tenant it is, or was last, connected to; null when it never was.</param>
    /// <param name="Kind">OAUTH or CUSTOM.</param>
    /// <param name="TokenExpiresAt">When the refresh token dies unless it is renewed before, which happens by itself; null for custom connections.</param>
    /// <param name="Warning">Set from 7 days before that.</param>
    /// <param name="Problem">Why it is not ACTIVE, and what to do.</param>
    sealed record ConnectionView(Guid OrganizationId, string Status, string? TenantId, string? TenantName, string? Kind = null, DateTimeOffset? ConnectedAt = null, DateTimeOffset? TokenExpiresAt = null,
        string? Warning = null, string? ProblemCode = null, string? Problem = null, int? WokenSyncs = null, int? HeldSyncs = null, int? ReleasedSyncs = null);

    static async Task<Results<Ok<ConnectionView>, ProblemHttpResult>> ConnectAsync(Guid id, ConnectRequest request, PaymentSyncDbContext database, NpgsqlDataSource source, XeroIdentity identity,
        XeroConnections connections, IOptions<XeroOptions> options, Wakes wakes, AuditLog audit, TimeProvider time, HttpContext http, CancellationToken cancellationToken)
    {
        if (!await database.Organisations.AnyAsync(organisation => organisation.Id == id, cancellationToken))
            return Problems.NotFound("organization.unknown", $"There is no organisation {id}.");
        var (clientId, clientSecret) = (request.ClientId ?? options.Value.ClientId, request.ClientSecret ?? options.Value.ClientSecret);
        if (string.IsNullOrEmpty(clientId) || string.IsNullOrEmpty(clientSecret))
            return Problems.BadRequest("connection.no_credentials", "No client id and secret: give them in the request, or set Xero:ClientId and Xero:ClientSecret.");
        if (request.Force && string.IsNullOrWhiteSpace(request.Reason))
            return Problems.BadRequest("connection.reason_missing", "Connecting another Xero tenant by force needs a reason.");

        var app = new XeroApp(clientId, clientSecret);
        switch (await identity.ClientCredentialsAsync(app, cancellationToken))
        {
            case TokenReply.Refused refused:
                return Problems.Conflict("connection.refused", $"Xero refuses these credentials ({refused.Error}). Check the client id and secret of the custom connection.");
            case TokenReply.NotUsed notUsed:
                return Problems.Unavailable("connection.unavailable", $"Xero's token endpoint could not be used ({notUsed.Reason}). Try again.");
            case TokenReply.Lost lost:
                return Problems.Unavailable("connection.unavailable", $"Xero's token endpoint could not be used ({lost.Reason}). Try again.");
            case TokenReply.Granted granted:
                if (await identity.TenantsAsync(granted.AccessToken, cancellationToken) is not { } tenants)
                    return Problems.Unavailable("connection.unavailable", "Xero did not say which organisation these credentials belong to. Try again.");
                if (tenants is not [var tenant, ..])
                    return Problems.Conflict("connection.no_tenant", "Xero names no organisation for these credentials. Authorise the custom connection for its organisation in Xero first.");
                // From here on not broken off by a caller that leaves: what is connected is woken.
                var connected = await connections.ConnectAsync(new NewConnection(id, tenant, ConnectionKind.CUSTOM, app, granted), request.Force,
                    (made, transaction) => audit.WriteAsync(http.User, "connection.connect", id.ToString(), request.Reason, CancellationToken.None,
                        new ConnectionAudit(ConnectionKind.CUSTOM.ToString(), tenant.Id, tenant.Name, request.Force, made.Woken, made.Held, made.Released), transaction), CancellationToken.None);
                switch (connected)
                {
                    case ConnectResult.Connected done:
                        wakes.Wake(id);
                        return TypedResults.Ok(await ViewAsync(id, source, time, cancellationToken) with { WokenSyncs = done.Woken, HeldSyncs = done.Held, ReleasedSyncs = done.Released });
                    case ConnectResult.OtherTenant other:
                        return Problems.Conflict("connection.other_tenant",
                            $"The organisation is connected to {other.Name ?? other.Id} in Xero: what was booked is there. An admin can force another one with \"force\": true and a reason.");
                    case ConnectResult.TenantTaken:
                        return Problems.Conflict("connection.tenant_taken", $"{tenant.Name ?? tenant.Id} is connected to another organisation; one Xero organisation serves one.");
                    case ConnectResult.Busy:
                        return Problems.Conflict("connection.busy", "Payments are being sent to the former Xero organisation right now. Try again in a minute.");
                }
                break;
        }
        throw new System.Diagnostics.UnreachableException();
    }

    static async Task<Results<Ok<ConnectionView>, ProblemHttpResult>> ShowAsync(Guid id, PaymentSyncDbContext database, NpgsqlDataSource source, TimeProvider time,
        CancellationToken cancellationToken) =>
        await database.Organisations.AnyAsync(organisation => organisation.Id == id, cancellationToken)
            ? TypedResults.Ok(await ViewAsync(id, source, time, cancellationToken))
            : Problems.NotFound("organization.unknown", $"There is no organisation {id}.");

    // Not cancelled by a caller that leaves: half a goodbye would keep the app connected in Xero.
    static async Task<Results<NoContent, ProblemHttpResult>> DisconnectAsync(Guid id, string? reason, OAuthFarewell farewell, HttpContext http) =>
        await farewell.DisconnectAsync(id, http.User, reason) ? TypedResults.NoContent() : Problems.NotFound("connection.none", $"Organisation {id} is not connected to Xero.");

    static async Task<ConnectionView> ViewAsync(Guid id, NpgsqlDataSource database, TimeProvider time, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT status, tenant_id, tenant_name, kind, connected_at, CASE WHEN status = 'ACTIVE' THEN reconnect_by END, disconnected_code, disconnected_because
              FROM paymentsync.connections WHERE organization_id = $1
            """);
        command.Parameters.AddWithValue(id);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
            return new ConnectionView(id, "DISCONNECTED", null, null, ProblemCode: "never", Problem: "It was never connected to Xero. Connect it.");
        var tokenExpires = reader.NullableValue<DateTimeOffset>(5);
        return new ConnectionView(id, reader.GetString(0), reader.GetString(1), reader.Nullable<string>(2), reader.GetString(3), reader.GetFieldValue<DateTimeOffset>(4), tokenExpires,
            ReconnectWarning.Sentence(tokenExpires, time.GetUtcNow()), reader.Nullable<string>(6), reader.Nullable<string>(7));
    }
}
