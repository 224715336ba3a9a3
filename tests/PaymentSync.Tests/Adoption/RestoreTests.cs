using Microsoft.Extensions.Configuration;
using PaymentSync.Database;
using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Adoption;

/// <summary>The way back, the host's tokens, and a constraint that was there before.</summary>
public sealed class RestoreTests(PostgresServer server)
{
    const string HostRows = """
        SELECT concat_ws(' ', id, payment_link_id, sync_type, status, retry_count, next_retry_at, created_at, updated_at, error_message, request_payload::text, response_payload::text, operators_note) FROM xero_syncs ORDER BY 1
        """;
    const string HostColumns = "SELECT attname::text || ' ' || atttypid::regtype FROM pg_attribute WHERE attrelid = 'xero_syncs'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1";

    const string Indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1";
    const string Ids = "SELECT payment_link_id || ' ' || sync_type || ' ' || CASE sync_type WHEN 'INVOICE' THEN xero_invoice_id ELSE xero_payment_id END FROM xero_syncs";

    [Fact]
    public async Task The_archive_is_put_back_and_every_id_that_was_learned_since_is_kept()
    {
        var legacy = LegacyDatabase.Random(firstSeed: 5000, seeds: 4, linksEach: 40);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        await database.ExecuteAsync("ALTER TABLE xero_syncs ADD COLUMN operators_note text; UPDATE xero_syncs SET operators_note = 'seen ' || id, response_payload = jsonb_build_object('of', id) WHERE id::text < '8'");
        var indexes = await database.QueryAsync(Indexes, reader => reader.GetString(0));
        var columns = await database.QueryAsync(HostColumns, reader => reader.GetString(0));
        var before = await database.QueryAsync(HostRows, reader => reader.GetString(0));
        await LegacyDatabase.AdoptAsync(database);
        var learned = await database.QueryAsync(Ids, reader => reader.Nullable<string>(0));

        var result = await Migrator.RestoreLegacyAsync(database.ConnectionString, TextWriter.Null);

        result.PutBack.ShouldBe(legacy.Expect().Removed.Count);
        (await database.QueryAsync(HostColumns, reader => reader.GetString(0))).ShouldBe(columns);
        (await database.QueryAsync(Indexes, reader => reader.GetString(0))).ShouldBe(indexes);
        var after = await database.QueryAsync(HostRows, reader => reader.GetString(0));
        // Every row as it was, but those that became SUCCESS by an id that another row of their link held; and rows made for such an id stay.
        before.Except(after, StringComparer.Ordinal).Count().ShouldBe((int)await database.ScalarAsync<long>(
            $"SELECT count(*) FROM {result.Schema}.xero_syncs_before_adoption b JOIN xero_syncs s ON s.id = b.sync_id WHERE b.status IS NOT NULL AND s.status = 'SUCCESS'"));
        var removed = legacy.Expect().Removed;
        (await database.QueryAsync("SELECT concat_ws(' ', id, payment_link_id, sync_type, status, xero_invoice_id, xero_payment_id) FROM xero_syncs WHERE id = ANY ($1)", reader => reader.GetString(0), removed.Select(row => row.Id).ToArray()))
            .ShouldBe(removed.Select(row => string.Join(' ', new[] { $"{row.Id}", $"{row.Link}", row.Type, row.Status, row.InvoiceId, row.PaymentId }.OfType<string>())), ignoreOrder: true, "whole, with their ids as they were written");
        var ids = await database.QueryAsync(Ids, reader => reader.Nullable<string>(0));
        learned.OfType<string>().Except(ids.OfType<string>(), StringComparer.Ordinal).ShouldBeEmpty();
        (await database.ScalarAsync<long>("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'xero_syncs'::regclass AND NOT tgisinternal")).ShouldBe(0);
    }

    [Fact]
    public async Task A_database_that_was_given_back_can_be_adopted_again()
    {
        var legacy = LegacyDatabase.Random(firstSeed: 5100, seeds: 2, linksEach: 40);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        await LegacyDatabase.AdoptAsync(database);
        await Migrator.RestoreLegacyAsync(database.ConnectionString, TextWriter.Null);
        // What the adoption gave an id to is new; the look for a running worker would see that.
        await database.ExecuteAsync("UPDATE xero_syncs SET updated_at = created_at");
        (await LegacyDatabase.AdoptAsync(database)).Adoption!.Holds.ShouldBeTrue();
    }

