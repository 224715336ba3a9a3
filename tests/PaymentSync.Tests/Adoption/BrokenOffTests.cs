using System.Diagnostics;
using System.Runtime.InteropServices;
using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Adoption;

/// <summary>An adoption that is broken off at any point goes on when it is run again, and comes to the same.</summary>
public sealed class BrokenOffTests(PostgresServer server)
{
    sealed class BrokenOffException : Exception;

    [Fact]
    public async Task Broken_off_at_every_point_and_run_again_it_comes_to_the_same()
    {
        var legacy = LegacyDatabase.Random(firstSeed: 1000, seeds: 20, linksEach: 40);
        await using var template = await server.CreateTemplateAsync(legacy.FillAsync);
        await using var whole = await template.CreateDatabaseAsync();
        var points = 0;
        var undisturbed = (await LegacyDatabase.AdoptAsync(whole, _ => Interlocked.Increment(ref points))).Adoption!;
        points.ShouldBeGreaterThan(8);
        var expected = await LegacyDatabase.FoundAsync(whole);

        // On one and the same database each run gets one, two or three points further than the one before it.
        await using var database = await template.CreateDatabaseAsync();
        AdoptionReport? report = null;
        for (var died = 0; report is null; died++)
        {
            died.ShouldBeLessThan(200);
            report = await UntilAsync(database, point: 1 + (died % 3));
        }
        RankingTests.Comparable(report).ShouldBe(RankingTests.Comparable(undisturbed));
        report.Holds.ShouldBeTrue(report.ToText());
        (await LegacyDatabase.FoundAsync(database)).ShouldBe(expected);
    }

    /// <summary>Null: it was broken off.</summary>
    static async Task<AdoptionReport?> UntilAsync(PostgresDatabase database, int point)
    {
        var seen = 0;
        try
        {
            return (await LegacyDatabase.AdoptAsync(database, _ =>
            {
                if (Interlocked.Increment(ref seen) > point)
                    throw new BrokenOffException();
            })).Adoption;
        }
        catch (BrokenOffException)
        {
            return null;
        }
    }

    [Theory]
    [InlineData("columns")]
    [InlineData("plan")]
    [InlineData("duplicates")]
    [InlineData("rows")]
    [InlineData("archive")]
    [InlineData("constraint")]
    [InlineData("indexes")]
    [InlineData("checks")]
    [InlineData("guards")]
    [InlineData("totals")]
    [InlineData("tally")]
    [InlineData("report")]
    public async Task Broken_off_by_the_database_in_the_middle_of_a_step_it_goes_on(string step)
    {
        var legacy = LegacyDatabase.Random(firstSeed: 2000, seeds: 5, linksEach: 40);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);

        // Every session of the run is ended at the step's beginning: the statement that comes next fails, whichever it is.
        await Should.ThrowAsync<Exception>(() => LegacyDatabase.AdoptAsync(database, progress =>
        {
            if (progress.Step == step)
                database.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'PaymentSync migrate'").GetAwaiter().GetResult();
        }));

        var report = (await LegacyDatabase.AdoptAsync(database)).Adoption!;

        report.Holds.ShouldBeTrue(report.ToText());
        (await LegacyDatabase.FoundAsync(database)).ShouldBe(legacy.Expect().Expected);
        (await database.ScalarAsync<long>("SELECT count(*) FROM pg_index WHERE NOT indisvalid")).ShouldBe(0);
        // What an adoption sets for its own time only is set back.
        await using var fresh = await server.CreateDatabaseAsync();
        const string settings = "SELECT string_agg(o, ' ' ORDER BY o) FROM pg_class c CROSS JOIN unnest(c.reloptions) o WHERE c.oid = 'xero_syncs'::regclass";
        (await database.ScalarAsync<string>(settings)).ShouldBe(await fresh.ScalarAsync<string>(settings));
        (await LegacyDatabase.AdoptAsync(database)).Applied.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_the_host_inserts_before_it_is_run_again_waits_for_its_confirmation()
    {
        var legacy = LegacyDatabase.Of(Guid.NewGuid());
        legacy.Row(legacy.Link(), "INVOICE", "PENDING");
        var (paid, both) = (legacy.Link(), legacy.Link());
        var older = legacy.Row(both, "PAYMENT", "FAILED", error: "Xero API 500");
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        await Should.ThrowAsync<BrokenOffException>(() => LegacyDatabase.AdoptAsync(database, progress =>
        {
            if (progress.Step == "plan")
                throw new BrokenOffException();
        }));
        foreach (var link in new[] { paid, both })
            await database.ExecuteAsync("INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, request_payload, created_at, updated_at) SELECT gen_random_uuid(), $1, t, 'PENDING', '{}', now(), now() FROM unnest(enum_range(NULL::\"XeroSyncType\")) t", link);

        var report = (await LegacyDatabase.AdoptAsync(database)).Adoption!;

        report.Holds.ShouldBeTrue(report.ToText());
        (await database.QueryAsync("SELECT failure_code FROM xero_syncs WHERE payment_link_id = $1", reader => reader.GetString(0), paid)).ShouldBe(["waiting.confirmation", "waiting.confirmation"]);
        (await database.QueryAsync("SELECT id FROM xero_syncs WHERE payment_link_id = $1 AND sync_type = 'PAYMENT'", reader => reader.GetGuid(0), both)).ShouldBe([older], "the older row knows more");
    }

    [Fact]
    public async Task Killed_as_a_process_again_and_again_the_program_goes_on_and_comes_to_an_end()
    {
        var legacy = LegacyDatabase.Random(firstSeed: 2100, seeds: 25, linksEach: 40);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        // Each run lives until it has told one line more than the one before it.
        for (var (lines, ended) = (1, false); !ended; lines++)
        {
            lines.ShouldBeLessThan(60);
            using var program = Start(database);
            for (var read = 0; read < lines; read++)
            {
                if (await program.StandardOutput.ReadLineAsync() is null)
                    break;
            }
            program.Kill();
            await program.WaitForExitAsync();
            ended = program.ExitCode == 0 || await database.ScalarAsync<bool>("SELECT to_regclass('paymentsync.adoption') IS NOT NULL")
                && await database.ScalarAsync<bool>("SELECT finished_at IS NOT NULL FROM paymentsync.adoption");
        }
        (await LegacyDatabase.FoundAsync(database)).ShouldBe(legacy.Expect().Expected);
        (await LegacyDatabase.AdoptAsync(database)).Applied.ShouldBeEmpty();
    }

    static Process Start(PostgresDatabase database)
    {
        var configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "artifacts", "bin", "PaymentSync", configuration, "PaymentSync"), ["migrate", "--host-worker-stopped"]) { RedirectStandardOutput = true, UseShellExecute = false };
        start.Environment["ConnectionStrings__PaymentSync"] = database.ConnectionString;
        // Programs look for the runtime in the usual places; ours may run from elsewhere.
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return Process.Start(start)!;
    }
}
