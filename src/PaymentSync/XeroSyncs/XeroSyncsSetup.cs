using PaymentSync.Jobs;

namespace PaymentSync.XeroSyncs;

static class XeroSyncsSetup
{
    public static void AddXeroSyncs(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<SyncQueue>();
        builder.Services.AddSingleton<IntentJournal>();
        builder.Services.AddSingleton<Outcomes>();
        builder.Services.AddSingleton<OpenRequests>();
        builder.Services.AddRecurringJob<OpenRequests>("open-requests", TimeSpan.FromMinutes(5), "Warns of requests to Xero whose outcome is unknown for more than an hour.",
            (requests, cancellationToken) => requests.WarnAsync(cancellationToken));
        builder.Services.AddSingleton<Journal>();
        builder.Services.AddSingleton(Random.Shared);
    }

    public static void MapXeroSyncs(this WebApplication app)
    {
        app.MapSyncs();
        app.MapJournal();
        app.MapStatus();
    }
}
