using System.Reflection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace PaymentSync.Migrations;

/// <summary>Carries the migrations and nothing else: the schema is written in SQL (sql/*.sql), so there is no model to compare.</summary>
public sealed class MigrationsDbContext(DbContextOptions<MigrationsDbContext> options) : DbContext(options);

[DbContext(typeof(MigrationsDbContext)), Migration(Id)]
public sealed class LegacyBaseline : Migration
{
    /// <summary>Recorded instead of run on a database whose tables a host application made.</summary>
    public const string Id = "20261121000001_LegacyBaseline";

    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(SqlFile.Read("01_legacy_baseline.sql"));
}

[DbContext(typeof(MigrationsDbContext)), Migration(Id)]
public sealed class PaymentSyncSchema : Migration
{
    public const string Id = "20261121000002_PaymentSyncSchema";

    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(SqlFile.Read("02_paymentsync_schema.sql"));
        migrationBuilder.Sql(SqlFile.Read("02_work_list_indexes.sql"));
    }
}

[DbContext(typeof(MigrationsDbContext)), Migration(Id)]
public sealed class XeroSyncsColumns : Migration
{
    public const string Id = "20261121000003_XeroSyncsColumns";

    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(SqlFile.Read("03_xero_syncs_columns.sql"));
}

[DbContext(typeof(MigrationsDbContext)), Migration(Id)]
public sealed class XeroSyncsIndexes : Migration
{
    public const string Id = "20261121000004_XeroSyncsIndexes";

    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Alone("04_xero_syncs_constraint.sql");
        migrationBuilder.Alone("04_xero_syncs_indexes.sql");
    }
}

[DbContext(typeof(MigrationsDbContext)), Migration(Id)]
public sealed class XeroSyncsGuards : Migration
{
    public const string Id = "20261121000005_XeroSyncsGuards";

    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(SqlFile.Read("05_xero_syncs_checks.sql"));
        migrationBuilder.Sql(SqlFile.Read("05_xero_syncs_guards.sql"));
    }
}

[DbContext(typeof(MigrationsDbContext)), Migration("20261121000006_Confirmation")]
public sealed class ConfirmationFunctions : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        foreach (var file in new[] { "06a_documents.sql", "06b_rows.sql", "06c_confirmation.sql", "06d_waiting.sql" })
            migrationBuilder.Sql(SqlFile.Read(file));
    }
}

[DbContext(typeof(MigrationsDbContext)), Migration("20261121000007_CallBudget")]
public sealed class CallBudget : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(SqlFile.Read("07_call_budget.sql"));
}

[DbContext(typeof(MigrationsDbContext)), Migration("20261121000008_Connections")]
public sealed class Connections : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(SqlFile.Read("08_connections.sql"));
}

[DbContext(typeof(MigrationsDbContext)), Migration("20261121000009_Causes")]
public sealed class Causes : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(SqlFile.Read("09_causes.sql"));
}

[DbContext(typeof(MigrationsDbContext)), Migration("20261121000010_Recovery")]
public sealed class Recovery : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(SqlFile.Read("10_recovery.sql"));
}

[DbContext(typeof(MigrationsDbContext)), Migration("20261121000010_RecoveryIndexes")]
public sealed class RecoveryIndexes : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Alone("10_recovery_indexes.sql");
}

[DbContext(typeof(MigrationsDbContext)), Migration("20261121000011_Retention")]
public sealed class Retention : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(SqlFile.Read("11_retention.sql"));
}

[DbContext(typeof(MigrationsDbContext)), Migration("20261121000012_Adoption")]
public sealed class AdoptedRows : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(SqlFile.Read("12_adoption.sql"));
}

static class SqlFile
{
    /// <summary>CONCURRENTLY cannot run in a transaction, nor beside another statement. It may wait for every transaction that is open: nobody waits behind it.</summary>
    public static bool WaitsForAll(string statement) => statement.Contains(" CONCURRENTLY ", StringComparison.Ordinal) || statement.Contains("VALIDATE CONSTRAINT", StringComparison.Ordinal);

    /// <summary>Has each statement of a file run by itself, outside a transaction.</summary>
    public static void Alone(this MigrationBuilder migration, string file)
    {
        foreach (var statement in Statements(file))
        {
            var waits = WaitsForAll(statement);
            if (waits)
                migration.Sql("SET lock_timeout = 0", suppressTransaction: true);
            migration.Sql(statement, suppressTransaction: true);
            if (waits)
                migration.Sql("RESET lock_timeout", suppressTransaction: true);
        }
    }

    public static string Read(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The migration file {name} is not embedded in the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>The file's statements, each ended by a semicolon at the end of a line (so no function bodies in such a file).</summary>
    public static IEnumerable<string> Statements(string name) =>
        Read(name).Split(";\n", StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
