using System.Buffers.Text;
using System.Text.Json;

namespace PaymentSync.Xero;

/// <summary>
/// Which organisation a person has just picked in Xero. An app that serves several organisations sees the connections of all of
/// them; the access token names the consent it came from, and so do the connections that this consent made or renewed.
/// </summary>
static class OAuthTenantChoice
{
    /// <param name="formerTenantId">The tenant this organisation was connected to before, if it should stay so: preferred where one consent names several.</param>
    /// <returns>Null when there is none to choose from.</returns>
    public static XeroTenant? Of(IReadOnlyList<XeroTenant> tenants, string accessToken, string? formerTenantId)
    {
        var consent = Consent(accessToken);
        var agreed = consent is null ? [] : tenants.Where(tenant => string.Equals(tenant.AuthEventId, consent, StringComparison.OrdinalIgnoreCase)).ToList();
        return agreed.FirstOrDefault(tenant => tenant.Id == formerTenantId) ?? Newest(agreed) ?? Newest(tenants);
    }

    static XeroTenant? Newest(IReadOnlyList<XeroTenant> tenants) => tenants.MaxBy(tenant => tenant.UpdatedAt ?? DateTimeOffset.MinValue);

    /// <summary>The claim is read, not believed: the token came from Xero itself a moment ago, and a wrong one only leads to another choice.</summary>
    static string? Consent(string accessToken)
    {
        if (accessToken.Split('.') is not [_, var payload, _] || !Base64Url.IsValid(payload))
            return null;
        try
        {
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(payload));
            return claims.RootElement.ValueKind == JsonValueKind.Object && claims.RootElement.TryGetProperty("authentication_event_id", out var id)
                   && id.ValueKind == JsonValueKind.String
                ? id.GetString()
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
