using Microsoft.Extensions.Options;

namespace PaymentSync.Recovery;

static class RecoverySetup
{
    public static void AddRecovery(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<RecoveryOptions>().BindConfiguration("Recovery").ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<RecoveryOptions>, RecoveryOptionsRules>();
        builder.Services.AddSingleton<RecoveryLease>();
        builder.Services.AddSingleton<RecoveryLog>();
        builder.Services.AddSingleton<RecoveryRun>();
        builder.Services.AddSingleton<RecoveryMode>();
        builder.Services.AddSingleton<RecoveryQueries>();
        builder.Services.AddSingleton<DocumentAdoption>();
        builder.Services.AddSingleton<RecoveryHealth>();
    }
}
