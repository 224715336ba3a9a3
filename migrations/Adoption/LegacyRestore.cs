using Npgsql;

namespace PaymentSync.Migrations;

/// <param name="PutBack">Rows that came back from the archive.</param>
/// <param name="SetBack">Kept rows that have the status of before the adoption again.</param>
/// <param name="Learned">Rows that keep what was learned since: an id, or SUCCESS.</param>
/// <param name="Removed">Rows that the adoption had made and that nothing in Xero stands for.</param>
/// <param name="Schema">Under which name the schema paymentsync is kept.</param>
public sealed record RestoreResult(long PutBack, long SetBack, long Learned, long Removed, string Schema);

/// <summary>The way back: the host application's tables as it knows them, with every duplicate, and with every Xero id that was learned since.</summary>
static class LegacyRestore
{
    /// <exception cref="MigrationRefusedException"/>
    public static async Task<RestoreResult> RunAsync(string connectionString, NpgsqlConnection guard, CancellationToken cancellationToken)
    {
        if (!await Adoption.ScalarAsync<bool>(guard, "SELECT to_regclass('paymentsync.adoption') IS NOT NULL", cancellationToken))
            throw new MigrationRefusedException("This database was not adopted from a host application, so there is nothing to go back to.");
        if (await Adoption.ScalarAsync<long>(guard, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'PaymentSync'", cancellationToken) is > 0 and var sessions)
            throw new MigrationRefusedException($"PaymentSync is running ({sessions} sessions of it on this database). Stop every node, then run this again; nothing was changed.");

        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString)
        {
            Pooling = false,
            SearchPath = "public",
            ApplicationName = "PaymentSync migrate",
            CommandTimeout = 0,
            Options = "-c paymentsync.writer=on -c work_mem=128MB -c maintenance_work_mem=256MB",
        }.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await Adoption.ExecuteAsync(connection, SqlFile.Read("adoption/restore.sql"), cancellationToken);
        RestoreResult result;
        await using (var counts = new NpgsqlCommand("SELECT put_back, set_back, learned, removed, 'paymentsync_until_' || to_char(paymentsync.now() AT TIME ZONE 'UTC', 'YYYYMMDD_HH24MISS') FROM paymentsync.restore_counts", connection))
        await using (var reader = await counts.ExecuteReaderAsync(cancellationToken))
        {
            await reader.ReadAsync(cancellationToken);
            result = new RestoreResult(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetString(4));
        }
        // Journal, archive, events: nothing of it is thrown away, and a later migrate finds a database to adopt again.
        await Adoption.ExecuteAsync(connection, $"ALTER SCHEMA paymentsync RENAME TO {result.Schema}", cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return result;
    }
}
