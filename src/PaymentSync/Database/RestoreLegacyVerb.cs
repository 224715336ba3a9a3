using Npgsql;
using PaymentSync.Migrations;

namespace PaymentSync.Database;

/// <summary><c>PaymentSync restore-legacy</c>: gives an adopted database back to its host application, duplicates and all, without losing an id that was learned since.</summary>
/// <remarks>Exit codes: 0 done, 1 refused or failed (nothing was changed then), 2 wrong usage.</remarks>
static class RestoreLegacyVerb
{
    public static async Task<int> RunAsync(string[] args)
    {
        if (args is not ["--service-stopped"])
        {
            await Console.Error.WriteLineAsync("PaymentSync restore-legacy takes PaymentSync out of an adopted database. Stop every node of it first, then run: PaymentSync restore-legacy --service-stopped");
            return 2;
        }
        try
        {
            var configuration = new ConfigurationBuilder().AddJsonFile("appsettings.json", optional: true).AddEnvironmentVariables().Build();
            var result = await Migrator.RestoreLegacyAsync(DatabaseSetup.ConnectionString(configuration), Console.Out);
            await Console.Out.WriteLineAsync($"""
                The database is the host application's again.
                  {result.PutBack} rows came back from the archive.
                  {result.SetBack} kept rows have the status of before the adoption again.
                  {result.Learned} kept rows stay as they are now: they are SUCCESS, or were tried since.
                  {result.Removed} rows that the adoption had made are gone; nothing in Xero stands for them.
                Every Xero id that was learned since is kept. Journal, archive and events are in schema {result.Schema}.
                Before its worker starts: rows PENDING or FAILED there may be in Xero all the same. PaymentSync migrate adopts the database anew.
                """);
            return 0;
        }
        catch (Exception problem) when (problem is StartException or MigrationRefusedException)
        {
            await Console.Error.WriteLineAsync($"Nothing was restored: {problem.Message}");
            return 1;
        }
        catch (NpgsqlException problem)
        {
            await Console.Error.WriteLineAsync($"Nothing was restored: {problem.Message}");
            return 1;
        }
    }
}
