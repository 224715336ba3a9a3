using PaymentSync.Confirmation;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;
using PaymentSync.Recovery;
using PaymentSync.Replay;
using PaymentSync.Retention;
using PaymentSync.StripeWebhooks;
using PaymentSync.Telemetry;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;

namespace PaymentSync;

/// <summary>The whole service in pipeline order: Stripe → Confirmation → XeroSyncs → Jobs → Xero, and what operators need around it.</summary>
public static class Service
{
    internal const string DefaultUrl = "http://127.0.0.1:8080";

    /// <param name="chance">For back-off: a seeded one makes a run repeatable. Null: not to be foreseen.</param>
    /// <param name="parts">What configuration may choose from. Null: only our own.</param>
    public static WebApplication Create(string[] args, Random? chance = null, Parts? parts = null)
    {
        parts ??= new Parts();
        var builder = WebApplication.CreateBuilder(args);
        if (string.IsNullOrEmpty(builder.Configuration[WebHostDefaults.ServerUrlsKey]))
            builder.WebHost.UseUrls(builder.Configuration["PAYMENTSYNC_URL"] ?? DefaultUrl);
        // Who sends a SIGTERM usually kills 30 s later. A call still on its way by then is looked up by whoever claims its rows next.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(25));
        // A start that fails is told by RunAsync in one sentence; the host would tell it before, with its stack.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        builder.AddDatabase();
        builder.AddStripeWebhooks(parts);
        builder.AddConfirmation();
        builder.AddXeroSyncs();
        if (chance is not null)
            builder.Services.AddSingleton(chance);
        builder.AddJobs(parts);
        builder.AddXero(parts);
        builder.AddRecovery();
        builder.AddRetention();
        builder.AddOperators();
        builder.AddTelemetry();

        var app = builder.Build();
        app.UseProblems();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapStripeWebhooks();
        app.MapConfirmation();
        app.MapXeroSyncs();
        app.MapJobs();
        app.MapXeroConnections();
        app.MapReplay();
        app.MapRecovery();
        app.MapHealth();
        app.MapOpenApi();
        parts.Routes.ForEach(map => map(app));
        return app;
    }

    /// <returns>The exit code: 0 after a clean stop, 1 when a setting or the database makes it impossible to start; the sentence says which.</returns>
    public static async Task<int> RunAsync(string[] args, Parts? parts = null)
    {
        try
        {
            await using var app = Create(args, parts: parts);
            await app.RunAsync();
            return 0;
        }
        catch (Exception problem) when (StartException.Explain(problem) is { } sentence)
        {
            await Console.Error.WriteLineAsync($"PaymentSync did not start: {sentence}");
            return 1;
        }
    }
}
