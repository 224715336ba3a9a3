using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Tests.Adoption;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Confirmation;

/// <summary>Rows that waited for their organisation's settings, many or few, and whatever breaks the building of their documents off.</summary>
public sealed class WaitingDocumentsTests(PostgresServer server)
{
    static Dictionary<string, string> Slices(int rows) => new(StringComparer.Ordinal) { ["WaitingDocuments:Slice"] = $"{rows}", ["WaitingDocuments:RequestTime"] = "00:00:00" };

    static Task<long> UnbuiltAsync(World world) => world.Database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs WHERE status <> 'SUCCESS' AND document_number IS NULL");

    static Task<JsonNode> SweepAsync(World world) => world.SendAsync(HttpMethod.Post, "/api/jobs/sweep/run");

    [Fact]
    public async Task Settings_of_a_large_adopted_organisation_are_saved_at_once_and_its_documents_follow_slice_by_slice()
    {
        var legacy = LegacyDatabase.Of(Guid.Parse("00000000-0000-0000-0000-0000000000aa"));
        for (var number = 0; number < 2010; number++)
            legacy.Row(legacy.Link(), "INVOICE", "PENDING");
        var paidNow = legacy.Link();
        var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        await LegacyDatabase.AdoptAsync(database);
        await TestSchema.MakeClockMoveableAsync(database.ConnectionString);
        await using var world = await World.StartAsync(server, connected: false, settings: Slices(300), adopted: (database, legacy.Organisation));
        (await UnbuiltAsync(world)).ShouldBe(4020);

        await world.PutOrganisationAsync(world.Organisation);
        await world.ConnectAsync();
        (await UnbuiltAsync(world)).ShouldBe(3720);
        (await world.PayAsync(paidNow)).ShouldBe("COMPLETED", "new payments do not wait for the old rows");

        // A node dies in the middle of a slice.
        await using (var node = new NpgsqlConnection(database.ConnectionString))
        {
            await node.OpenAsync();
            await using var slice = await node.BeginTransactionAsync();
            await using var build = new NpgsqlCommand("SET LOCAL paymentsync.writer = on; SELECT paymentsync.freeze_slice('00000000-0000-0000-0000-0000000000aa', 300)", node, slice);
            await build.ExecuteNonQueryAsync();
            await SweepAsync(world);
            (await UnbuiltAsync(world)).ShouldBe(3720, "one builds at a time, and the others wait for nobody");
        }
        (await UnbuiltAsync(world)).ShouldBe(3720);

        for (var sweep = 1; sweep <= 12; sweep++)
        {
            await SweepAsync(world);
            (await UnbuiltAsync(world)).ShouldBe(3720 - (300 * sweep));
        }
        await SweepAsync(world);
        (await UnbuiltAsync(world)).ShouldBe(0);
        await SweepAsync(world);
        (await world.Database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.freezing")).ShouldBe(0);
        (await world.Database.ScalarAsync<long>("SELECT count(DISTINCT (sync_type, document_number)) FROM xero_syncs")).ShouldBe(4022);
        var pace = await world.Database.QueryAsync("SELECT count(*) FROM xero_syncs WHERE sync_type = 'INVOICE' AND status = 'PENDING' AND payment_link_id <> $1 GROUP BY date_trunc('minute', next_retry_at - (SELECT min(next_retry_at) FROM xero_syncs WHERE payment_link_id <> $1)) ORDER BY 1",
            reader => reader.GetInt64(0), paidNow);
        (pace.Count, pace.Sum()).ShouldBe((5, 1860), "the first slice was built before there was a connection; the others become due a thousand documents a minute");
    }

    [Fact]
    public async Task Payments_that_waited_for_settings_are_all_booked_however_small_the_slices()
    {
        await using var world = await World.StartAsync(server, settings: Slices(2));
        await world.Database.ExecuteAsync("DELETE FROM paymentsync.organization_settings");
        for (var number = 0; number < 5; number++)
            await world.PayAsync(await world.LinkAsync(), $"pi_{number}");
        (await world.RowsAsync()).Where(row => row.Type == "INVOICE").ShouldAllBe(row => row.Code == "settings.missing");

        // The second time, while the first is not done, begins anew with other settings.
        await world.PutOrganisationAsync(world.Organisation, body => body["booking"]!["clearingAccounts"] = new JsonObject());
        (await world.RowsAsync()).Count(row => row.Code == "settings.clearing_account_missing").ShouldBe(1);
        await world.PutOrganisationAsync(world.Organisation);
        await world.DrainAsync();

        (await world.RowsAsync()).Count(row => row.Status == "SUCCESS").ShouldBe(10);
        (await world.CallsAsync("PUT /Invoices")).ShouldBeLessThanOrEqualTo(5);
    }

    [Theory]
    [InlineData("WaitingDocuments:Slice", "0", "WaitingDocuments:Slice must be between 1 and 10000")]
    [InlineData("WaitingDocuments:RequestTime", "00:00:21", "WaitingDocuments:RequestTime must be between 0 and 20 seconds")]
    public async Task A_setting_that_cannot_work_stops_the_start(string option, string value, string sentence)
    {
        var refused = await Should.ThrowAsync<OptionsValidationException>(() => World.StartAsync(server, settings: new(StringComparer.Ordinal) { [option] = value }));
        refused.Message.ShouldContain(sentence);
    }
}
