using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.Recovery;

/// <summary>Runs one scan.</summary>
static class Findings
{
    internal const string PlannerSettings = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

    public static async Task<List<Finding>> FindAsync(NpgsqlConnection database, Scan scan, TimeSpan timeout, int limit, CancellationToken cancellationToken)
    {
        await using var transaction = await database.BeginTransactionAsync(cancellationToken);
        // Statistics that are old, as after a large outage, must not talk the planner into reading whole tables every minute. What it then thinks is costly is not worth compiling.
        await using (var settings = new NpgsqlCommand(PlannerSettings, database, transaction))
            await settings.ExecuteNonQueryAsync(cancellationToken);
        await using var command = new NpgsqlCommand(scan.Sql, database, transaction);
        command.Parameters.AddWithValue(timeout);
        command.Parameters.AddWithValue(limit);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = new List<Finding>();
        while (await reader.ReadAsync(cancellationToken))
            found.Add(Read(reader, scan.Kind));
        return found;
    }

    static Finding Read(NpgsqlDataReader reader, string kind) => new(kind, reader.GetString(0), reader.NullableValue<Guid>(1), reader.NullableValue<Guid>(2), reader.NullableValue<Guid>(3),
        reader.NullableValue<Guid>(4), reader.Nullable<string>(5), reader.Nullable<string>(6), reader.Nullable<string>(7), reader.GetInt32(8), reader.GetDateTime(9), reader.NullableValue<Guid>(10),
        reader.Nullable<string>(11), reader.GetBoolean(12), reader.GetInt32(13), reader.NullableValue<TimeSpan>(14), reader.Nullable<string>(15), reader.GetBoolean(16));
}
