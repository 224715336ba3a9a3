using PaymentSync.OfficialSdks.Jobs;

namespace PaymentSync.OfficialSdks;

/// <summary>Our own parts and those of the official SDKs, for configuration to choose from.</summary>
public static class OfficialParts
{
    public static Parts Create()
    {
        var parts = new Parts { DefaultEngine = "Hangfire" };
        parts.JobEngines["Hangfire"] = HangfireEngine.Add;
        parts.Routes.Add(HangfireDashboard.Map);
        return parts;
    }
}
