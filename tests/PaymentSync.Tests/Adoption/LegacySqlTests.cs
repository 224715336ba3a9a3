using System.Diagnostics;
using System.Globalization;
using Npgsql;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Adoption;

/// <summary>
/// The sample installation of ../shared/data/legacy, at 20,000 links or as many as PAYMENTSYNC_ADOPT_LINKS says (3,110,000 make ten million rows);
/// prints time, longest lock wait of a writing host, and peak memory.
/// </summary>
public sealed class LegacySqlTests(PostgresServer server)
{
    [Fact]
    public async Task The_sample_installation_is_adopted_while_its_host_writes()
    {
        var file = Path.Combine(SharedData.RequireFolder(), "legacy", "legacy.sql");
        var links = int.Parse(Environment.GetEnvironmentVariable("PAYMENTSYNC_ADOPT_LINKS") ?? "20000", CultureInfo.InvariantCulture);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await LoadAsync(database, file, links);
        var before = await database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs");
        var groups = await database.ScalarAsync<long>("SELECT count(*) FROM (SELECT 1 FROM xero_syncs GROUP BY payment_link_id, sync_type) g");
        var several = await database.ScalarAsync<long>("SELECT count(*) FROM (SELECT 1 FROM xero_syncs GROUP BY payment_link_id, sync_type HAVING count(DISTINCT xero_invoice_id) > 1 OR count(DISTINCT xero_payment_id) > 1) g");
        var ids = await database.ScalarAsync<long>(Ids("xero_syncs"));

        using var stop = new CancellationTokenSource();
        var started = new TaskCompletionSource();
        var host = WriteAsync(database, started.Task, stop.Token);
        var watch = WatchAsync(database, started.Task, stop.Token);
        var clock = Stopwatch.StartNew();
        var report = (await LegacyDatabase.AdoptAsync(database, _ => started.TrySetResult())).Adoption!;
        clock.Stop();
        await stop.CancelAsync();
        await host;
        var longest = await watch;

        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{before:N0} rows of {links:N0} links in {clock.Elapsed.TotalSeconds:0.0} s; longest lock wait of the host {longest.TotalMilliseconds:0} ms; peak memory of this process {Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0:0} MiB"));
        TestContext.Current.TestOutputHelper?.WriteLine(report.ToText());
        report.Holds.ShouldBeTrue(report.ToText());
        (report.RowsBefore, report.Groups, report.GroupsWithSeveralXeroIds).ShouldBe((before, groups, several));
        report.Removed.ShouldBe(before - groups);
        (await database.ScalarAsync<long>(Ids("xero_syncs", "paymentsync.xero_syncs_archive"))).ShouldBe(ids);
    }

    static string Ids(params string[] tables) =>
        $"SELECT count(*) FROM ({string.Join(" UNION ", tables.SelectMany(table => new[] { $"SELECT xero_invoice_id AS id FROM {table}", $"SELECT xero_payment_id FROM {table}" }))}) x WHERE id IS NOT NULL";

    static async Task LoadAsync(PostgresDatabase database, string file, int links)
    {
        // Without psql's own commands, which only set the two numbers.
        var sql = string.Join('\n', (await File.ReadAllLinesAsync(file)).Where(line => !line.StartsWith('\\')))
            .Replace(":seed", "0.42", StringComparison.Ordinal).Replace(":links", links.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Pooling = false, CommandTimeout = 0 }.ConnectionString);
        await connection.OpenAsync();
        await using var load = new NpgsqlCommand(sql[..sql.LastIndexOf("COMMIT;", StringComparison.Ordinal)] + "COMMIT;", connection);
        await load.ExecuteNonQueryAsync();
        // As the tables of an installation of some age are; else the server would begin with it while the adoption runs.
        await using var vacuum = new NpgsqlCommand("VACUUM (ANALYZE)", connection);
        await vacuum.ExecuteNonQueryAsync();
    }

    /// <summary>A hundred re-confirmations a second, of any link.</summary>
    static async Task WriteAsync(PostgresDatabase database, Task started, CancellationToken stop)
    {
        await started;
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Pooling = false, ApplicationName = "host", CommandTimeout = 0 }.ConnectionString);
        await connection.OpenAsync(CancellationToken.None);
        for (var number = 0; !stop.IsCancellationRequested; number++)
        {
            await using var requeue = new NpgsqlCommand("UPDATE xero_syncs SET status = 'PENDING', updated_at = CURRENT_TIMESTAMP WHERE id = md5('sync' || $1 || 'INVOICE' || 1)::uuid", connection);
            requeue.Parameters.AddWithValue((number * 7919 % 20000).ToString(CultureInfo.InvariantCulture));
            await requeue.ExecuteNonQueryAsync(CancellationToken.None);
            await Task.Delay(10, CancellationToken.None);
        }
    }

    static async Task<TimeSpan> WatchAsync(PostgresDatabase database, Task started, CancellationToken stop)
    {
        await started;
        var longest = TimeSpan.Zero;
        while (!stop.IsCancellationRequested)
        {
            var waited = await database.ScalarAsync<TimeSpan?>("SELECT max(clock_timestamp() - l.waitstart) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.application_name = 'host'");
            longest = waited > longest ? waited.Value : longest;
            await Task.Delay(100, CancellationToken.None);
        }
        return longest;
    }
}
