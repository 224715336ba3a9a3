using Microsoft.Extensions.Options;
using PaymentSync.Jobs;

namespace PaymentSync.Retention;

static class RetentionSetup
{
    public static void AddRetention(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<RetentionOptions>().BindConfiguration("Retention").ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<RetentionOptions>, RetentionOptionsRules>();
        builder.Services.AddSingleton<RetentionJob>();
        builder.Services.AddRecurringJob<RetentionJob>("retention", TimeSpan.FromHours(1), "Deletes what is over and old: settled events, the journal of finished syncs, reports, counters.",
            (retention, cancellationToken) => retention.RunAsync(cancellationToken));
    }
}
