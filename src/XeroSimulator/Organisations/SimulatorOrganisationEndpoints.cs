using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using XeroSimulator.Gate;
using XeroSimulator.Identity;

namespace XeroSimulator.Organisations;

/// <summary>/simulator/organisations: found one, look at them, change one while integrations run.</summary>
internal static class SimulatorOrganisationEndpoints
{
    private const int StarterDayLimit = 1000;

    public static void Map(RouteGroupBuilder simulator)
    {
        simulator.MapPost("/organisations", Found);
        simulator.MapGet("/organisations", (World world) => world.Organisations.Select(organisation => OrganisationAnswer.Of(organisation, app: null)));
        simulator.MapGet("/organisations/{tenantId:guid}", One);
        simulator.MapPatch("/organisations/{tenantId:guid}", Change);
    }

    private static Results<Created<OrganisationAnswer>, BadRequest<string>, Conflict<string>> Found(JsonElement body, World world)
    {
        try
        {
            var clientId = Optional(body, "clientId") ?? $"client-{Guid.NewGuid():N}";
            if (world.Identity.IsTaken(clientId))
                return TypedResults.Conflict($"An app with the client id {clientId} exists already.");
            var secret = Optional(body, "clientSecret") ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
            var name = Optional(body, "name") ?? "Organisation " + Guid.NewGuid().ToString("N")[..6];
            var starter = body.Flag("starter") ?? false;
            var settings = OrganisationPatch.Apply(DefaultOrganisation.Settings(name) with { DayLimit = starter ? StarterDayLimit : 5000 }, body);
            if (!settings.Currencies.Contains(settings.BaseCurrency))
                settings = settings with { Currencies = [settings.BaseCurrency, .. settings.Currencies] };

            var tenantId = body.Id("tenantId") ?? Guid.NewGuid();
            if (world.Organisation(tenantId) is not null)
                return TypedResults.Conflict($"The organisation {tenantId} exists already.");
            var organisation = new Organisation(tenantId, settings, DefaultOrganisation.Accounts());
            OrganisationPatch.ApplyAccounts(organisation, body);
            var app = new ClientApp(clientId, secret, name + " custom connection", organisation.TenantId);
            world.Add(organisation);
            world.Identity.Register(app);
            return TypedResults.Created($"/simulator/organisations/{organisation.TenantId}", OrganisationAnswer.Of(organisation, app));
        }
        catch (BadRequestException refused)
        {
            return TypedResults.BadRequest(refused.Message);
        }
    }

    private static Results<Ok<OrganisationAnswer>, NotFound> One(Guid tenantId, World world) =>
        world.Organisation(tenantId) is { } organisation ? TypedResults.Ok(OrganisationAnswer.Of(organisation, app: null)) : TypedResults.NotFound();

    private static Results<Ok<OrganisationAnswer>, NotFound, BadRequest<string>> Change(Guid tenantId, JsonElement body, World world)
    {
        if (world.Organisation(tenantId) is not { } organisation)
            return TypedResults.NotFound();
        try
        {
            lock (organisation.Gate)
            {
                organisation.Change(OrganisationPatch.Apply(organisation.Settings, body));
                OrganisationPatch.ApplyAccounts(organisation, body);
            }
        }
        catch (BadRequestException refused)
        {
            return TypedResults.BadRequest(refused.Message);
        }

        return TypedResults.Ok(OrganisationAnswer.Of(organisation, app: null));
    }

    private static string? Optional(JsonElement body, string name) => body.Text(name) is { Length: > 0 } text ? text : null;
}

/// <param name="ClientSecret">Told once, when the organisation is founded.</param>
internal sealed record OrganisationAnswer(
    Guid TenantId,
    string Name,
    string BaseCurrency,
    IReadOnlyList<string> Currencies,
    string? ClientId,
    string? ClientSecret,
    int DayLimit,
    int? InvoiceLimit,
    DateOnly? PeriodLockDate,
    DateOnly? EndOfYearLockDate,
    string Timezone,
    int LatencyMilliseconds,
    AnswerOrder AnswerOrder,
    IReadOnlyList<AccountAnswer> Accounts)
{
    public static OrganisationAnswer Of(Organisation organisation, ClientApp? app)
    {
        var settings = organisation.Settings;
        lock (organisation.Gate)
        {
            return new(
                organisation.TenantId, settings.Name, settings.BaseCurrency, settings.Currencies, app?.ClientId, app?.Secret, settings.DayLimit,
                settings.InvoiceLimit, settings.PeriodLockDate, settings.EndOfYearLockDate, settings.TimeZone, (int)settings.Latency.TotalMilliseconds, settings.AnswerOrder,
                [.. organisation.Accounts.OrderBy(account => account.Code, StringComparer.Ordinal).Select(AccountAnswer.Of)]);
        }
    }
}

internal sealed record AccountAnswer(
    Guid AccountId, string Code, string Name, string Type, string? CurrencyCode, string TaxType, bool EnablePaymentsToAccount, string Status)
{
    public static AccountAnswer Of(Account account) => new(
        account.AccountId, account.Code, account.Name, account.Type, account.CurrencyCode, account.TaxType, account.EnablePayments,
        account.Archived ? "ARCHIVED" : "ACTIVE");
}
