using System.Globalization;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
switch (args)
{
#if OFFICIAL_SDKS
    case ["clients"]:
        await PaymentSync.Benchmarks.ClientsBenchmark.RunAsync();
        return 0;
#endif
    default:
        await Console.Error.WriteLineAsync("Usage: PaymentSync.Benchmarks clients     our verifier, reader and Xero client beside the official SDKs (only in the build that has them)");
        return 2;
}
