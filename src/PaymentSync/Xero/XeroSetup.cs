using Microsoft.Extensions.Options;

namespace PaymentSync.Xero;

static class XeroSetup
{
    public static void AddXero(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<XeroOptions>().BindConfiguration("Xero").ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<XeroOptions>, XeroOptionsRules>();
        builder.Services.AddSingleton<XeroClient>();
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
    }
}
