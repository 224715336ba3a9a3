using System.Net;
using System.Net.Sockets;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>What an operator meets first: an empty database, and settings that are not right yet.</summary>
public sealed class FirstStartTests(PostgresServer server)
{
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Of_several_migrations_at_once_on_an_empty_database_one_migrates_and_all_succeed()
    {
        await using var database = await server.CreateEmptyDatabaseAsync();
        var logs = Directory.CreateTempSubdirectory("paymentsync-e2e-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["ConnectionStrings__PaymentSync"] = database.ConnectionString };
        var programs = new List<RunningProgram>();
        try
        {
            for (var number = 0; number < 4; number++)
                programs.Add(await RunningProgram.StartAsync("PaymentSync", $"migrate-{number}", logs.FullName, settings, "migrate"));
            foreach (var program in programs)
                (await program.ExitAsync(Patience)).ShouldBe(0, program.Output + program.Error);

            programs.Count(program => program.Output.Contains("Applied ", StringComparison.Ordinal)).ShouldBe(1);
            programs.Count(program => program.Output.Contains("The database is up to date.", StringComparison.Ordinal)).ShouldBe(3);
            (await database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.migrations_history")).ShouldBeGreaterThan(0);
        }
        finally
        {
            foreach (var program in programs)
                await program.DisposeAsync();
            logs.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("Stripe__WebhookSecrets__0", "", "Stripe:WebhookSecrets")]
    [InlineData("PAYMENTSYNC_MASTER_KEY", "", "PAYMENTSYNC_MASTER_KEY")]
    [InlineData("ConnectionStrings__PaymentSync", "", "ConnectionStrings__PaymentSync")]
    [InlineData("Worker__RowLease", "00:01:00", "Worker:RowLease")]
    public async Task A_start_with_a_bad_setting_ends_with_1_and_one_sentence_that_names_it(string setting, string value, string named)
    {
        await using var database = await server.CreateDatabaseAsync();
        var settings = Deployment.ServiceSettings(database.ConnectionString, Deployment.FreeAddress());
        settings[setting] = value;
        (await RefusalAsync(settings)).ShouldContain(named);
    }

    [Fact]
    public async Task A_start_on_a_taken_port_ends_with_1_and_one_sentence_that_says_which()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        await using var database = await server.CreateDatabaseAsync();
        var address = new Uri($"http://127.0.0.1:{((IPEndPoint)taken.LocalEndpoint).Port}");
        (await RefusalAsync(Deployment.ServiceSettings(database.ConnectionString, address))).ShouldContain(address.Authority);
    }

    static async Task<string> RefusalAsync(Dictionary<string, string> settings)
    {
        var logs = Directory.CreateTempSubdirectory("paymentsync-e2e-");
        try
        {
            await using var program = await RunningProgram.StartAsync("PaymentSync", "refused", logs.FullName, settings);
            (await program.ExitAsync(Patience)).ShouldBe(1, program.Output + program.Error);
            var sentences = program.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            sentences.Length.ShouldBe(1, program.Error);
            sentences[0].ShouldStartWith("PaymentSync did not start: ");
            program.Output.ShouldNotContain("   at ", Case.Sensitive, "a stack trace tells an operator nothing");
            return sentences[0];
        }
        finally
        {
            logs.Delete(recursive: true);
        }
    }
}
