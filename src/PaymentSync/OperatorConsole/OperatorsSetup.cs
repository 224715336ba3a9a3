using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Authentication;
using PaymentSync.Database;

namespace PaymentSync.OperatorConsole;

static class OperatorsSetup
{
    public static void AddOperators(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<OperatorKeys>();
        builder.Services.AddSingleton<AuditLog>();
        builder.Services.AddHostedService<SeedOperatorKeys>();
        builder.Services.AddAuthentication(OperatorKeyHandler.Name).AddScheme<AuthenticationSchemeOptions, OperatorKeyHandler>(OperatorKeyHandler.Name, configureOptions: null).AddOperatorSession();
        var authorisation = builder.Services.AddAuthorizationBuilder();
        foreach (var role in Roles.All)
            authorisation.AddPolicy(role, policy => policy.RequireRole(Roles.AtLeast(role)));
        builder.Services.AddProblemDetails();
        // Bad input is told in a sentence (see Problems) everywhere, not in Development only.
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        builder.Services.AddOpenApi();
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
            json.SerializerOptions.Converters.Add(new JsonStringEnumConverter());
            json.SerializerOptions.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        });
    }

    /// <summary>Hashes the configured keys on first start. Waits for nothing: a database that is away now is asked again at the next start.</summary>
    sealed class SeedOperatorKeys(OperatorKeys keys, IConfiguration configuration) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => keys.SeedAsync(configuration.GetSection("Operator:Keys").Get<string[]>() ?? [], cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
