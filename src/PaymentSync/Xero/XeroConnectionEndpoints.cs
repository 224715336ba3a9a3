using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Xero;

/// <summary><c>/api/organizations/{id}/xero-connection</c>: connects a custom connection (client credentials), shows it, disconnects it.</summary>
static class XeroConnectionEndpoints
{
    public static void MapXeroConnections(this WebApplication app)
    {
        var connection = app.MapGroup("/api/organizations/{id:guid}/xero-connection").WithTags("Xero connection");
        connection.MapPost("/", ConnectAsync).RequireAuthorization(Roles.Admin);
        connection.MapGet("/", ShowAsync).RequireAuthorization(Roles.Viewer);
        connection.MapDelete("/", DisconnectAsync).RequireAuthorization(Roles.Admin);
    }

    /// <param name="ClientId">Null: Xero:ClientId of the configuration.</param>
    /// <param name="ClientSecret">Null: Xero:ClientSecret of the configuration.</param>
    sealed record ConnectRequest(string? ClientId, string? ClientSecret, string? Reason);

    sealed record ConnectionView(Guid OrganizationId, string Status, string? TenantId, string? TenantName, int? WokenSyncs);

    static async Task<Results<Ok<ConnectionView>, ProblemHttpResult>> ConnectAsync(Guid id, ConnectRequest request, PaymentSyncDbContext database, XeroClient client, XeroTokens tokens,
        XeroConnections connections, IOptions<XeroOptions> options, Wakes wakes, AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        if (!await database.Organisations.AnyAsync(organisation => organisation.Id == id, cancellationToken))
            return Problems.NotFound("organization.unknown", $"There is no organisation {id}.");
        var (clientId, clientSecret) = (request.ClientId ?? options.Value.ClientId, request.ClientSecret ?? options.Value.ClientSecret);
        if (string.IsNullOrEmpty(clientId) || string.IsNullOrEmpty(clientSecret))
            return Problems.BadRequest("connection.no_credentials", "No client id and secret: give them in the request, or set Xero:ClientId and Xero:ClientSecret.");

        switch (await tokens.AskAsync(clientId, clientSecret, cancellationToken))
        {
            case (XeroTokens.Answer.Refused refused, _):
                return Problems.Conflict("connection.refused", $"Xero refuses these credentials ({refused.Error}). Check the client id and secret of the custom connection.");
            case (XeroTokens.Answer.Unavailable unavailable, _):
                return Problems.Unavailable("connection.unavailable", $"Xero's token endpoint could not be used ({unavailable.Reason}). Try again.");
            case (XeroTokens.Answer.Granted granted, _):
                if (await FindTenantAsync(client, granted.AccessToken, cancellationToken) is not { } tenant)
                    return Problems.Conflict("connection.no_tenant", "Xero names no organisation for these credentials. Authorise the custom connection for its organisation in Xero first.");
                if (await connections.ConnectAsync(id, tenant.Id, tenant.Name, clientId, clientSecret, cancellationToken) is not { } woken)
                    return Problems.Conflict("connection.tenant_taken", $"The organisation was connected to another Xero tenant before, or {tenant.Name ?? tenant.Id} is connected to another organisation.");
                await audit.WriteAsync(http.User, "connection.connect", id.ToString(), request.Reason, cancellationToken);
                wakes.Wake(id);
                return TypedResults.Ok(new ConnectionView(id, "ACTIVE", tenant.Id, tenant.Name, woken));
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    static async Task<Ok<ConnectionView>> ShowAsync(Guid id, XeroConnections connections, CancellationToken cancellationToken) =>
        TypedResults.Ok(await connections.FindActiveAsync(id, cancellationToken) is { } connection
            ? new ConnectionView(id, "ACTIVE", connection.TenantId, connection.TenantName, WokenSyncs: null)
            : new ConnectionView(id, "DISCONNECTED", null, null, WokenSyncs: null));

    static async Task<Results<NoContent, ProblemHttpResult>> DisconnectAsync(Guid id, string? reason, XeroConnections connections, AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        if (!await connections.DisconnectAsync(id, cancellationToken))
            return Problems.NotFound("connection.none", $"Organisation {id} is not connected to Xero.");
        await audit.WriteAsync(http.User, "connection.disconnect", id.ToString(), reason, cancellationToken);
        return TypedResults.NoContent();
    }

    static async Task<(string Id, string? Name)?> FindTenantAsync(XeroClient client, string accessToken, CancellationToken cancellationToken)
    {
        if (await client.GetConnectionsAsync(accessToken, cancellationToken) is not XeroReply.Answered { Status: 200 } answered)
            return null;
        try
        {
            using var body = JsonDocument.Parse(answered.Body);
            var first = body.RootElement.EnumerateArray().FirstOrDefault();
            return first.ValueKind == JsonValueKind.Object && first.GetProperty("tenantId").GetString() is { } id
                ? (id, first.TryGetProperty("tenantName", out var name) ? name.GetString() : null)
                : null;
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }
}
