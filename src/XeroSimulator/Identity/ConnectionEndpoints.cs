using System.Globalization;
using XeroSimulator.Gate;

namespace XeroSimulator.Identity;

/// <summary>GET /connections and DELETE /connections/{id}: which organisations the token's app may use.</summary>
internal static class ConnectionEndpoints
{
    public static Answer List(AccessToken token, World world) => Answer.OfJson(200, XeroJson.Write(json =>
    {
        json.WriteStartArray();
        foreach (var connection in world.Identity.Connections(token.ClientId))
        {
            json.WriteStartObject();
            json.WriteString("id", connection.Id);
            json.WriteString("authEventId", connection.AuthEventId);
            json.WriteString("tenantId", connection.TenantId);
            json.WriteString("tenantType", "ORGANISATION");
            json.WriteString("tenantName", world.Organisation(connection.TenantId)?.Settings.Name);
            json.WriteString("createdDateUtc", Time(connection.CreatedAt));
            json.WriteString("updatedDateUtc", Time(connection.UpdatedAt));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }));

    public static Answer Delete(AccessToken token, string id, World world) =>
        Guid.TryParse(id, out var connectionId) && world.Identity.Disconnect(token.ClientId, connectionId)
            ? new Answer(204, "text/plain", [])
            : Answer.NotFound;

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff", CultureInfo.InvariantCulture);
}
