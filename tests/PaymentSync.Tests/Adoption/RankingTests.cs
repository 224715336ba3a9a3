using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Adoption;

/// <summary>What becomes of every row, against the same rules in memory, over many dirty tables.</summary>
public sealed class RankingTests(PostgresServer server)
{
    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    [InlineData(100)]
    [InlineData(150)]
    public async Task Every_row_of_fifty_dirty_tables_becomes_what_the_rules_say_and_no_id_is_lost(int firstSeed)
    {
        var legacy = LegacyDatabase.Random(firstSeed, seeds: 50, linksEach: 15);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        var dry = (await LegacyDatabase.AdoptAsync(database, dryRun: true)).Adoption!;

        var report = (await LegacyDatabase.AdoptAsync(database)).Adoption!;

        var (expected, removed) = legacy.Expect();
        (await LegacyDatabase.FoundAsync(database)).ShouldBe(expected);
        var archived = await database.QueryAsync("SELECT sync_id::text || ' ' || rank || ' ' || kept_sync_id FROM paymentsync.xero_syncs_archive WHERE reason = 'duplicate'", reader => reader.GetString(0));
        archived.Order(StringComparer.Ordinal).ShouldBe(removed.Select(row =>
        {
            var group = LegacyModel.Ranked(legacy.Rows.Where(other => other.Link == row.Link && other.Type == row.Type));
            return $"{row.Id} {group.ToList().IndexOf(row) + 1} {group[0].Id}";
        }).Order(StringComparer.Ordinal));

        // Items about documents of several links are another statement's.
        var items = await database.QueryAsync("SELECT s.payment_link_id || ' ' || s.sync_type || ' ' || i.kind FROM paymentsync.recovery_items i JOIN xero_syncs s ON i.subject = 'sync:' || s.id AND i.sync_id = s.id WHERE i.kind <> 'legacy.shared_id'", reader => reader.GetString(0));
        items.Order(StringComparer.Ordinal).ShouldBe(legacy.ExpectedItems());

        // The ids before are the ids of the table and of the archive.
        var ids = await database.QueryAsync("""
            SELECT DISTINCT id FROM (SELECT xero_invoice_id AS id FROM xero_syncs UNION SELECT xero_payment_id FROM xero_syncs
              UNION SELECT xero_invoice_id FROM paymentsync.xero_syncs_archive UNION SELECT xero_payment_id FROM paymentsync.xero_syncs_archive) x WHERE btrim(id) <> ''
            """, reader => reader.GetString(0));
        ids.Order(StringComparer.Ordinal).ShouldBe(legacy.Rows.SelectMany(row => new[] { row.InvoiceId, row.PaymentId }).Select(LegacyModel.Id).OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));

        report.Holds.ShouldBeTrue(report.ToText());
        Comparable(report).ShouldBe(Comparable(dry));
        (await database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs WHERE organization_id IS NULL OR next_retry_at IS NOT NULL OR (status <> 'SUCCESS' AND failure_code IS NULL)")).ShouldBe(0);
    }

    /// <summary>All of a report but what only a real run can know.</summary>
    internal static string Comparable(AdoptionReport report) => (report with { DryRun = false, Seconds = 0, Steps = [], Verifications = [], WorkListExamples = [], InsertedMeanwhile = 0 }).ToJson();
}
