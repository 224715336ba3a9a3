namespace PaymentSync.Confirmation;

static class ConfirmationSetup
{
    public static void AddConfirmation(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<Confirmer>();
        builder.Services.AddSingleton<UnlinkedPayments>();
    }

    public static void MapConfirmation(this WebApplication app)
    {
        app.MapOrganisations();
        app.MapPaymentLinks();
        app.MapEvents();
    }
}
