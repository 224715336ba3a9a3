using PaymentSync.StripeWebhooks;
using PaymentSync.Xero;

namespace PaymentSync.OfficialSdks;

/// <summary>Our own parts and those of the official SDKs, for configuration to choose from.</summary>
public static class OfficialParts
{
    public static Parts Create() => new()
    {
        StripeClients = { ["StripeNet"] = builder => builder.Services.AddSingleton<IStripeWebhooks, StripeNetWebhooks>() },
        XeroClients = { ["XeroSdk"] = builder => builder.Services.AddSingleton<IXeroAccounting, XeroSdkAccounting>() },
    };
}
