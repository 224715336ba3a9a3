using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.StripeWebhooks;
using PaymentSync.Xero;

namespace PaymentSync;

/// <summary>
/// What configuration chooses between, by the names it uses for them: Jobs:Engine, Stripe:Client and Xero:Client. This build has its own
/// of each; the build with the official SDKs (README, "Which build") adds theirs.
/// </summary>
public sealed class Parts
{
    /// <summary>The engine when Jobs:Engine is not set.</summary>
    public string DefaultEngine { get; init; } = "Quartz";

    /// <summary>The second argument says whether this node runs jobs (Worker:Enabled).</summary>
    internal Dictionary<string, Action<WebApplicationBuilder, bool>> JobEngines { get; } = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Quartz"] = QuartzEngine.Add,
        ["None"] = (builder, _) => builder.Services.AddSingleton<IJobEngine, NoJobEngine>(),
    };

    internal Dictionary<string, Action<WebApplicationBuilder>> StripeClients { get; } = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Own"] = builder => builder.Services.AddSingleton<IStripeWebhooks, OwnStripeWebhooks>(),
    };

    internal Dictionary<string, Action<WebApplicationBuilder>> XeroClients { get; } = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Own"] = builder => builder.Services.AddSingleton<IXeroAccounting>(services => services.GetRequiredService<XeroClient>()),
    };

    /// <summary>Pages and routes that a chosen part brings.</summary>
    internal List<Action<WebApplication>> Routes { get; } = [];

    internal static T Choose<T>(Dictionary<string, T> known, string setting, string chosen) => known.TryGetValue(chosen, out var part)
        ? part
        : throw new StartException($"{setting} is \"{chosen}\"; this build has {string.Join(" and ", known.Keys)}. Hangfire, StripeNet and XeroSdk come with the build with the official SDKs (README, \"Which build\").");
}
