using Npgsql;
using PaymentSync.Migrations;

namespace PaymentSync.Database;

/// <summary><c>PaymentSync migrate</c>: brings the database to the current schema and says what it did.</summary>
static class MigrateVerb
{
    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length > 0)
        {
            await Console.Error.WriteLineAsync($"PaymentSync migrate takes no arguments (\"{args[0]}\" is unknown). The database is named by ConnectionStrings__PaymentSync.");
            return 2;
        }
        try
        {
            var configuration = new ConfigurationBuilder().AddJsonFile("appsettings.json", optional: true).AddEnvironmentVariables().Build();
            await Migrator.RunAsync(DatabaseSetup.ConnectionString(configuration), Console.Out);
            return 0;
        }
        catch (StartException problem)
        {
            await Console.Error.WriteLineAsync($"Nothing was migrated: {problem.Message}");
            return 1;
        }
        catch (NpgsqlException problem)
        {
            await Console.Error.WriteLineAsync($"The migration stopped: {problem.Message} What was applied stays; run it again once this is mended.");
            return 1;
        }
    }
}
