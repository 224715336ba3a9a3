using PaymentSync.OfficialSdks.Jobs;
using PaymentSync.StripeWebhooks;
using PaymentSync.Xero;

namespace PaymentSync.OfficialSdks;

/// <summary>Our own parts and those of the official SDKs, for configuration to choose from.</summary>
public static class OfficialParts
{
    public static Parts Create()
    {
        var parts = new Parts { DefaultEngine = "Hangfire" };
        parts.JobEngines["Hangfire"] = HangfireEngine.Add;
        parts.StripeClients["StripeNet"] = builder => builder.Services.AddSingleton<IStripeWebhooks, StripeNetWebhooks>();
        parts.XeroClients["XeroSdk"] = builder => builder.Services.AddSingleton<IXeroAccounting, XeroSdkAccounting>();
        parts.Routes.Add(HangfireDashboard.Map);
        return parts;
    }
}
