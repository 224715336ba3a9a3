namespace PaymentSync.XeroSyncs;

static class XeroSyncsSetup
{
    public static void AddXeroSyncs(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<SyncQueue>();
        builder.Services.AddSingleton<IntentJournal>();
        builder.Services.AddSingleton<Outcomes>();
        builder.Services.AddSingleton<OpenRequests>();
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
