using System.Globalization;
using PaymentSync.Benchmarks;
using PaymentSync.Tests.Testing;

// The comings and goings of each service that is measured.
Environment.SetEnvironmentVariable("Logging__LogLevel__Microsoft.Hosting.Lifetime", "Error");
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
switch (args)
{
    case ["drain", .. var rest] when rest is [] || (rest is ["--rows", var rows] && int.TryParse(rows, CultureInfo.InvariantCulture, out _)):
        await using (var server = new PostgresServer())
            await DrainBenchmark.RunAsync(server, rest is [_, var count] ? int.Parse(count, CultureInfo.InvariantCulture) : 2000);
        return 0;
#if OFFICIAL_SDKS
    case ["clients"]:
        await ClientsBenchmark.RunAsync();
        return 0;
#endif
    default:
        await Console.Error.WriteLineAsync("""
            Usage: PaymentSync.Benchmarks drain [--rows n]     our drain beside one job for each row, and what idle job engines ask of the database
                   PaymentSync.Benchmarks clients              our verifier, reader and Xero client beside the official SDKs (only in the build that has them)
            """);
        return 2;
}
