using Npgsql;
using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Adoption;

/// <summary>A server that vacuums by itself, on a cluster of its own: how often it looks is a setting of the server.</summary>
public sealed class VacuumTests
{
    const string Vacuums = "SELECT coalesce(sum(autovacuum_count), 0)::bigint FROM pg_stat_user_tables WHERE relname IN ('payment_links', 'xero_syncs')";

    [Fact]
    public async Task A_vacuum_that_the_server_began_by_itself_yields_to_the_adoption()
    {
        await using var cluster = await PostgresCluster.StartAsync();
        await using var admin = NpgsqlDataSource.Create(cluster.ConnectionString);
        await using (var create = admin.CreateCommand("CREATE DATABASE host"))
            await create.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await using var database = new PostgresDatabase(admin, "host");
        var legacy = LegacyDatabase.Random(firstSeed: 5300, seeds: 4, linksEach: 200);
        await legacy.FillAsync(database.ConnectionString);
        // As slow as on tables of hundreds of millions of rows, and with something to do.
        foreach (var table in new[] { "payment_links", "xero_syncs" })
        {
            await database.ExecuteAsync($"ALTER TABLE {table} SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0)");
            await database.ExecuteAsync($"UPDATE {table} SET created_at = created_at");
        }
        await database.ExecuteAsync("ALTER SYSTEM SET autovacuum_naptime = '1s'");
        await database.ExecuteAsync("SELECT pg_reload_conf()");
        await World.EventuallyAsync(async () => await database.ScalarAsync<long>("SELECT count(DISTINCT relid) FROM pg_stat_progress_vacuum WHERE relid IN ('payment_links'::regclass, 'xero_syncs'::regclass)") == 2,
            "the server vacuums both tables", TimeSpan.FromMinutes(1));
        await database.ExecuteAsync("ALTER SYSTEM RESET autovacuum_naptime");
        await database.ExecuteAsync("SELECT pg_reload_conf()");
        var before = await database.ScalarAsync<long>(Vacuums);
        long? whenItsTablesWereLocked = null;

        var report = (await LegacyDatabase.AdoptAsync(database, progress =>
        {
            if (progress.Step == "plan")
                whenItsTablesWereLocked ??= database.ScalarAsync<long>(Vacuums).GetAwaiter().GetResult();
        })).Adoption!;

        report.Holds.ShouldBeTrue(report.ToText());
        whenItsTablesWereLocked.ShouldBe(before, "neither was waited for");
    }
}