    [Fact]
    public async Task It_is_refused_while_the_service_runs_and_where_nothing_was_adopted()
    {
        await using var own = await server.CreateDatabaseAsync();
        (await Should.ThrowAsync<MigrationRefusedException>(() => Migrator.RestoreLegacyAsync(own.ConnectionString, TextWriter.Null))).Message.ShouldContain("nothing to go back to");

        var legacy = LegacyDatabase.Random(firstSeed: 5200, seeds: 1, linksEach: 10);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        await LegacyDatabase.AdoptAsync(database);
        await using var service = DatabaseSetup.BuildDataSource(database.ConnectionString);
        await using var session = await service.OpenConnectionAsync();
        (await Should.ThrowAsync<MigrationRefusedException>(() => Migrator.RestoreLegacyAsync(database.ConnectionString, TextWriter.Null))).Message.ShouldContain("Stop every node");
    }

    [Fact]
    public async Task A_constraint_of_the_hosts_own_clean_up_is_taken_over()
    {
        var legacy = LegacyDatabase.Of(Guid.Parse("00000000-0000-0000-0000-0000000000aa"));
        legacy.Row(legacy.Link(), "INVOICE", "SUCCESS", invoiceId: "aaaa");
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        await database.ExecuteAsync("ALTER TABLE xero_syncs ADD CONSTRAINT xero_syncs_payment_link_sync_type_unique UNIQUE (payment_link_id, sync_type)");
        var built = await database.ScalarAsync<uint>("SELECT oid FROM pg_constraint WHERE conname = 'xero_syncs_payment_link_sync_type_unique'");
        var dry = (await LegacyDatabase.AdoptAsync(database, dryRun: true)).Adoption!;

        var report = (await LegacyDatabase.AdoptAsync(database)).Adoption!;

        report.Constraint.ShouldContain("taken over");
        report.Constraint.ShouldBe(dry.Constraint);
        (await database.ScalarAsync<uint>("SELECT oid FROM pg_constraint WHERE conname = 'xero_syncs_payment_link_sync_type_unique'")).ShouldBe(built);
    }

    [Fact]
    public async Task The_hosts_tokens_are_left_alone_unless_asked_for_and_then_kept_encrypted_and_cleared()
    {
        var legacy = LegacyDatabase.Random(firstSeed: 5300, seeds: 1, linksEach: 10);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        await database.ExecuteAsync("INSERT INTO xero_connections (organization_id, tenant_id, access_token, refresh_token, expires_at) VALUES ($1, 'tenant', 'plain access', 'plain refresh', CURRENT_TIMESTAMP)", legacy.Organisation);
        await LegacyDatabase.AdoptAsync(database);
        HostConnections Connections(params (string Name, string Value)[] settings) => new(database.ConnectionString,
            new ConfigurationBuilder().AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create<string, string?>(setting.Name, setting.Value))).Build());

        var left = (await Connections().AdoptAsync(take: false, dryRun: false))!;
        (left.Found, left.TakenOver).ShouldBe((1, 0));
        left.Sentence.ShouldContain("left alone");
        Should.Throw<StartException>(() => Connections(("Xero:ClientId", "app"), ("Xero:ClientSecret", "secret")).RequireSettings()).Message.ShouldContain("PAYMENTSYNC_MASTER_KEY");
        Should.Throw<StartException>(() => Connections(("PAYMENTSYNC_MASTER_KEY", "a master key for tests")).RequireSettings()).Message.ShouldContain("Xero__ClientId");

        var taken = (await Connections(("PAYMENTSYNC_MASTER_KEY", "a master key for tests"), ("Xero:ClientId", "app"), ("Xero:ClientSecret", "secret")).AdoptAsync(take: true, dryRun: false))!;

        taken.TakenOver.ShouldBe(1);
        (await database.ScalarAsync<string>("SELECT access_token || refresh_token FROM xero_connections")).ShouldBe("");
        (await database.ScalarAsync<string>("SELECT kind || ' ' || status || ' ' || tenant_id FROM paymentsync.connections")).ShouldBe("OAUTH ACTIVE tenant");
        (await database.ScalarAsync<bool>("SELECT position('plain'::bytea IN protected_refresh) > 0 FROM paymentsync.connections")).ShouldBeFalse();
        // The service's own key ring reads it.
        await using var world = await World.StartAsync(server, connected: false, adopted: (database, legacy.Organisation));
        world.SkipAudit();
        var kept = await database.ScalarAsync<byte[]>("SELECT protected_refresh FROM paymentsync.connections");
        ((XeroSecrets)world.Service.Services.GetService(typeof(XeroSecrets))!).Token(legacy.Organisation, kept!).ShouldBe("plain refresh");
    }
}
