using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;
using PaymentSync.Recovery;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Replay;

/// <summary>
/// <c>POST /api/xero/sync/replay</c> makes one sync due again; <c>POST /api/syncs/{id}/resolve</c> is a person's decision about one that is held.
/// Neither ever sends anything itself, and neither touches a SUCCESS.
/// </summary>
static class ReplayEndpoints
{
    public static void MapReplay(this WebApplication app)
    {
        app.MapPost("/api/xero/sync/replay", ReplayAsync).WithTags("Replay").RequireAuthorization(Roles.Operator);
        app.MapPost("/api/syncs/{id:guid}/resolve", ResolveAsync).WithTags("Replay").RequireAuthorization(Roles.Operator);
    }

    internal sealed record ReplayBody(Guid? SyncId, Guid? PaymentLinkId, XeroSyncType? SyncType, string Reason);

    internal sealed record ReplayView(Guid SyncId, string Status, string? XeroInvoiceId, string? XeroPaymentId, string Message);

    /// <param name="Action">
    /// bookAsCharged (amount or currency mismatch), requeue (any other held code, and what was marked failed by mistake), requeueWithNewNumber (an invoice
    /// whose number is a voided document's or a stranger's), adopt (the document is in Xero already: needs xeroId; Xero is read, and only the right document is
    /// taken over) or markFailed (nothing but requeue books it any more).
    /// </param>
    /// <param name="XeroId">With adopt: the id of the document in Xero.</param>
    internal sealed record ResolveBody(string Action, string Reason, string? XeroId = null);

