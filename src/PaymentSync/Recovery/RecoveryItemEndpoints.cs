using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;
using PaymentSync.Replay;

namespace PaymentSync.Recovery;

/// <summary><c>/api/recovery/items</c>: what was found, and a person's decision about what is left.</summary>
static class RecoveryItemEndpoints
{
    static readonly string[] Statuses = ["DONE", "OPEN", "RESOLVED"];

    public static void MapRecoveryItems(this WebApplication app)
    {
        var items = app.MapGroup("/api/recovery/items").WithTags("Recovery");
        items.MapGet("/", ListAsync).RequireAuthorization(Roles.Viewer);
        items.MapPost("/{id:guid}/resolve", ResolveAsync).RequireAuthorization(Roles.Operator);
    }

    internal sealed record ItemPage(IReadOnlyList<RecoveryItem> Items, string? NextCursor);

    /// <param name="Action">
    /// adopt (needs xeroId; Xero is read, and only the right document is taken over), requeue, requeueWithNewNumber, bookAsCharged, markFailed (as
    /// for the sync itself), or settledElsewhere (nothing is changed, the item is closed).
    /// </param>
    internal sealed record ResolveBody(string Action, string Reason, string? XeroId = null);

    internal sealed record ResolvedView(Guid ItemId, string Resolution, string Message);

    static async Task<Results<Ok<ItemPage>, ProblemHttpResult>> ListAsync([AsParameters] RecoveryQueries.ItemFilter filter, RecoveryQueries queries, string? cursor, CancellationToken cancellationToken, int limit = 50)
    {
        if (limit is < 1 or > 200)
            return Problems.BadRequest("list.limit", "limit must be between 1 and 200.");
        if (filter.Status is not null && !Statuses.Contains(filter.Status, StringComparer.Ordinal))
            return Problems.BadRequest("list.status", $"status must be one of {string.Join(", ", Statuses)}.");
        if (!Keyset.TryRead(cursor, out var after))
            return Problems.BadRequest("list.cursor", "The cursor is not one of ours; start without it.");
        var page = await queries.ItemsAsync(filter, after, limit + 1, cancellationToken);
        var items = page.Take(limit).ToList();
        return TypedResults.Ok(new ItemPage(items, page.Count > limit ? Keyset.Write(items[^1].CreatedAt, items[^1].Id) : null));
    }

    static async Task<Results<Ok<ResolvedView>, ProblemHttpResult>> ResolveAsync(Guid id, ResolveBody body, RecoveryQueries queries, DocumentAdoption adoption, RecoveryMode mode, NpgsqlDataSource database, Wakes wakes,
        AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(body.Reason))
            return Problems.BadRequest("resolve.invalid", "reason must say why.");
        if (await queries.ItemAsync(id, cancellationToken) is not { } item)
            return Problems.NotFound("item.unknown", $"There is no recovery item {id}.");
        if (item.Status != "OPEN")
            return Problems.Conflict("item.not_open", $"Item {id} does not wait for a person: it is {item.Status}.");

        string message;
        switch (body.Action)
        {
            case "settledElsewhere":
                message = "Closed; nothing else was changed.";
                break;
            case "adopt" or "requeue" or "requeueWithNewNumber" or "bookAsCharged" or "markFailed" when item.SyncId is null:
                return Problems.Conflict("item.no_sync", $"Item {id} is about {item.Subject}, not about one sync. Settle that (an event: POST /api/events/{{id}}/resolve), then settledElsewhere closes the item.");
            case "adopt":
                if (string.IsNullOrWhiteSpace(body.XeroId))
                    return Problems.BadRequest("resolve.invalid", "adopt needs xeroId, the id of the document in Xero.");
                var adopted = await adoption.AdoptAsync(item.SyncId!.Value, body.XeroId.Trim(), onlyHeld: false, http.User, body.Reason, cancellationToken);
                if (adopted.Problem is { } refused)
                    return refused;
                message = adopted.Message;
                break;
            case "requeue" or "requeueWithNewNumber" or "bookAsCharged" or "markFailed":
                var (problem, said) = await DecideAsync(item.SyncId!.Value, body, mode, database, adoption, wakes, audit, http, cancellationToken);
                if (problem is not null)
                    return problem;
                message = said;
                break;
            default:
                return Problems.BadRequest("resolve.invalid", "action must be adopt, requeue, requeueWithNewNumber, bookAsCharged, markFailed or settledElsewhere.");
        }
        return await CloseAsync(item, body, database, audit, http.User, cancellationToken) ? TypedResults.Ok(new ResolvedView(id, body.Action, message)) : Problems.Conflict("item.not_open", $"Somebody else has just resolved item {id}.");
    }

    /// <summary>The same verbs as for the sync itself. A row that is not held has nothing to release: requeue is a replay then.</summary>
    static async Task<(ProblemHttpResult? Problem, string Message)> DecideAsync(Guid sync, ResolveBody body, RecoveryMode mode, NpgsqlDataSource database, DocumentAdoption adoption, Wakes wakes, AuditLog audit, HttpContext http,
        CancellationToken cancellationToken)
    {
        var answer = body.Action == "requeue" && !await IsHeldAsync(database, sync, cancellationToken)
            ? await ReplayEndpoints.ReplayAsync(new(sync, null, null, body.Reason), database, wakes, mode, audit, http, cancellationToken)
            : await ReplayEndpoints.ResolveAsync(sync, new(body.Action, body.Reason), database, adoption, wakes, audit, http, cancellationToken);
        return answer.Result switch
        {
            ProblemHttpResult problem => (problem, ""),
            IValueHttpResult { Value: ReplayEndpoints.ReplayView view } => (null, view.Message),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }

    static async Task<bool> IsHeldAsync(NpgsqlDataSource database, Guid sync, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT EXISTS (SELECT 1 FROM xero_syncs WHERE id = $1 AND status = 'FAILED' AND paymentsync.is_held(failure_code))");
        command.Parameters.AddWithValue(sync);
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    static async Task<bool> CloseAsync(RecoveryItem item, ResolveBody body, NpgsqlDataSource database, AuditLog audit, ClaimsPrincipal actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = new NpgsqlCommand(
            "UPDATE paymentsync.recovery_items SET status = 'RESOLVED', resolved_at = paymentsync.now(), resolution = $2, resolved_by = $3, reason = $4 WHERE id = $1 AND status = 'OPEN'", connection, transaction);
        command.Parameters.AddWithValue(item.Id);
        command.Parameters.AddWithValue(body.Action);
        command.Parameters.AddWithValue(actor.Identity?.Name ?? "unknown");
        command.Parameters.AddWithValue(body.Reason);
        if (await command.ExecuteNonQueryAsync(cancellationToken) == 0)
            return false;
        await audit.WriteAsync(actor, $"recovery.item.{body.Action}", item.Subject, body.Reason, cancellationToken, new { item = item.Id, item.Kind, body.XeroId }, transaction);
        await transaction.CommitAsync(cancellationToken);
        return true;
    }
}
