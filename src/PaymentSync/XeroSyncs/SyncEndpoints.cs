using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using PaymentSync.Confirmation;
using PaymentSync.Database;
using PaymentSync.OperatorConsole;

namespace PaymentSync.XeroSyncs;

/// <summary><c>GET /api/syncs</c> (newest first, by keyset) and <c>GET /api/syncs/{id}</c> with its attempts.</summary>
static class SyncEndpoints
{
    public static void MapSyncs(this WebApplication app)
    {
        var syncs = app.MapGroup("/api/syncs").WithTags("Syncs").RequireAuthorization(Roles.Viewer);
        syncs.MapGet("/", ListAsync);
        syncs.MapGet("/{id:guid}", ShowAsync);
    }

    /// <summary>A PAYMENT that waits for its invoice shows the invoice's reason.</summary>
    internal sealed record SyncView(Guid Id, Guid PaymentLinkId, Guid? OrganizationId, string SyncType, string Status, string? XeroInvoiceId, string? XeroPaymentId, string? DocumentNumber,
        string? Amount, string? Currency, int RetryCount, DateTime? NextRetryAt, string? FailureKind, string? FailureCode, string? ErrorMessage, int Attempt, DateTime CreatedAt, DateTime UpdatedAt);

    internal sealed record SyncPage(IReadOnlyList<SyncView> Items, string? NextCursor);

    internal sealed record SyncDetail(SyncView Sync, string? Provider, string? ProviderPaymentId, string? TenantId, Guid? OpenRequestId, IReadOnlyList<string> Released, JsonElement Document,
        JsonElement? Response, IReadOnlyList<AttemptView> Attempts);

    internal sealed record AttemptView(int Attempt, string Trigger, string Worker, string Stage, DateTime StartedAt, DateTime EndedAt, string Outcome, string? FailureKind, string? FailureCode,
        string? Message, int? HttpStatus, string? CorrelationId, Guid? RequestId);

    internal sealed record Filter(XeroSyncStatus? Status, XeroSyncType? Type, Guid? OrganizationId, string? FailureKind, string? FailureCode, string? Q);

    static async Task<Results<Ok<SyncPage>, ProblemHttpResult>> ListAsync([AsParameters] Filter filter, string? cursor, PaymentSyncDbContext database, CancellationToken cancellationToken, int limit = 50)
    {
        if (limit is < 1 or > 200)
            return Problems.BadRequest("list.limit", "limit must be between 1 and 200.");
        if (!Keyset.TryRead(cursor, out var after))
            return Problems.BadRequest("list.cursor", "The cursor is not one of ours; start without it.");
        var query = Matching(database, filter);
        if (after is { } point)
            query = query.Where(sync => sync.CreatedAt < point.At || (sync.CreatedAt == point.At && sync.Id < point.Id));
        var page = await query.OrderByDescending(sync => sync.CreatedAt).ThenByDescending(sync => sync.Id).Take(limit + 1).ToListAsync(cancellationToken);
        var items = page.Take(limit).ToList();
        var reasons = await InvoiceReasonsAsync(database, items, cancellationToken);
        return TypedResults.Ok(new SyncPage([.. items.Select(sync => View(sync, reasons.GetValueOrDefault(sync.PaymentLinkId)))],
            page.Count > limit ? Keyset.Write(items[^1].CreatedAt, items[^1].Id) : null));
    }

    static async Task<Results<Ok<SyncDetail>, ProblemHttpResult>> ShowAsync(Guid id, PaymentSyncDbContext database, CancellationToken cancellationToken)
    {
        if (await database.Syncs.FirstOrDefaultAsync(sync => sync.Id == id, cancellationToken) is not { } sync)
            return Problems.NotFound("sync.unknown", $"There is no sync {id}.");
        var reasons = await InvoiceReasonsAsync(database, [sync], cancellationToken);
        var attempts = await database.Attempts.Where(attempt => attempt.SyncId == id).OrderBy(attempt => attempt.Attempt).ToListAsync(cancellationToken);
        return TypedResults.Ok(new SyncDetail(View(sync, reasons.GetValueOrDefault(sync.PaymentLinkId)), sync.Provider, sync.ProviderPaymentId, sync.TenantId, sync.OpenRequestId, sync.Released,
            Json(sync.RequestPayload), sync.ResponsePayload is { } response ? Json(response) : null,
            [.. attempts.Select(tried => new AttemptView(tried.Attempt, tried.Trigger, tried.Worker, tried.Stage, tried.StartedAt, tried.EndedAt, tried.Outcome, tried.FailureKind, tried.FailureCode, tried.Message, tried.HttpStatus, tried.CorrelationId, tried.RequestId))]));
    }

    static IQueryable<XeroSync> Matching(PaymentSyncDbContext database, Filter filter)
    {
        var query = database.Syncs.AsQueryable();
        if (filter.Status is { } status)
            query = query.Where(sync => sync.Status == status);
        if (filter.Type is { } type)
            query = query.Where(sync => sync.SyncType == type);
        if (filter.OrganizationId is { } organisation)
            query = query.Where(sync => sync.OrganizationId == organisation);
        if (filter.FailureKind is { } kind)
            query = query.Where(sync => sync.FailureKind == kind);
        if (filter.FailureCode is { } code)
            query = query.Where(sync => sync.FailureCode == code);
        if (filter.Q is { } text)
        {
            // Exact matches of what people paste: a payment id, a number, a link, a Xero id. Each has an index.
            query = Guid.TryParse(text, out var id)
                ? query.Where(sync => sync.Id == id || sync.PaymentLinkId == id || sync.XeroInvoiceId == text || sync.XeroPaymentId == text)
                : query.Where(sync => sync.ProviderPaymentId == text || sync.DocumentNumber == text);
        }
        return query;
    }

    /// <summary>Why the invoices of waiting payments are not in Xero, by link.</summary>
    static async Task<Dictionary<Guid, XeroSync>> InvoiceReasonsAsync(PaymentSyncDbContext database, IEnumerable<XeroSync> syncs, CancellationToken cancellationToken)
    {
        var links = syncs.Where(sync => sync.FailureCode == FailureCodes.WaitingForInvoice).Select(sync => sync.PaymentLinkId).ToArray();
        return links.Length == 0
            ? []
            : await database.Syncs.Where(sync => links.Contains(sync.PaymentLinkId) && sync.SyncType == XeroSyncType.INVOICE && sync.FailureCode != null).ToDictionaryAsync(sync => sync.PaymentLinkId, cancellationToken);
    }

    static SyncView View(XeroSync sync, XeroSync? invoice) => new(sync.Id, sync.PaymentLinkId, sync.OrganizationId, sync.SyncType.ToString(), sync.Status.ToString(), sync.XeroInvoiceId, sync.XeroPaymentId,
        sync.DocumentNumber, sync.Amount is { } amount ? Money.Format(amount) : null, sync.Currency, sync.RetryCount, sync.NextRetryAt, sync.FailureKind, sync.FailureCode,
        sync.ErrorMessage ?? (sync.FailureCode == FailureCodes.WaitingForInvoice && invoice is not null ? $"Waits for its invoice: {invoice.FailureCode}: {invoice.ErrorMessage}" : null),
        sync.Attempt, sync.CreatedAt, sync.UpdatedAt);

    static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
