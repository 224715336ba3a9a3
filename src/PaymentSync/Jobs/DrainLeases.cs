using Npgsql;

namespace PaymentSync.Jobs;

/// <summary>One drain per organisation at a time: a lease, taken and renewed by compare-and-set.</summary>
sealed class DrainLeases(NpgsqlDataSource database)
{
    /// <summary>Takes or renews. False: somebody else drains this organisation.</summary>
    public async Task<bool> TakeAsync(Guid organisation, string owner, TimeSpan lease, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            INSERT INTO paymentsync.drain_leases AS l (organization_id, owner, expires_at) VALUES ($1, $2, paymentsync.now() + $3)
            ON CONFLICT (organization_id) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at WHERE l.owner = excluded.owner OR l.expires_at <= paymentsync.now()
            """);
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(owner);
        command.Parameters.AddWithValue(lease);
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    public async Task GiveBackAsync(Guid organisation, string owner)
    {
        await using var command = database.CreateCommand("DELETE FROM paymentsync.drain_leases WHERE organization_id = $1 AND owner = $2");
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(owner);
        await command.ExecuteNonQueryAsync();
    }
}