    internal static async Task<Results<Accepted<ReplayView>, Ok<ReplayView>, ProblemHttpResult>> ReplayAsync(ReplayBody body, NpgsqlDataSource database, Wakes wakes, RecoveryMode mode, AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(body.Reason))
            return Problems.BadRequest("replay.invalid", "reason must say why.");
        if (body.SyncId is null == (body.PaymentLinkId is null || body.SyncType is null))
            return Problems.BadRequest("replay.invalid", "Name the sync by syncId, or by paymentLinkId and syncType.");
        if (await mode.RefuseReplayAsync(cancellationToken) is { } recovering)
            return recovering;

        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // One guarded update; what the row was decides the answer. SUCCESS, a live lease and held codes are left alone.
        await using var command = new NpgsqlCommand("""
            WITH was AS (
              SELECT s.id, s.organization_id, s.status, s.failure_code, s.xero_invoice_id, s.xero_payment_id, s.document_number,
                     i.id AS invoice_sync FROM xero_syncs s
                LEFT JOIN xero_syncs i ON s.sync_type = 'PAYMENT' AND i.payment_link_id = s.payment_link_id AND i.sync_type = 'INVOICE' AND i.status <> 'SUCCESS'
               WHERE s.id = $1 OR (s.payment_link_id = $2 AND s.sync_type = $3) FOR UPDATE OF s),
            queued AS (
              UPDATE xero_syncs s SET next_retry_at = paymentsync.now(), due_because = 'REPLAY', retry_count = 0
                FROM was w WHERE s.id = w.id AND w.status IN ('PENDING', 'FAILED') AND w.invoice_sync IS NULL AND w.document_number IS NOT NULL
                 AND NOT (w.status = 'FAILED' AND paymentsync.is_held(w.failure_code))
              RETURNING s.id)
            SELECT w.id, w.organization_id, w.status::text, w.failure_code, w.xero_invoice_id, w.xero_payment_id, w.document_number IS NULL, w.invoice_sync, EXISTS (SELECT 1 FROM queued) FROM was w
            """, connection, transaction);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)body.SyncId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)body.PaymentLinkId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.AddWithValue(body.SyncType ?? XeroSyncType.INVOICE);
        // Not broken off by a caller that leaves: what is queued is in the audit log, and is woken.
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        if (!await reader.ReadAsync(CancellationToken.None))
            return Problems.NotFound("sync.unknown", "There is no such sync.");
        var (id, organisation, status, code) = (reader.GetGuid(0), reader.GetGuid(1), reader.GetString(2), reader.Nullable<string>(3));
        var view = new ReplayView(id, status, reader.Nullable<string>(4), reader.Nullable<string>(5), "It is in Xero already; nothing is sent again.");
        var (unfrozen, invoice, queued) = (reader.GetBoolean(6), reader.NullableValue<Guid>(7), reader.GetBoolean(8));
        await reader.CloseAsync();
        if (queued)
        {
            await audit.WriteAsync(http.User, "sync.replay", id.ToString(), body.Reason, CancellationToken.None, new { status, code }, transaction);
            await transaction.CommitAsync(CancellationToken.None);
            wakes.Wake(organisation);
            return TypedResults.Accepted($"/api/syncs/{id}", view with { Status = status, Message = "Queued. Where its outcome is unknown, Xero is asked first." });
        }
        return status switch
        {
            "SUCCESS" => TypedResults.Ok(view),
            "RETRYING" => Problems.Conflict("sync.running", "A worker is at it right now; look again in a moment."),
            _ when unfrozen => Problems.Conflict("sync.not_ready", $"Its document cannot be built yet ({code}); it goes on by itself once that is mended."),
            _ when invoice is { } blocking => Problems.Conflict("sync.waits_for_invoice", $"Its invoice is not in Xero yet; replay or resolve sync {blocking} instead."),
            _ => Problems.Conflict("sync.held", $"It is held ({code}) and a replay does not release it. Decide: POST /api/syncs/{id}/resolve."),
        };
    }

    internal static async Task<Results<Accepted<ReplayView>, Ok<ReplayView>, ProblemHttpResult>> ResolveAsync(Guid id, ResolveBody body, NpgsqlDataSource database, DocumentAdoption adoption, Wakes wakes, AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(body.Reason))
            return Problems.BadRequest("resolve.invalid", "reason must say why.");
        if (body.Action == NewNumber.Action)
            return await NewNumber.RequeueAsync(id, body.Reason, database, wakes, audit, http.User, cancellationToken);
        if (body.Action == "adopt")
            return await AdoptAsync(id, body, adoption, http.User, cancellationToken);
        var allowed = body.Action switch
        {
            "bookAsCharged" => "document_number IS NOT NULL AND failure_code IN ('payment.amount_mismatch', 'payment.currency_mismatch')",
            "requeue" => "document_number IS NOT NULL AND paymentsync.is_held(failure_code) AND failure_code NOT IN ('payment.amount_mismatch', 'payment.currency_mismatch') AND failure_code <> 'payment.document_unreadable'",
            // What may exist in Xero is looked up, not declared away.
            "markFailed" => "open_request_id IS NULL AND (document_number IS NOT NULL OR failure_code LIKE 'legacy.%')",
            _ => null,
        };
        if (allowed is null)
            return Problems.BadRequest("resolve.invalid", "action must be bookAsCharged, requeue, requeueWithNewNumber, adopt or markFailed.");
        var change = body.Action == "markFailed"
            ? $"failure_kind = 'PERMANENT', failure_code = '{FailureCodes.MarkedFailed}', error_message = $2, next_retry_at = NULL, released = array_append(s.released, s.failure_code)"
            : "status = 'PENDING', released = array_append(s.released, s.failure_code), failure_kind = NULL, failure_code = NULL, error_message = NULL, next_retry_at = paymentsync.now(), due_because = 'REPLAY', retry_count = 0";
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (body.Action != "markFailed" && await FormerTenantAsync(transaction, id, cancellationToken) is { } former)
            return Problems.Conflict("sync.other_tenant", $"Its document, or its invoice, is or may be in Xero tenant {former}, and the organisation is connected to another one. Connect that one again: the sync goes on there, or can be resolved.");
        if (body.Action == "requeue")
        {
            await using var prepare = new NpgsqlCommand("SELECT paymentsync.prepare_requeue($1)", connection, transaction);
            prepare.Parameters.AddWithValue(id);
            await prepare.ExecuteNonQueryAsync(cancellationToken);
        }
        await using var command = new NpgsqlCommand($"""
            WITH was AS (SELECT id, failure_code FROM xero_syncs WHERE id = $1 FOR UPDATE)
            UPDATE xero_syncs s SET {change} FROM was w WHERE s.id = w.id AND s.status = 'FAILED' AND {allowed.Replace("failure_code", "s.failure_code", StringComparison.Ordinal)}
            RETURNING s.organization_id, w.failure_code, s.status::text, s.xero_invoice_id, s.xero_payment_id
            """, connection, transaction);
        command.Parameters.AddWithValue(id);
        if (body.Action == "markFailed")
            command.Parameters.AddWithValue(body.Reason);
        // Not broken off by a caller that leaves: what is decided is in the audit log, and is woken.
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        if (!await reader.ReadAsync(CancellationToken.None))
            return Problems.Conflict("sync.not_resolvable", $"Sync {id} does not exist, or \"{body.Action}\" does not fit its state; see GET /api/syncs/{id}.");
        var (organisation, code) = (reader.GetGuid(0), reader.Nullable<string>(1));
        var view = new ReplayView(id, reader.GetString(2), reader.Nullable<string>(3), reader.Nullable<string>(4), "Released; it is booked now.");
        await reader.CloseAsync();
        await audit.WriteAsync(http.User, $"sync.{body.Action}", id.ToString(), body.Reason, CancellationToken.None, new { released = code }, transaction);
        await transaction.CommitAsync(CancellationToken.None);
        if (body.Action == "markFailed")
            return TypedResults.Ok(view with { Message = "Marked as failed; nothing is sent." });
        wakes.Wake(organisation);
        return TypedResults.Accepted($"/api/syncs/{id}", view);
    }

    /// <returns>The tenant that the sync's document, or its invoice, is or may be in, when the organisation is, or was last, connected to another one.</returns>
    static async Task<string?> FormerTenantAsync(NpgsqlTransaction transaction, Guid sync, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            SELECT t.tenant FROM xero_syncs s
              LEFT JOIN xero_syncs i ON i.payment_link_id = s.payment_link_id AND i.sync_type = 'INVOICE'
              JOIN paymentsync.connections c ON c.organization_id = s.organization_id
              CROSS JOIN LATERAL (SELECT coalesce(s.tenant_id, i.tenant_id) AS tenant) t
             WHERE s.id = $1 AND s.status = 'FAILED' AND t.tenant <> c.tenant_id
               AND coalesce(s.xero_invoice_id, s.xero_payment_id, s.open_request_id::text, i.xero_invoice_id, i.open_request_id::text) IS NOT NULL
            """, transaction.Connection, transaction);
        command.Parameters.AddWithValue(sync);
        return (string?)await command.ExecuteScalarAsync(cancellationToken);
    }

    static async Task<Results<Accepted<ReplayView>, Ok<ReplayView>, ProblemHttpResult>> AdoptAsync(Guid id, ResolveBody body, DocumentAdoption adoption, ClaimsPrincipal actor, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(body.XeroId))
            return Problems.BadRequest("resolve.invalid", "adopt needs xeroId, the id of the document in Xero.");
        var adopted = await adoption.AdoptAsync(id, body.XeroId.Trim(), onlyHeld: true, actor, body.Reason, cancellationToken);
        return adopted.Problem is { } refused ? refused : TypedResults.Ok(new ReplayView(id, "SUCCESS", adopted.XeroInvoiceId, adopted.XeroPaymentId, adopted.Message));
    }
}
