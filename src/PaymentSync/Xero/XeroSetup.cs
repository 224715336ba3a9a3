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
        builder.Services.AddSingleton<XeroTokens>();
        builder.Services.AddSingleton<CallBudget>();
        builder.Services.AddSingleton<XeroWriter>();
        builder.Services.AddSingleton<XeroLookUps>();
    }
}
