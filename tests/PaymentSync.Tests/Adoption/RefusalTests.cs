using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Adoption;

/// <summary>What cannot be adopted is refused in a sentence that says what to do, and nothing of it is changed.</summary>
public sealed class RefusalTests(PostgresServer server)
{
    static readonly LegacyDatabase Legacy = LegacyDatabase.Random(firstSeed: 3000, seeds: 2, linksEach: 20);

    async Task<PostgresDatabase> GivenAsync(string? dirt = null)
    {
        var database = await server.CreateEmptyDatabaseAsync();
        await Legacy.FillAsync(database.ConnectionString);
        if (dirt is not null)
            await database.ExecuteAsync(dirt);
        return database;
    }

    /// <summary>Everything that is in the database: every object, and every row as text.</summary>
    static async Task<IReadOnlyList<string>> DumpAsync(PostgresDatabase database)
    {
        var tables = await database.QueryAsync("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1", reader => reader.GetString(0));
        var dump = new List<string>(await database.QueryAsync("""
            SELECT concat_ws(' ', n.nspname, c.relkind, c.relname, a.attname, a.atttypid::regtype) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             WHERE n.nspname !~ '^(pg_|information_schema)' UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_' UNION ALL
            SELECT concat_ws(' ', tgrelid::regclass, tgname) FROM pg_trigger UNION ALL SELECT concat_ws(' ', proname, prosrc) FROM pg_proc p WHERE p.pronamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1
            """, reader => reader.GetString(0)));
        foreach (var table in tables)
            dump.AddRange(await database.QueryAsync($"SELECT t::text FROM {table} t ORDER BY 1", reader => $"{table}: {reader.GetString(0)}"));
        return dump;
    }

    static async Task<string> RefusedAsync(PostgresDatabase database, bool stopped = true)
    {
        var before = await DumpAsync(database);
        var refused = await Should.ThrowAsync<MigrationRefusedException>(() => Migrator.RunAsync(database.ConnectionString, TextWriter.Null, new MigrateOptions { HostWorkerStopped = stopped }));
        (await DumpAsync(database)).ShouldBe(before);
        return refused.Message;
    }

    [Fact]
    public async Task Without_the_word_that_the_hosts_worker_is_stopped()
    {
        await using var database = await GivenAsync();
        (await RefusedAsync(database, stopped: false)).ShouldContain("--host-worker-stopped");
    }

    [Theory]
    [InlineData("UPDATE xero_syncs SET updated_at = CURRENT_TIMESTAMP WHERE id = (SELECT id FROM xero_syncs WHERE status = 'PENDING' LIMIT 1)")]
    [InlineData("UPDATE xero_syncs SET status = 'RETRYING', updated_at = CURRENT_TIMESTAMP, created_at = CURRENT_TIMESTAMP WHERE id = (SELECT id FROM xero_syncs LIMIT 1)")]
    public async Task While_somebody_still_works_on_existing_rows(string write)
    {
        await using var database = await GivenAsync(write);
        (await RefusedAsync(database)).ShouldContain("1 existing rows");
    }

    [Fact]
    public async Task Rows_that_the_hosts_webhook_has_just_inserted_do_not_count()
    {
        await using var database = await GivenAsync("UPDATE xero_syncs SET updated_at = CURRENT_TIMESTAMP, created_at = CURRENT_TIMESTAMP WHERE status = 'PENDING'");
        (await LegacyDatabase.AdoptAsync(database)).Adoption!.Holds.ShouldBeTrue();
    }

    [Fact]
    public async Task With_one_list_of_all_that_is_missing()
    {
        await using var database = await GivenAsync("""
            ALTER TABLE payment_links DROP COLUMN customer_name; ALTER TABLE xero_syncs ALTER COLUMN retry_count TYPE bigint; ALTER TABLE xero_syncs ADD COLUMN provider text;
            ALTER TYPE "XeroSyncStatus" ADD VALUE 'SKIPPED'; ALTER TABLE xero_syncs ADD COLUMN tenant uuid NOT NULL DEFAULT gen_random_uuid(); ALTER TABLE xero_syncs ALTER COLUMN tenant DROP DEFAULT
            """);
        var list = await RefusedAsync(database);
        foreach (var problem in new[] { "payment_links.customer_name is missing", "xero_syncs.retry_count is int8", "has a column provider already", "label SKIPPED", "xero_syncs.tenant is NOT NULL" })
            list.ShouldContain(problem);
    }

    [Fact]
    public async Task A_dry_run_changes_nothing_at_all()
    {
        await using var database = await GivenAsync();
        var before = await DumpAsync(database);
        var report = (await LegacyDatabase.AdoptAsync(database, dryRun: true)).Adoption!;
        report.RowsBefore.ShouldBe(Legacy.Rows.Count);
        (await DumpAsync(database)).ShouldBe(before);
    }
}
