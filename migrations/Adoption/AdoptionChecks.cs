using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>What must be so before an existing database is touched. Only reads; what is wrong is told at once, in one list.</summary>
static class AdoptionChecks
{
    public const string HasConnectionsSql = """
        SELECT count(*) = 5 FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'xero_connections'
           AND column_name IN ('organization_id', 'tenant_id', 'access_token', 'refresh_token', 'expires_at')
        """;

    /// <exception cref="MigrationRefusedException"/>
    public static async Task RequireAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await RequireShapeAsync(connection, cancellationToken);
        if (await BusySinceAsync(connection, cancellationToken) is { } busy)
            throw new MigrationRefusedException($"{busy} Stop the host application's Xero worker and run this again ten minutes later; nothing was changed.");
    }

    /// <exception cref="MigrationRefusedException">Something that PaymentSync relies on is missing or different.</exception>
    public static async Task RequireShapeAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (connection.PostgreSqlVersion.Major < 14)
            throw new MigrationRefusedException($"PostgreSQL 14 or newer is needed; this one is {connection.PostgreSqlVersion}. Nothing was changed.");
        var problems = new List<string>();
        await using var command = new NpgsqlCommand(SqlFile.Read("adoption/check.sql"), connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            problems.Add(reader.GetString(0));
        if (problems.Count > 0)
        {
            throw new MigrationRefusedException($"This database has tables of a host application, but not all that PaymentSync relies on. Nothing was changed. Mend this, then run it again:\n"
                + string.Join('\n', problems.Select(problem => $"  - {problem}")));
        }
    }

    /// <returns>A sentence when somebody other than an inserting webhook wrote to xero_syncs in the last ten minutes; else null.</returns>
    public static async Task<string?> BusySinceAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        // Before the schema is there, paymentsync.now() is not.
        await using var command = new NpgsqlCommand("""
            SELECT count(*), to_char(max(updated_at) AT TIME ZONE 'UTC', 'HH24:MI:SS') FROM xero_syncs
             WHERE updated_at > timestamptz 'now' - interval '10 minutes' AND (status = 'RETRYING' OR updated_at > created_at + interval '1 second')
            """, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return reader.GetInt64(0) == 0 ? null : $"{reader.GetInt64(0)} existing rows of xero_syncs were updated or set RETRYING in the last ten minutes, the last one at {reader.GetString(1)} UTC: somebody is still working on them.";
    }
}
