using Microsoft.Extensions.Options;

namespace PaymentSync.Retention;

static class RetentionSetup
{
    public static void AddRetention(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<RetentionOptions>().BindConfiguration("Retention").ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<RetentionOptions>, RetentionOptionsRules>();
        builder.Services.AddSingleton<RetentionJob>();
    }
}
