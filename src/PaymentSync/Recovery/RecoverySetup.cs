using Microsoft.Extensions.Options;
using PaymentSync.Jobs;

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
        builder.Services.AddRecurringJob<RecoveryRun>("recovery", TimeSpan.FromMinutes(1), "Finds what crashes left behind or what contradicts itself, settles it or leaves it to a person.",
            async (recovery, cancellationToken) => await recovery.RunAsync("TIMER", dryRun: false, cancellationToken) is { } report
                ? $"Found {report.Found}, done {report.Done}, left to a person {report.LeftToAPerson}."
                : "Another run is at it.");
    }
}
