using System.Diagnostics;
using Microsoft.Extensions.Options;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Xero;

/// <summary>How a return from Xero ended.</summary>
abstract record ConnectorResult
{
    /// <param name="Several">The app may use more organisations than this one.</param>
    public sealed record Connected(XeroTenant Tenant, bool Several, ConnectResult.Connected Done) : ConnectorResult;

    public sealed record Refused(string Error) : ConnectorResult;

    public sealed record Unavailable(string Reason) : ConnectorResult;

    public sealed record NoTenant : ConnectorResult;

    public sealed record OtherTenant(XeroTenant Picked, string FormerId, string? FormerName) : ConnectorResult;

    public sealed record TenantTaken(XeroTenant Picked) : ConnectorResult;

    public sealed record Busy : ConnectorResult;
}

/// <summary>What the audit log keeps of a connection that was made.</summary>
sealed record ConnectionAudit(string Kind, string TenantId, string? TenantName, bool Forced, int Woken, int Held, int Released);

/// <summary>From a code to a connection: exchange it, see which organisation was picked, store, audit, wake.</summary>
sealed class OAuthConnector(XeroIdentity identity, XeroConnections connections, AuditLog audit, Wakes wakes, IOptions<XeroOptions> options)
{
    public async Task<ConnectorResult> ConnectAsync(OAuthReturn begun, string code)
    {
        var app = new XeroApp(options.Value.ClientId ?? "", options.Value.ClientSecret ?? "");
        switch (await identity.ExchangeAsync(app, code, begun.RedirectUrl, begun.Verifier))
        {
            case TokenReply.Granted { RefreshToken: not null } granted:
                return await StoreAsync(begun, app, granted);
            case TokenReply.Granted:
                return new ConnectorResult.Refused("no refresh token: the app may not ask for offline_access");
            case TokenReply.Refused refused:
                return new ConnectorResult.Refused(refused.Error);
            case TokenReply.NotUsed notUsed:
                return new ConnectorResult.Unavailable(notUsed.Reason);
            case TokenReply.Lost lost:
                return new ConnectorResult.Unavailable(lost.Reason);
            default:
                throw new UnreachableException();
        }
    }

    async Task<ConnectorResult> StoreAsync(OAuthReturn begun, XeroApp app, TokenReply.Granted tokens)
    {
        if (await identity.TenantsAsync(tokens.AccessToken, CancellationToken.None) is not { } tenants)
            return new ConnectorResult.Unavailable("It did not say which organisations the app may use.");
        var former = begun.Force ? null : await connections.FindTenantAsync(begun.Organisation, CancellationToken.None);
        if (OAuthTenantChoice.Of(tenants, tokens.AccessToken, former?.Id) is not { } tenant)
            return new ConnectorResult.NoTenant();
        var connected = await connections.ConnectAsync(new NewConnection(begun.Organisation, tenant, ConnectionKind.OAUTH, app, tokens), begun.Force,
            (made, transaction) => audit.WriteAsync(begun.Actor, "connection.connect", begun.Organisation.ToString(), begun.Reason, CancellationToken.None,
                new ConnectionAudit(ConnectionKind.OAUTH.ToString(), tenant.Id, tenant.Name, begun.Force, made.Woken, made.Held, made.Released), transaction), CancellationToken.None);
        switch (connected)
        {
            case ConnectResult.Connected done:
                wakes.Wake(begun.Organisation);
                return new ConnectorResult.Connected(tenant, tenants.Count > 1, done);
            case ConnectResult.OtherTenant other:
                return new ConnectorResult.OtherTenant(tenant, other.Id, other.Name);
            case ConnectResult.TenantTaken:
                return new ConnectorResult.TenantTaken(tenant);
            case ConnectResult.Busy:
                return new ConnectorResult.Busy();
            default:
                throw new UnreachableException();
        }
    }
}
