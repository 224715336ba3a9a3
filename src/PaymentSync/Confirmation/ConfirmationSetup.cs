using Microsoft.Extensions.Options;
using PaymentSync.Jobs;

namespace PaymentSync.Confirmation;

static class ConfirmationSetup
{
    public static void AddConfirmation(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<Confirmer>();
        builder.Services.AddOptions<WaitingDocumentsOptions>().BindConfiguration("WaitingDocuments").ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<WaitingDocumentsOptions>, WaitingDocumentsOptionsRules>();
        builder.Services.AddSingleton<WaitingDocuments>();
        builder.Services.AddSingleton<UnlinkedPayments>();
        builder.Services.AddRecurringJob<UnlinkedPayments>("unlinked-payments", TimeSpan.FromMinutes(5),
            "Makes money visible that named no payment link and that no other event explained within an hour.",
            async (unlinked, cancellationToken) => $"{await unlinked.MarkAsync(cancellationToken)} payments without a link are now UNMATCHED.");
    }

    public static void MapConfirmation(this WebApplication app)
    {
        app.MapOrganisations();
        app.MapPaymentLinks();
        app.MapEvents();
    }
}
