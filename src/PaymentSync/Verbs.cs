using PaymentSync.Database;
using PaymentSync.Telemetry;

namespace PaymentSync;

/// <summary>What the binary does: serves, unless its first argument is a verb.</summary>
public static class Verbs
{
    /// <param name="parts">What configuration may choose from. Null: only our own.</param>
    /// <returns>The exit code.</returns>
    public static Task<int> RunAsync(string[] args, Parts? parts = null) => args switch
    {
        ["migrate", .. var rest] => MigrateVerb.RunAsync(rest),
        ["restore-legacy", .. var rest] => RestoreLegacyVerb.RunAsync(rest),
        ["health", .. var rest] => HealthVerb.RunAsync(rest),
        _ => Service.RunAsync(args, parts),
    };
}
