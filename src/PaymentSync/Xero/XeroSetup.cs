using Microsoft.Extensions.Options;
using PaymentSync.Jobs;

namespace PaymentSync.Xero;

static class XeroSetup
{
    public static void AddXero(this WebApplicationBuilder builder, Parts parts)
    {
        builder.Services.AddOptions<XeroOptions>().BindConfiguration("Xero").ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<XeroOptions>, XeroOptionsRules>();
        builder.Services.AddSingleton<XeroClient>();
        Parts.Choose(parts.XeroClients, "Xero:Client", builder.Configuration["Xero:Client"] ?? "Own")(builder);
        builder.Services.AddSingleton<XeroConnections>();
        builder.Services.AddSingleton<XeroSecrets>();
        builder.Services.AddSingleton<XeroIdentity>();
        builder.Services.AddSingleton<XeroTokens>();
        builder.Services.AddSingleton<OAuthRefresh>();
        builder.Services.AddSingleton<OAuthStates>();
        builder.Services.AddSingleton<OAuthRedirect>();
        builder.Services.AddSingleton<OAuthConnector>();
        builder.Services.AddSingleton<OAuthFarewell>();
        builder.Services.AddSingleton<ConnectionCheck>();
        builder.Services.AddSingleton<ConnectionUpkeep>();
        builder.Services.AddSingleton<ConnectionMetrics>();
        builder.Services.AddSingleton<CallBudget>();
        builder.Services.AddSingleton<XeroReads>();
        builder.Services.AddSingleton<SettingsReader>();
        builder.Services.AddSingleton<PreFlight>();
        builder.Services.AddSingleton<Causes>();
        builder.Services.AddSingleton<LegacyPayments>();
        builder.Services.AddSingleton<XeroWriter>();
        builder.Services.AddSingleton<XeroLookUps>();
        AddJobs(builder.Services);
    }

    static void AddJobs(IServiceCollection services)
    {
        var everyFiveMinutes = TimeSpan.FromMinutes(5);
        services.AddRecurringJob<ConnectionUpkeep>("xero-connections", everyFiveMinutes, "Renews idle Xero connections, tries again those that got no answer, and warns 7, 3 and 1 days before a refresh token dies.",
            (connections, cancellationToken) => connections.RunAsync(cancellationToken));
        services.AddRecurringJob<Causes>("xero-causes", everyFiveMinutes, "Makes due what waited for something in Xero that is mended now.",
            (causes, cancellationToken) => causes.RunAsync(cancellationToken));
        services.AddRecurringJob<LegacyPayments>("legacy-payments", everyFiveMinutes, "Looks up, once, the payments that the predecessor of an adopted database may have made.",
            (payments, cancellationToken) => payments.RunAsync(cancellationToken));
        services.AddRecurringJob<OAuthStates>("oauth-states", TimeSpan.FromMinutes(10), "Removes authorisations that were begun and never came back.",
            async (states, cancellationToken) => $"{await states.CleanUpAsync(cancellationToken)} half-used authorisations were removed.");
    }
}
