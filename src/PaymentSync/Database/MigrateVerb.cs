using Npgsql;
using PaymentSync.Migrations;
using PaymentSync.Xero;

namespace PaymentSync.Database;

/// <summary><c>PaymentSync migrate</c>: brings the database to the current schema, adopts an existing installation's, and says what it did.</summary>
/// <remarks>Exit codes: 0 done, 1 refused or broken off (a sentence says why and what to do), 2 wrong usage, 3 done, but a verification did not hold.</remarks>
static class MigrateVerb
{
    const string Usage = """
        Usage: PaymentSync migrate [--dry-run] [--host-worker-stopped] [--adopt-connections] [--json]

          --dry-run              print what would be done, with the whole report of an adoption, and change nothing
          --host-worker-stopped  the database belongs to a host application, and its Xero worker is stopped: adopt it
          --adopt-connections    take over the host's Xero tokens, encrypted, and clear them in xero_connections
          --json                 print the report as JSON on standard output, everything else on standard error

        The database is named by ConnectionStrings__PaymentSync.
        """;

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["--help" or "-h"])
        {
            await Console.Out.WriteLineAsync(Usage);
            return 0;
        }
        if (Array.Find(args, arg => arg is not ("--dry-run" or "--host-worker-stopped" or "--adopt-connections" or "--json")) is { } unknown)
        {
            await Console.Error.WriteLineAsync($"PaymentSync migrate does not know \"{unknown}\".\n\n{Usage}");
            return 2;
        }
        var json = args.Contains("--json");
        var (dryRun, adoptConnections) = (args.Contains("--dry-run"), args.Contains("--adopt-connections"));
        var log = json ? Console.Error : Console.Out;
        try
        {
            var configuration = new ConfigurationBuilder().AddJsonFile("appsettings.json", optional: true).AddEnvironmentVariables().Build();
            var connectionString = DatabaseSetup.ConnectionString(configuration);
            var connections = new HostConnections(connectionString, configuration);
            if (adoptConnections)
                connections.RequireSettings();
            using var progress = new MigrateProgress(log);
            var result = await Migrator.RunAsync(connectionString, log, new MigrateOptions { DryRun = dryRun, HostWorkerStopped = args.Contains("--host-worker-stopped"), Progress = progress.Tell });
            progress.Dispose();
            var tokens = await connections.AdoptAsync(adoptConnections, dryRun);
            if (json)
                await Console.Out.WriteLineAsync(MigrateReport.Json(result, tokens));
            else
                await Console.Out.WriteAsync((result.Adoption?.ToText() ?? "") + (tokens is null ? "" : tokens.Sentence + Environment.NewLine));
            return result.Adoption is { Holds: false } ? 3 : 0;
        }
        catch (Exception problem) when (problem is StartException or MigrationRefusedException)
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
