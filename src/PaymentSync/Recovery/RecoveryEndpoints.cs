using Microsoft.AspNetCore.Http.HttpResults;
using PaymentSync.Database;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Recovery;

/// <summary><c>/api/recovery/reports</c> and <c>/api/recovery/runs</c>: what recovery found and did, and a run by an operator's order.</summary>
static class RecoveryEndpoints
{
    const int ItemsInText = 200;

    public static void MapRecovery(this WebApplication app)
    {
        var recovery = app.MapGroup("/api/recovery").WithTags("Recovery");
        recovery.MapGet("/reports", ListAsync).RequireAuthorization(Roles.Viewer);
        recovery.MapGet("/reports/{id:guid}", ShowAsync).RequireAuthorization(Roles.Viewer);
        recovery.MapPost("/runs", RunAsync).RequireAuthorization(Roles.Operator);
        app.MapRecoveryItems();
    }

    internal sealed record ReportPage(IReadOnlyList<RecoveryReport> Items, string? NextCursor);

    /// <param name="Report">Its items come with it, at most 200; <c>GET /api/recovery/items?reportId=</c> has all.</param>
    internal sealed record ReportView(RecoveryReport Report, IReadOnlyList<RecoveryItem> Items);

    internal sealed record RunBody(bool DryRun = false, string? Reason = null);

    static async Task<Results<Ok<ReportPage>, ContentHttpResult, ProblemHttpResult>> ListAsync(RecoveryQueries queries, HttpRequest request, string? cursor, CancellationToken cancellationToken, int limit = 50)
    {
        if (limit is < 1 or > 200)
            return Problems.BadRequest("list.limit", "limit must be between 1 and 200.");
        if (!Keyset.TryRead(cursor, out var after))
            return Problems.BadRequest("list.cursor", "The cursor is not one of ours; start without it.");
        var page = await queries.ReportsAsync(after, limit + 1, cancellationToken);
        var items = page.Take(limit).ToList();
        return WantsText(request)
            ? TypedResults.Text(items.Count == 0 ? "Recovery has found nothing yet.\n" : string.Concat(items.Select(report => report.AsText([]))))
            : TypedResults.Ok(new ReportPage(items, page.Count > limit ? Keyset.Write(items[^1].StartedAt, items[^1].Id!.Value) : null));
    }

    static async Task<Results<Ok<ReportView>, ContentHttpResult, ProblemHttpResult>> ShowAsync(Guid id, RecoveryQueries queries, HttpRequest request, CancellationToken cancellationToken)
    {
        if (await queries.ReportAsync(id, cancellationToken) is not { } report)
            return Problems.NotFound("report.unknown", $"There is no recovery report {id}.");
        var items = await queries.ItemsAsync(new(null, null, null, null, id, null), after: null, ItemsInText, cancellationToken);
        return WantsText(request) ? TypedResults.Text(report.AsText(items)) : TypedResults.Ok(new ReportView(report, items));
    }

    static async Task<Results<Ok<RecoveryReport>, ContentHttpResult, ProblemHttpResult>> RunAsync(RunBody? body, RecoveryRun recovery, AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        var dryRun = body?.DryRun == true;
        await audit.WriteAsync(http.User, "recovery.run", dryRun ? "dry run" : "run", body?.Reason, cancellationToken);
        if (await recovery.RunAsync("OPERATOR", dryRun, cancellationToken) is not { } report)
            return Problems.Conflict("recovery.running", "Another run of recovery is at it; look at GET /api/recovery/reports in a moment.");
        return WantsText(http.Request) ? TypedResults.Text(report.AsText([])) : TypedResults.Ok(report);
    }

    static bool WantsText(HttpRequest request) => request.GetTypedHeaders().Accept is [{ MediaType.Value: "text/plain" }, ..];
}
