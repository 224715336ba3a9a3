using System.Text.Encodings.Web;
using System.Text.Json;
using PaymentSync.Migrations;
using PaymentSync.Xero;

namespace PaymentSync.Database;

static class MigrateReport
{
    static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What a script reads: the migrations that were applied, and for an adopted database its report.</summary>
    public static string Json(MigrateResult result, HostConnectionsReport? connections) => JsonSerializer.Serialize(new { result.Applied, result.Adoption, HostConnections = connections }, Format);
}
