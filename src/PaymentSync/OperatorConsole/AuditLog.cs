using System.Security.Claims;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace PaymentSync.OperatorConsole;

/// <summary>Who changed what, and why. Append-only.</summary>
sealed class AuditLog(NpgsqlDataSource database)
{
    const string Insert = "INSERT INTO paymentsync.audit_log (actor, role, action, target, reason, details) VALUES ($1, $2, $3, $4, $5, $6)";

    /// <param name="transaction">The change itself, so that neither is there without the other; null: a transaction of its own.</param>
    public async Task WriteAsync(ClaimsPrincipal actor, string action, string target, string? reason, CancellationToken cancellationToken, object? details = null, NpgsqlTransaction? transaction = null)
    {
        await using var command = transaction is null ? database.CreateCommand(Insert) : new NpgsqlCommand(Insert, transaction.Connection, transaction);
        command.Parameters.AddWithValue(actor.Identity?.Name ?? "unknown");
        command.Parameters.AddWithValue(actor.FindFirstValue(ClaimTypes.Role) ?? "none");
        command.Parameters.AddWithValue(action);
        command.Parameters.AddWithValue(target);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)reason ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter { Value = details is null ? DBNull.Value : JsonSerializer.Serialize(details, JsonSerializerOptions.Web), NpgsqlDbType = NpgsqlDbType.Jsonb });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
