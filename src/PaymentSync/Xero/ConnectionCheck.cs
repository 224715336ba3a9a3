namespace PaymentSync.Xero;

/// <summary>After a drain that Xero turned away: is the organisation still connected?</summary>
sealed class ConnectionCheck(XeroConnections connections, XeroIdentity identity)
{
    /// <summary>
    /// A 403 may mean that somebody disconnected the organisation in Xero. Xero's list of connections says so; only when it can be read
    /// and does not name the tenant is the connection ended. Everything else leaves it as it is.
    /// </summary>
    /// <returns>How long to wait before the next drain; null: as usual.</returns>
    public async Task<TimeSpan?> AfterDrainAsync(XeroConnection connection, XeroSession session, CancellationToken cancellationToken)
    {
        if (session.NoToken is XeroTokens.Answer.Unavailable unavailable)
            return unavailable.RetryAfter;
        // The version is read before Xero is asked: who connects the organisation meanwhile is not undone.
        if (session.Refused && await connections.FindActiveAsync(connection.OrganisationId, cancellationToken) is { } active
            && await identity.TenantsAsync(session.Access.AccessToken, cancellationToken) is { } tenants && tenants.All(tenant => tenant.Id != active.TenantId))
        {
            await connections.DisconnectAsync(active.OrganisationId, active.TokenVersion, Disconnection.InXero, cancellationToken);
        }
        return null;
    }
}
