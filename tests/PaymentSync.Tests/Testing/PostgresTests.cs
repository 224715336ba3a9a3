using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Testing;

public sealed class PostgresTests(PostgresServer server)
{
    [Fact]
    public async Task Two_databases_of_one_template_start_alike_and_are_independent()
    {
        await using var template = await server.CreateTemplateAsync(WithOnePaymentLink);
        await using var one = await template.CreateDatabaseAsync();
        await using var other = await template.CreateDatabaseAsync();

        await one.ExecuteAsync("INSERT INTO payment_links (short_code) VALUES ($1)", "second");

        (await one.QueryAsync("SELECT short_code FROM payment_links ORDER BY 1", row => row.GetString(0))).ShouldBe(["first", "second"]);
        (await other.QueryAsync("SELECT short_code FROM payment_links ORDER BY 1", row => row.GetString(0))).ShouldBe(["first"]);
    }

    [Fact]
    public async Task A_template_can_be_copied_although_who_prepared_it_left_a_connection_open()
    {
        var careless = new List<NpgsqlConnection>();
        await using var template = await server.CreateTemplateAsync(async connectionString =>
        {
            careless.Add(new NpgsqlConnection(connectionString));
            await careless[0].OpenAsync();
        });

        await using var copy = await template.CreateDatabaseAsync();

        (await copy.ScalarAsync<string>("SELECT current_database()")).ShouldBe(copy.Name);
        await careless[0].DisposeAsync();
    }

    [Fact]
    public async Task A_template_that_cannot_be_prepared_is_the_failure_of_who_asked_for_it()
    {
        var refused = await Should.ThrowAsync<InvalidOperationException>(() =>
            server.CreateTemplateAsync(_ => throw new InvalidOperationException("migration 7 does not apply")));

        refused.Message.ShouldBe("migration 7 does not apply");
    }

    [Fact]
    public async Task Databases_asked_for_at_the_same_time_are_all_made()
    {
        var databases = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => server.CreateDatabaseAsync()));

        databases.Select(database => database.Name).Distinct().Count().ShouldBe(8);
        foreach (var database in databases)
        {
            (await database.ScalarAsync<int>("SELECT 1")).ShouldBe(1);
            await database.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_database_is_dropped_although_somebody_is_still_connected()
    {
        var database = await server.CreateEmptyDatabaseAsync();
        await using var somebody = new NpgsqlConnection(database.ConnectionString);
        await somebody.OpenAsync();

        await database.DisposeAsync();

        await using var watcher = await server.CreateEmptyDatabaseAsync();
        (await watcher.ScalarAsync<long>("SELECT count(*) FROM pg_database WHERE datname = $1", database.Name)).ShouldBe(0);
    }

    [Fact]
    public async Task No_row_and_null_are_both_the_default()
    {
        await using var database = await server.CreateEmptyDatabaseAsync();

        (await database.ScalarAsync<int?>("SELECT 1 WHERE false")).ShouldBeNull();
        (await database.ScalarAsync<string>("SELECT $1::text", [null])).ShouldBeNull();
    }

    [Fact]
    public async Task A_cluster_whose_owner_is_killed_stops_and_leaves_nothing_behind()
    {
        // The owner is whoever holds the other end of the keeper's standard input: here a process that may be killed.
        using var both = Process.Start(new ProcessStartInfo(
            "bash",
            ["-c", "exec 3>&1; { echo $BASHPID >&3; exec sleep 600; } | \"$@\"", "bash", .. PostgresCluster.Command()])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        })!;
        var owner = int.Parse((await both.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture);
        var folder = (await both.StandardOutput.ReadLineAsync())!;
        File.Exists(Path.Combine(folder, "data", "postmaster.pid")).ShouldBeTrue();

        Process.GetProcessById(owner).Kill();

        await both.WaitForExitAsync().WaitAsync(Patience);
        Directory.Exists(folder).ShouldBeFalse();
    }

    [Fact]
    public async Task A_server_whose_keeper_is_killed_stops_too()
    {
        var cluster = await PostgresCluster.StartAsync();
        var lockFile = Path.Combine(cluster.Folder, "data", "postmaster.pid");
        File.Exists(lockFile).ShouldBeTrue();

        cluster.KillKeeper();

        var patience = Stopwatch.StartNew();
        while (File.Exists(lockFile) && patience.Elapsed < Patience)
            await Task.Delay(20);
        File.Exists(lockFile).ShouldBeFalse();
        await cluster.DisposeAsync();
        Directory.Delete(cluster.Folder, recursive: true);
    }

    /// <summary>Not a duration that anything takes: when it is over, it will never happen.</summary>
    static TimeSpan Patience => TimeSpan.FromSeconds(60);

    static async Task WithOnePaymentLink(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("CREATE TABLE payment_links (short_code text PRIMARY KEY); INSERT INTO payment_links VALUES ('first')", connection);
        await command.ExecuteNonQueryAsync();
    }
}
