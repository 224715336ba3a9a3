using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Confirmation;

/// <summary><c>/api/events</c>: what providers told us, and what a person decides about what fits no row.</summary>
static class EventEndpoints
{
    public static void MapEvents(this WebApplication app)
    {
        var events = app.MapGroup("/api/events").WithTags("Events");
        events.MapGet("/", ListAsync).RequireAuthorization(Roles.Viewer);
        events.MapPost("/{id:guid}/replay", ReplayAsync).RequireAuthorization(Roles.Operator);
        events.MapPost("/{id:guid}/resolve", ResolveAsync).RequireAuthorization(Roles.Operator);
    }

    internal sealed record EventView(Guid Id, string? RunKey, string Provider, string Account, string SourceEventId, string EventType, string? Fact, string? ProviderPaymentId, string? Amount,
        string? Currency, string? LinkReference, string? StripePaymentLink, Guid? PaymentLinkId, string Status, string? Reason, string? Message, DateTime? OccurredAt, DateTime ReceivedAt);

    internal sealed record EventPage(IReadOnlyList<EventView> Items, string? NextCursor);

    /// <param name="Action">attach (needs paymentLinkId), settledElsewhere or ignore.</param>
    internal sealed record ResolveBody(string Action, string Reason, Guid? PaymentLinkId);

    internal sealed record ReplayBody(string? Reason);

    static readonly string[] Statuses = ["COMPLETED", "SUPERSEDED", "UNMATCHED", "QUARANTINED", "IGNORED", "NEEDS_ACTION"];

    internal sealed record HeardView(string Outcome, string? Reason, string? Message, Guid? PaymentLinkId);

    static async Task<Results<Ok<EventPage>, ProblemHttpResult>> ListAsync(PaymentSyncDbContext database, string? status, string? reason, string? q, string? cursor, CancellationToken cancellationToken, int limit = 50)
    {
        if (limit is < 1 or > 200)
            return Problems.BadRequest("list.limit", "limit must be between 1 and 200.");
        if (status is not null && !Statuses.Contains(status, StringComparer.Ordinal))
            return Problems.BadRequest("list.status", $"status must be one of {string.Join(", ", Statuses)}.");
        if (!Keyset.TryRead(cursor, out var after))
            return Problems.BadRequest("list.cursor", "The cursor is not one of ours; start without it.");
        var query = database.Events.AsQueryable();
        if (status is not null)
            query = query.Where(told => told.Status == status);
        if (reason is not null)
            query = query.Where(told => told.Reason == reason);
        if (q is not null)
            query = query.Where(told => told.ProviderPaymentId == q || told.SourceEventId == q || told.LinkReference == q || told.StripePaymentLink == q);
        if (after is { } point)
            query = query.Where(told => told.ReceivedAt < point.At || (told.ReceivedAt == point.At && told.Id < point.Id));
        var page = await query.OrderByDescending(told => told.ReceivedAt).ThenByDescending(told => told.Id).Take(limit + 1).ToListAsync(cancellationToken);
        var items = page.Take(limit).Select(View).ToList();
        return TypedResults.Ok(new EventPage(items, page.Count > limit ? Keyset.Write(page[limit - 1].ReceivedAt, page[limit - 1].Id) : null));
    }

    static async Task<Results<Ok<HeardView>, ProblemHttpResult>> ReplayAsync(Guid id, ReplayBody body, PaymentSyncDbContext context, Confirmer confirmer, AuditLog audit, HttpContext http,
        CancellationToken cancellationToken)
    {
        switch (await StatusAsync(id, context, cancellationToken))
        {
            case null:
                return Unknown(id);
            case "UNMATCHED":
                await audit.WriteAsync(http.User, "event.replay", id.ToString(), body.Reason, cancellationToken);
                return await confirmer.HearAgainAsync(id, link: null, cancellationToken) is { } heard ? TypedResults.Ok(View(heard)) : NotOpen(id);
            default:
                return Problems.Conflict("event.not_waiting", $"Event {id} is not UNMATCHED. One that needs action is resolved: POST /api/events/{id}/resolve.");
        }
    }

    static async Task<Results<Ok<HeardView>, ProblemHttpResult>> ResolveAsync(Guid id, ResolveBody body, NpgsqlDataSource database, PaymentSyncDbContext context, Confirmer confirmer, AuditLog audit,
        HttpContext http, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(body.Reason))
            return Problems.BadRequest("resolve.invalid", "reason must say why.");
        if (body.Action is not ("attach" or "settledElsewhere" or "ignore"))
            return Problems.BadRequest("resolve.invalid", "action must be attach, settledElsewhere or ignore.");
        if (await StatusAsync(id, context, cancellationToken) is not { } status)
            return Unknown(id);
        switch (body.Action)
        {
            case "attach":
                if (body.PaymentLinkId is not { } link || !await context.PaymentLinks.AnyAsync(known => known.Id == link, cancellationToken))
                    return Problems.BadRequest("resolve.invalid", "attach needs the paymentLinkId of a link that exists.");
                if (status is not ("UNMATCHED" or "NEEDS_ACTION"))
                    return NotOpen(id);
                await audit.WriteAsync(http.User, "event.attach", id.ToString(), body.Reason, cancellationToken, new { link });
                return await confirmer.HearAgainAsync(id, link, cancellationToken) is { } heard ? TypedResults.Ok(View(heard)) : NotOpen(id);
            default:
                return await CloseAsync(id, body, database, audit, http, cancellationToken);
        }
    }

    static async Task<Results<Ok<HeardView>, ProblemHttpResult>> CloseAsync(Guid id, ResolveBody body, NpgsqlDataSource database, AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = new NpgsqlCommand(
            "UPDATE paymentsync.events SET status = 'IGNORED', reason = $2, message = $3, updated_at = paymentsync.now() WHERE id = $1 AND status IN ('UNMATCHED', 'NEEDS_ACTION', 'QUARANTINED')", connection, transaction);
        command.Parameters.AddWithValue(id);
        command.Parameters.AddWithValue($"resolved.{body.Action}");
        command.Parameters.AddWithValue(body.Reason);
        if (await command.ExecuteNonQueryAsync(cancellationToken) == 0)
            return NotOpen(id);
        await audit.WriteAsync(http.User, $"event.{body.Action}", id.ToString(), body.Reason, cancellationToken, transaction: transaction);
        await transaction.CommitAsync(cancellationToken);
        return TypedResults.Ok(new HeardView("IGNORED", $"resolved.{body.Action}", body.Reason, PaymentLinkId: null));
    }

    static Task<string?> StatusAsync(Guid id, PaymentSyncDbContext context, CancellationToken cancellationToken) =>
        context.Events.Where(known => known.Id == id).Select(known => known.Status).FirstOrDefaultAsync(cancellationToken);

    static ProblemHttpResult Unknown(Guid id) => Problems.NotFound("event.unknown", $"There is no event {id}.");

    static ProblemHttpResult NotOpen(Guid id) => Problems.Conflict("event.not_open", $"Event {id} does not wait for a person.");

    static HeardView View(Heard heard) => new(heard.Outcome, heard.Reason, heard.Message, heard.PaymentLinkId);

    static EventView View(PaymentEvent told) => new(told.Id, told.RunKey, told.Provider, told.Account, told.SourceEventId, told.EventType, told.Fact, told.ProviderPaymentId,
        told.Amount is { } amount ? Money.Format(amount) : null, told.Currency, told.LinkReference, told.StripePaymentLink, told.PaymentLinkId, told.Status, told.Reason, told.Message, told.OccurredAt, told.ReceivedAt);
}
