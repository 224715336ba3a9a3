using Npgsql;
using NpgsqlTypes;

namespace PaymentSync.Recovery;

/// <summary>One node at a time recovers. The lease is short and renewed with each batch: a node that is killed, or stopped, does not hold the others up for long.</summary>
sealed class RecoveryLease(NpgsqlDataSource database)
{
    static readonly TimeSpan Lasts = TimeSpan.FromSeconds(20);

    /// <summary>This node's name on leases and reports.</summary>
    public static string Node { get; } = $"{Environment.MachineName}:{Environment.ProcessId}";

    /// <summary>Takes or renews. False: another run is at it.</summary>
    public async Task<bool> TakeAsync(string owner, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            UPDATE paymentsync.recovery_lease SET owner = $1, expires_at = paymentsync.now() + $2 WHERE owner IS NULL OR owner = $1 OR expires_at <= (SELECT paymentsync.now())
            """);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(Lasts);
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    public async Task GiveBackAsync(string owner, bool whole)
    {
        await using var command = database.CreateCommand("""
            UPDATE paymentsync.recovery_lease SET owner = NULL, expires_at = NULL, last_run_at = CASE WHEN $2 THEN paymentsync.now() ELSE last_run_at END, last_node = CASE WHEN $2 THEN $3 ELSE last_node END WHERE owner = $1
            """);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(whole);
        command.Parameters.Add(new NpgsqlParameter { Value = Node, NpgsqlDbType = NpgsqlDbType.Text });
        await command.ExecuteNonQueryAsync();
    }
}
