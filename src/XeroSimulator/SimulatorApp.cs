using XeroSimulator.Contacts;
using XeroSimulator.Gate;
using XeroSimulator.Identity;
using XeroSimulator.Invoices;
using XeroSimulator.Organisations;
using XeroSimulator.Payments;
using XeroSimulator.State;

namespace XeroSimulator;

/// <summary>Builds the simulator; tests start the same program in their own process.</summary>
public static class SimulatorApp
{
    internal const string DefaultUrl = "http://127.0.0.1:8090";

    /// <param name="args"><c>--urls URL</c> and <c>--state FILE</c>; without a file everything is forgotten at the end.</param>
    public static WebApplication Create(string[] args)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        if (string.IsNullOrEmpty(builder.Configuration[WebHostDefaults.ServerUrlsKey]))
            builder.WebHost.UseUrls(builder.Configuration["XERO_SIMULATOR_URL"] ?? DefaultUrl);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);

        var world = new World();
        builder.Services.AddSingleton(world);
        if (builder.Configuration["state"] is { Length: > 0 } path)
        {
            var state = new StateFile(path, world);
            state.Load();
            builder.Services.AddHostedService(_ => state);
        }

        var app = builder.Build();
        app.Use((context, next) =>
        {
            world.Late.Release();
            return next(context);
        });
        MapApi(app, new ApiGate(world));
        MapIdentity(app, new IdentityGate(world));
        SimulatorEndpoints.Map(app);
        app.MapGet("/health", () => "ok");
        app.Lifetime.ApplicationStarted.Register(() => Console.WriteLine($"Xero simulator on {string.Join(", ", app.Urls)}"));
        return app;
    }

    private static void MapApi(WebApplication app, ApiGate gate)
    {
        var api = app.MapGroup("/api.xro/2.0");
        Map("GET", "/Organisation", "settings", OrganisationEndpoints.Organisation);
        Map("GET", "/Currencies", "settings", OrganisationEndpoints.Currencies);
        Map("GET", "/Accounts", "settings", OrganisationEndpoints.Accounts);
        Map("GET", "/TaxRates", "settings", OrganisationEndpoints.TaxRates);
        Map("GET", "/Contacts", "contacts", ContactEndpoints.List);
        Map("GET", "/Contacts/{id}", "contacts", ContactEndpoints.One);
        Map("PUT", "/Contacts", "contacts", ContactEndpoints.Create);
        Map("POST", "/Contacts", "contacts", ContactEndpoints.Update);
        Map("GET", "/Invoices", "invoices", InvoiceEndpoints.List);
        Map("GET", "/Invoices/{id}", "invoices", InvoiceEndpoints.One);
        Map("PUT", "/Invoices", "invoices", InvoiceEndpoints.Create);
        Map("POST", "/Invoices", "invoices", InvoiceEndpoints.Update);
        Map("POST", "/Invoices/{id}", "invoices", InvoiceEndpoints.UpdateOne);
        Map("GET", "/Payments", "payments", PaymentEndpoints.List);
        Map("GET", "/Payments/{id}", "payments", PaymentEndpoints.One);
        Map("PUT", "/Payments", "payments", PaymentEndpoints.Create);
        Map("POST", "/Payments", "payments", PaymentEndpoints.Create);
        Map("POST", "/Payments/{id}", "payments", PaymentEndpoints.Delete);
        api.Map("/{**rest}", gate.Around("ANY /unknown", "", _ => Answer.NotFound));

        void Map(string method, string path, string area, Func<ApiCall, Answer> handle) =>
            api.MapMethods(path, [method], gate.Around($"{method} {path}", area, handle));
    }

    private static void MapIdentity(WebApplication app, IdentityGate gate)
    {
        AuthorizeEndpoint.Map(app);
        app.MapPost("/connect/token", gate.Form("POST /connect/token", TokenEndpoint.Token));
        app.MapPost("/connect/revocation", gate.Form("POST /connect/revocation", TokenEndpoint.Revoke));
        app.MapGet("/connections", gate.Bearer("GET /connections", (token, _, world) => ConnectionEndpoints.List(token, world)));
        app.MapDelete("/connections/{id}", gate.Bearer("DELETE /connections/{id}", ConnectionEndpoints.Delete));
    }
}
