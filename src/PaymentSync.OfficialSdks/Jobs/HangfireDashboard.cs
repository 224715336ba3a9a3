using System.Security.Claims;
using Hangfire;
using Hangfire.Dashboard;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authorization;
using Npgsql;
using PaymentSync.OperatorConsole;

namespace PaymentSync.OfficialSdks.Jobs;

/// <summary>
/// Hangfire's own pages at /hangfire, for operators: by key, or by the session that the form at /hangfire/sign-in gives. Viewers look; operators and admins may
/// requeue, delete and trigger, and each such order is in the audit log before it is carried out.
/// </summary>
static class HangfireDashboard
{
    const string Pages = "/hangfire";

    public static void Add(IServiceCollection services)
    {
        HangfireFigures.Show();
        services.AddSingleton<HangfireFigures>();
        // What the dashboard looks for, with our filters in place of the global ones.
        services.AddSingleton<IGlobalConfiguration>(GlobalConfiguration.Configuration);
        services.AddSingleton(DashboardRoutes.Routes);
        services.AddSingleton<ITimeZoneResolver, DefaultTimeZoneResolver>();
        services.AddSingleton<IBackgroundJobClient>(provider => provider.GetRequiredService<HangfireStorage>().Client);
        services.AddSingleton<IRecurringJobManager>(provider => provider.GetRequiredService<HangfireStorage>().Recurring);
    }

    public static void Map(WebApplication app)
    {
        // The configuration may have chosen another engine.
        if (app.Services.GetService<HangfireEngine>() is null)
            return;
        app.UseWhen(http => http.Request.Path.StartsWithSegments(Pages, StringComparison.OrdinalIgnoreCase), pages => pages.Use(GuardAsync));
        var signIn = app.MapSignIn(Pages);
        app.MapHangfireDashboardWithNoAuthorizationFilters(Pages, new DashboardOptions
        {
            DashboardTitle = "PaymentSync jobs",
            AppPath = null,
            DisplayStorageConnectionString = false,
            IsReadOnlyFunc = context => !MayAct(context.GetHttpContext().User),
        }, app.Services.GetRequiredService<HangfireStorage>().Storage)
            .RequireAuthorization(new AuthorizeAttribute(Roles.Viewer) { AuthenticationSchemes = OperatorSession.KeyOrSession }).WithMetadata(signIn);
    }

    static bool MayAct(ClaimsPrincipal who) => Roles.AtLeast(Roles.Operator).Any(who.IsInRole);

    /// <summary>Between authorisation and Hangfire, which tells nobody what it was ordered.</summary>
    static async Task GuardAsync(HttpContext http, RequestDelegate next)
    {
        http.Response.Headers.XFrameOptions = "DENY";
        http.Request.Path.StartsWithSegments(Pages, StringComparison.OrdinalIgnoreCase, out var rest);
        // Its figures are asked for by POST; the forms have their own rules.
        if (!HttpMethods.IsGet(http.Request.Method) && rest.Value is { } path and not ("/stats" or "/sign-in" or "/sign-out") && await RefuseAsync(http, path) is { } refusal)
        {
            await refusal.ExecuteAsync(http);
            return;
        }
        try
        {
            await next(http);
        }
        catch (PostgresException problem) when (problem.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName && !http.Response.HasStarted)
        {
            await Problems.Unavailable("hangfire.tables_missing", "Hangfire's tables are not there yet; they are made in the background. Syncs do not wait for them.").ExecuteAsync(http);
        }
    }

    /// <returns>Why not; null once the order is in the audit log.</returns>
    static async Task<IResult?> RefuseAsync(HttpContext http, string path)
    {
        if (!MayAct(http.User))
            return Problems.Forbidden("operator_key.role", "This key's role does not allow that.");
        if (!await http.RequestServices.GetRequiredService<IAntiforgery>().IsRequestValidAsync(http))
            return Problems.BadRequest("form.invalid", "This page was open for too long, or the order came from elsewhere. Load it again.");
        var (action, target) = (path.Trim('/').Replace('/', '.'), "");
        if (http.Request.HasFormContentType)
            target = string.Join(", ", (await http.Request.ReadFormAsync(http.RequestAborted))["jobs[]"].OfType<string>());
        // Pages of one job have its id in their address: jobs/actions/requeue/12.
        if (target.Length == 0 && action.LastIndexOf('.') is var dot and > 0)
            (action, target) = (action[..dot], action[(dot + 1)..]);
        await http.RequestServices.GetRequiredService<AuditLog>().WriteAsync(http.User, $"hangfire.{action}", target, reason: null, http.RequestAborted);
        return null;
    }
}
