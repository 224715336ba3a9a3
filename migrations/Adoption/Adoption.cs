using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>What the database is, as far as adoption is concerned.</summary>
enum AdoptionState
{
    /// <summary>Empty, our own, or adopted.</summary>
    None,
    /// <summary>Its tables were made by a host application, and nothing of ours is there.</summary>
    Legacy,
    /// <summary>A run was broken off.</summary>
    Begun,
}

/// <summary>
/// Adopts the database of an existing installation: one row for each (payment link, type), every other row in the archive, no id lost, and
/// nothing sent that may be in Xero already. Each step is recorded when it is done; a killed run goes on with the next.
/// </summary>
sealed partial class Adoption
{
    /// <summary>EF's version of the baseline says how it came there: where the host made the tables it was recorded, not run.</summary>
    const string RecordedVersion = "adopted";

    readonly string _connectionString;
    readonly TextWriter _log;
    readonly MigrateOptions _options;
    readonly PatientLocks _locks;

    internal Adoption(string connectionString, TextWriter log, MigrateOptions options)
    {
        _log = log;
        _options = options;
        _connectionString = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Pooling = false,
            SearchPath = "public",
            ApplicationName = "PaymentSync migrate",
            GssEncryptionMode = GssEncryptionMode.Disable,
            CommandTimeout = 0,
            // Bounded memory, whatever the size of the tables; what does not fit is sorted on disk. Compiling costs more than it brings to a thousand small batches.
            Options = $"-c paymentsync.writer=on {PatientLocks.Setting} -c work_mem=128MB -c maintenance_work_mem=512MB -c jit=off",
        }.ConnectionString;
        _locks = new PatientLocks(_connectionString, log);
    }

    internal static async Task<AdoptionState> StateAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (await ScalarAsync<bool>(connection, "SELECT to_regclass('paymentsync.migrations_history') IS NOT NULL", cancellationToken)
            && await ScalarAsync<string>(connection, $"SELECT \"ProductVersion\" FROM paymentsync.migrations_history WHERE \"MigrationId\" = '{LegacyBaseline.Id}'", cancellationToken) is { } version)
        {
            if (version != RecordedVersion)
                return AdoptionState.None;
            return await ScalarAsync<bool>(connection, "SELECT to_regclass('paymentsync.adoption') IS NOT NULL", cancellationToken)
                && await ScalarAsync<bool>(connection, "SELECT finished_at IS NOT NULL FROM paymentsync.adoption", cancellationToken) ? AdoptionState.None : AdoptionState.Begun;
        }
        return await ScalarAsync<bool>(connection, "SELECT coalesce(to_regclass('public.xero_syncs'), to_regclass('public.payment_links'), to_regclass('public.organizations')) IS NOT NULL", cancellationToken)
            ? AdoptionState.Legacy
            : AdoptionState.None;
    }

    /// <summary>The checks, then the first thing that is changed: from here on a run goes on where the last one stopped.</summary>
    /// <exception cref="MigrationRefusedException"/>
    internal async Task RecordBaselineAsync(string createHistory, CancellationToken cancellationToken)
    {
        if (!_options.HostWorkerStopped)
        {
            throw new MigrationRefusedException("This database belongs to an existing installation. From its adoption on PaymentSync is the only writer of xero_syncs and the only caller of Xero: "
                + "stop the host application's Xero worker, then run PaymentSync migrate --host-worker-stopped. PaymentSync migrate --dry-run shows before what would become of its rows, and changes nothing.");
        }
        await using var connection = await OpenAsync(cancellationToken);
        await AdoptionChecks.RequireAsync(connection, cancellationToken);
        await ExecuteAsync(connection, $"""
            CREATE SCHEMA IF NOT EXISTS paymentsync;
            {createHistory}
            INSERT INTO paymentsync.migrations_history ("MigrationId", "ProductVersion") VALUES ('{LegacyBaseline.Id}', '{RecordedVersion}') ON CONFLICT DO NOTHING;
            """, cancellationToken);
    }

    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        var begun = await ScalarAsync<bool>(connection, "SELECT to_regclass('paymentsync.adoption') IS NOT NULL", cancellationToken);
        if (!begun)
        {
            await AdoptionChecks.RequireAsync(connection, cancellationToken);
            Tell("columns");
            await InTransactionAsync(connection, "adding columns to xero_syncs", cancellationToken, SqlFile.Read("03_xero_syncs_columns.sql"), SqlFile.Read("adoption/begin.sql"), Recorded(XeroSyncsColumns.Id), Done("columns"));
        }
        await StepAsync(connection, "plan", () => PlanAsync(connection, cancellationToken), cancellationToken);
        await StepAsync(connection, "duplicates", () => PagesAsync("duplicates", cancellationToken), cancellationToken);
        await StepAsync(connection, "rows", () => PagesAsync("rows", cancellationToken), cancellationToken);
        // The indexes of the archive and the work list beside those of xero_syncs: each table takes one building at a time, and there is more than one processor.
        await Task.WhenAll(AsideAsync(cancellationToken), KeptRowsAsync(connection, cancellationToken));
        await StepAsync(connection, "guards", () => InTransactionAsync(connection, "the guards of xero_syncs", cancellationToken,
            SqlFile.Read("adoption/end.sql"), SqlFile.Read("05_xero_syncs_guards.sql"), Recorded(XeroSyncsGuards.Id), Done("guards")), cancellationToken);
    }

    async Task AsideAsync(CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        // The other processor has its own work; builders that help each other write all they sort to disk.
        await ExecuteAsync(connection, "SET max_parallel_maintenance_workers = 0", cancellationToken);
        await StepAsync(connection, "tally", () => _locks.RetryAsync(() => TallyAsync(connection, cancellationToken), "the tally", cancellationToken), cancellationToken);
        await StepAsync(connection, "archive", async () =>
        {
            await StatementsAsync(connection, "02_work_list_indexes.sql", cancellationToken);
            await StatementsAsync(connection, "adoption/beside.sql", cancellationToken);
        }, cancellationToken);
        // What is SUCCESS stays so: the host's updates change nothing, and nobody else may write.
        await StepAsync(connection, "totals", () => InTransactionAsync(connection, "the totals", cancellationToken, SqlFile.Read("adoption/totals.sql"), Done("totals")), cancellationToken);
    }

    async Task KeptRowsAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await StepAsync(connection, "constraint", () => ConstraintAsync(connection, cancellationToken), cancellationToken);
        await StepAsync(connection, "indexes", () => StatementsAsync(connection, "04_xero_syncs_indexes.sql", cancellationToken), cancellationToken, Recorded(XeroSyncsIndexes.Id));
        await StepAsync(connection, "checks", () => StatementsAsync(connection, "05_xero_syncs_checks.sql", cancellationToken), cancellationToken);
    }

    /// <summary>After the last migration: looks whether what was promised holds, and keeps the report.</summary>
    /// <param name="migrations">How long the migrations took that came after the clean-up.</param>
    internal async Task<AdoptionReport> FinishAsync(TimeSpan migrations, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        Tell("report");
        var began = Stopwatch.GetTimestamp();
        var verified = AdoptionReport.OfAsync(connection, _connectionString, cancellationToken);
        await Task.WhenAll(verified, BesideAsync("ANALYZE xero_syncs, paymentsync.xero_syncs_archive, paymentsync.recovery_items", cancellationToken));
        var report = (await verified) with
        {
            Seconds = await ScalarAsync<double>(connection, "SELECT extract(epoch FROM paymentsync.now() - started_at)::float8 FROM paymentsync.adoption", cancellationToken),
            Steps = [.. await StepsAsync(connection, cancellationToken), new("later migrations", migrations.TotalSeconds), new("verification", Stopwatch.GetElapsedTime(began).TotalSeconds)],
        };
        await InTransactionAsync(connection, "letting tables be vacuumed again", cancellationToken, """
            ALTER TABLE xero_syncs RESET (autovacuum_enabled), SET (fillfactor = 80);
            ALTER TABLE paymentsync.xero_syncs_archive RESET (autovacuum_enabled);
            ALTER TABLE paymentsync.xero_syncs_before_adoption RESET (autovacuum_enabled);
            ALTER TABLE paymentsync.recovery_items RESET (autovacuum_enabled);
            DROP TABLE IF EXISTS paymentsync.adoption_links, paymentsync.adoption_shared, paymentsync.adoption_inserted CASCADE;
            """);
        await using var finish = new NpgsqlCommand("""
            WITH kept AS (UPDATE paymentsync.adoption SET finished_at = paymentsync.now(), report = $1 RETURNING report_id, report)
            UPDATE paymentsync.recovery_reports r SET ended_at = paymentsync.now(), summary = k.report, found = least($2, 2147483647)::int, done = least($3, 2147483647)::int, left_to_a_person = least($4, 2147483647)::int
              FROM kept k WHERE r.id = k.report_id
            """, connection);
        finish.Parameters.Add(new() { Value = report.ToJson(), NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Jsonb });
        finish.Parameters.AddWithValue(report.Removed + report.WorkListItems);
        finish.Parameters.AddWithValue(report.Removed);
        finish.Parameters.AddWithValue(report.WorkListItems);
        await finish.ExecuteNonQueryAsync(cancellationToken);
        return report;
    }

    async Task StepAsync(NpgsqlConnection connection, string step, Func<Task> run, CancellationToken cancellationToken, string alsoRecord = "")
    {
        if (await ScalarAsync<bool>(connection, $"SELECT EXISTS (SELECT 1 FROM paymentsync.adoption_steps WHERE step = '{step}')", cancellationToken))
            return;
        Tell(step);
        var began = Stopwatch.GetTimestamp();
        await run();
        await ExecuteAsync(connection, string.Create(CultureInfo.InvariantCulture,
            $"{alsoRecord}{Done(step)}UPDATE paymentsync.adoption_steps SET seconds = {Stopwatch.GetElapsedTime(began).TotalSeconds} WHERE step = '{step}'"), cancellationToken);
    }

    static async Task<List<AdoptionReport.StepTime>> StepsAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var steps = new List<AdoptionReport.StepTime>();
        await using var command = new NpgsqlCommand("SELECT step, seconds FROM paymentsync.adoption_steps WHERE seconds IS NOT NULL ORDER BY done_at", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            steps.Add(new(reader.GetString(0), reader.GetDouble(1)));
        return steps;
    }

    void Tell(string step) => _options.Progress?.Invoke(new AdoptionProgress(step, 0, 0));

    static string Done(string step) => $"INSERT INTO paymentsync.adoption_steps (step) VALUES ('{step}') ON CONFLICT DO NOTHING;";

    static string Recorded(string migration) =>
        $"INSERT INTO paymentsync.migrations_history (\"MigrationId\", \"ProductVersion\") VALUES ('{migration}', '{RecordedVersion}') ON CONFLICT DO NOTHING;";

    Task InTransactionAsync(NpgsqlConnection connection, string what, CancellationToken cancellationToken, params string[] parts) => _locks.RetryAsync(async () =>
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        foreach (var part in parts)
            await ExecuteAsync(connection, part, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }, what, cancellationToken);

    /// <summary>On a connection of its own; of several statements all are done, or none.</summary>
    Task BesideAsync(string sql, CancellationToken cancellationToken) => _locks.RetryAsync(async () =>
    {
        await using var connection = await OpenAsync(cancellationToken);
        await ExecuteAsync(connection, sql, cancellationToken);
    }, "reading xero_syncs", cancellationToken);

    /// <summary>Statements that can each be repeated.</summary>
    async Task StatementsAsync(NpgsqlConnection connection, string file, CancellationToken cancellationToken)
    {
        foreach (var statement in SqlFile.Statements(file))
            await AloneAsync(connection, statement, cancellationToken);
    }

    Task AloneAsync(NpgsqlConnection connection, string statement, CancellationToken cancellationToken) => _locks.RetryAsync(async () =>
    {
        var waits = SqlFile.WaitsForAll(statement);
        if (waits)
            await ExecuteAsync(connection, "SET lock_timeout = 0", cancellationToken);
        try
        {
            await ExecuteAsync(connection, statement, cancellationToken);
        }
        finally
        {
            if (waits)
                await ExecuteAsync(connection, "RESET lock_timeout", CancellationToken.None);
        }
    }, "a change of xero_syncs", cancellationToken);

    async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(_connectionString);
        await connection.OpenAsync(cancellationToken);
        return connection;
    }

    internal static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    internal static async Task<T?> ScalarAsync<T>(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellationToken) is T value ? value : default;
    }
}
