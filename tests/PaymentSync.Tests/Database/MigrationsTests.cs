using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Database;

public sealed class MigrationsTests(PostgresServer server)
{
    [Fact]
    public async Task An_empty_database_is_brought_up_and_a_second_run_does_nothing()
    {
        await using var database = await server.CreateEmptyDatabaseAsync();
        (await Migrator.RunAsync(database.ConnectionString, TextWriter.Null)).ShouldNotBeEmpty();
        (await Migrator.RunAsync(database.ConnectionString, TextWriter.Null)).ShouldBeEmpty();
        (await Migrator.PendingAsync(database.ConnectionString)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Several_nodes_that_start_at_once_migrate_once()
    {
        await using var database = await server.CreateEmptyDatabaseAsync();
        var applied = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Task.Run(() => Migrator.RunAsync(database.ConnectionString, TextWriter.Null))));
        applied.Count(migrations => migrations.Count > 0).ShouldBe(1);
    }

    [Fact]
    public async Task The_indexes_can_be_built_again_after_an_interruption()
    {
        await using var database = await server.CreateEmptyDatabaseAsync();
        await Migrator.RunAsync(database.ConnectionString, TextWriter.Null);
        await database.ExecuteAsync("DELETE FROM paymentsync.migrations_history WHERE \"MigrationId\" LIKE '%XeroSyncsIndexes'");
        (await Migrator.RunAsync(database.ConnectionString, TextWriter.Null)).ShouldHaveSingleItem().ShouldContain("XeroSyncsIndexes");
        (await database.ScalarAsync<long>("SELECT count(*) FROM pg_constraint WHERE conname = 'xero_syncs_payment_link_sync_type_unique'")).ShouldBe(1);
        (await database.ScalarAsync<long>("SELECT count(*) FROM pg_index WHERE NOT indisvalid")).ShouldBe(0);
    }

    [Fact]
    public void All_SQL_takes_time_from_one_function()
    {
        var root = Repository.Root;
        var offenders = new[] { "src/PaymentSync", "migrations" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(root, folder), "*.*", SearchOption.AllDirectories))
            .Where(file => file.EndsWith(".cs", StringComparison.Ordinal) || file.EndsWith(".sql", StringComparison.Ordinal))
            .Where(file => Path.GetFileName(file) != "01_legacy_baseline.sql") // The host's own defaults.
            .SelectMany(file => File.ReadLines(file).Select((line, number) => (file, line, number: number + 1)))
            .Where(at => BareTime.IsMatch(at.line) && !at.line.Contains("FUNCTION paymentsync.now()", StringComparison.Ordinal) && !at.line.Contains("AS 'SELECT statement_timestamp()'", StringComparison.Ordinal))
            .Select(at => $"{Path.GetRelativePath(root, at.file)}:{at.number}: {at.line.Trim()}");
        offenders.ShouldBeEmpty();
    }

    static readonly System.Text.RegularExpressions.Regex BareTime = new(@"(?<!paymentsync\.)\bnow\(\)|current_timestamp|clock_timestamp|statement_timestamp|transaction_timestamp|localtimestamp",
        System.Text.RegularExpressions.RegexOptions.IgnoreCase, TimeSpan.FromSeconds(1));
}
