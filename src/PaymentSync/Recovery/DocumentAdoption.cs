using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;
using PaymentSync.Xero;

namespace PaymentSync.Recovery;

/// <summary>
/// A person says which document in Xero is a sync's own. Ids are written once, so Xero is read before anything is: only a document that fits is
/// taken over, and a wrong id leaves the row as it was.
/// </summary>
sealed class DocumentAdoption(NpgsqlDataSource database, XeroConnections connections, XeroTokens tokens, CallBudget budget, IXeroAccounting client, Telemetry.Metrics metrics, AuditLog audit, Wakes wakes)
{
    internal sealed record Result(ProblemHttpResult? Problem, string Message = "", string? XeroInvoiceId = null, string? XeroPaymentId = null);

    /// <param name="Contact">Of the frozen document; null on rows that an existing installation brought along, whose documents we did not make.</param>
    internal sealed record Row(Guid Id, Guid Organisation, bool IsInvoice, string Status, int Attempt, DateTime UpdatedAt, decimal? Amount, string? Currency, string? Contact, string? OwnXeroId, string? InvoiceId, string? TenantId, string? HeldFor);

    /// <param name="onlyHeld">Whether only a row that is held for a person may be given a document.</param>
    public async Task<Result> AdoptAsync(Guid sync, string xeroId, bool onlyHeld, ClaimsPrincipal actor, string reason, CancellationToken cancellationToken)
    {
        if (await FindAsync(sync, cancellationToken) is not { } row)
            return new(Problems.NotFound("sync.unknown", $"There is no sync {sync}."));
        if (row.OwnXeroId is { } known && (row.Status == "SUCCESS" || known != xeroId))
        {
            return known == xeroId
                ? Done(row, xeroId, "It has that document already.")
                : new(Problems.Conflict("adopt.has_document", $"The sync has document {known} already; an id is written once."));
        }
        if (row.Status == "RETRYING")
            return new(Problems.Conflict("sync.running", "A worker is at it right now; look again in a moment."));
        if (onlyHeld && row.HeldFor is null)
            return new(Problems.Conflict("sync.not_resolvable", $"Sync {sync} is not held for a person, so \"adopt\" does not fit its state; see GET /api/syncs/{sync}."));
        if (!row.IsInvoice && row.InvoiceId is null)
            return new(Problems.Conflict("adopt.invoice_first", "Its invoice is not in Xero as far as is known; settle the INVOICE sync of the same link first."));

        var (invoices, tenant, problem) = await ReadAsync(row, row.IsInvoice ? xeroId : row.InvoiceId!, cancellationToken);
        if (problem is not null)
            return new(problem);
        var judged = Judge(row, xeroId, invoices!);
        if (judged.Response is null)
            return new(Problems.Conflict("adopt.differs", judged.Why));
        return await WriteAsync(row, xeroId, tenant!, judged.Response, actor, reason, cancellationToken);
    }

    /// <summary>What the worker checks when it adopts: the id, a live document, amount, currency and, where it is ours, the contact.</summary>
    /// <returns>The small copy to keep, or why not.</returns>
    internal static (string? Response, string Why) Judge(Row row, string xeroId, IReadOnlyList<XeroInvoice> invoices)
    {
        if (invoices.FirstOrDefault(invoice => invoice.Id == (row.IsInvoice ? xeroId : row.InvoiceId)) is not { } found)
            return (null, $"Xero does not show invoice {(row.IsInvoice ? xeroId : row.InvoiceId)}.");
        if (found.IsGone || found.Type is not (null or "ACCREC") || found.Status is not ("AUTHORISED" or "PAID"))
            return (null, $"Invoice {found.Number} is {found.Status} {found.Type} in Xero; only an approved sales invoice can be adopted.");
        if (!row.IsInvoice)
        {
            return found.Payments.FirstOrDefault(payment => payment.Id == xeroId) is { } payment
                ? payment.Amount == row.Amount
                    ? (XeroAnswer.Small(payment with { InvoiceId = found.Id }), "")
                    : (null, $"Payment {xeroId} is over {payment.Amount}, but {row.Amount} {row.Currency} was paid.")
                : (null, $"Invoice {found.Number} carries no payment {xeroId}.");
        }
        if (found.Total != row.Amount || found.Currency != row.Currency)
            return (null, $"Invoice {found.Number} is over {found.Total} {found.Currency}, but {row.Amount} {row.Currency} was paid.");
        return row.Contact is null || string.Equals(found.Contact?.Trim(), row.Contact, StringComparison.OrdinalIgnoreCase)
            ? (XeroAnswer.Small(found), "")
            : (null, $"Invoice {found.Number} is for \"{found.Contact}\", but this sync's is for \"{row.Contact}\".");
    }

    async Task<(IReadOnlyList<XeroInvoice>? Invoices, string? Tenant, ProblemHttpResult? Problem)> ReadAsync(Row row, string invoice, CancellationToken cancellationToken)
    {
        static (IReadOnlyList<XeroInvoice>?, string?, ProblemHttpResult?) No(string why) => (null, null, Problems.Conflict("adopt.unreadable", $"{why} Nothing was changed; try again."));

        if (await connections.FindActiveAsync(row.Organisation, cancellationToken) is not { } connection)
            return No("The organisation is not connected to Xero, so the document cannot be read.");
        if (row.TenantId is not null && row.TenantId != connection.TenantId)
            return No("The organisation is connected to another Xero tenant than this sync was first sent to.");
        // No document of Xero's has such an id, and Xero would only refuse it; its SDK cannot even ask.
        if (!Guid.TryParse(invoice, out _))
            return ([], connection.TenantId, null);
        if (await tokens.GetAsync(connection, notThis: null, cancellationToken) is not XeroTokens.Answer.Granted granted)
            return No("There is no Xero token now.");
        var session = new XeroSession(connection, $"adopt:{row.Id:N}", granted.AccessToken, tokens, budget);
        if (await session.ReserveAsync(forLook: true, cancellationToken) is not { } slot)
            return No($"The budget of Xero calls is used up for {session.Wait}.");
        // Not broken off once it is on its way: the slot is to be answered.
        var reply = await client.GetAsync("Invoices", $"?IDs={Uri.EscapeDataString(invoice)}&page=1&pageSize=100", session.Access, CancellationToken.None);
        await session.AnsweredAsync(slot, reply);
        metrics.XeroCalled("GET /Invoices", reply);
        return reply switch
        {
            XeroReply.Answered { Status: 200 } answered when XeroAnswer.Invoices(answered.Body) is { } invoices => (invoices, connection.TenantId, null),
            // Xero answers an id that cannot be one with a refusal, not with an empty list.
            XeroReply.Answered { Status: 400 or 404 } => ([], connection.TenantId, null),
            _ => No("Xero could not be read."),
        };
    }

    async Task<Result> WriteAsync(Row row, string xeroId, string tenant, string response, ClaimsPrincipal actor, string reason, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = new NpgsqlCommand("SELECT paymentsync.adopt_document($1, $2, $3, $4, $5, $6, $7, 'adopt', NULL, $8)", connection, transaction);
        command.Parameters.AddWithValue(row.Id);
        command.Parameters.AddWithValue(row.Attempt);
        command.Parameters.AddWithValue(row.UpdatedAt);
        command.Parameters.AddWithValue(xeroId);
        command.Parameters.AddWithValue(tenant);
        command.Parameters.Add(new NpgsqlParameter { Value = response, NpgsqlDbType = NpgsqlDbType.Jsonb });
        command.Parameters.AddWithValue(actor.Identity?.Name ?? "unknown");
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)row.HeldFor ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        try
        {
            if (!(bool)(await command.ExecuteScalarAsync(cancellationToken))!)
                return new(Problems.Conflict("adopt.moved", "The sync has moved on meanwhile; look at it again."));
        }
        catch (PostgresException taken) when (taken.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            return new(Problems.Conflict("adopt.taken", $"Document {xeroId} is another sync's already (GET /api/syncs?q={xeroId})."));
        }
        await audit.WriteAsync(actor, "sync.adopt", row.Id.ToString(), reason, cancellationToken, new { xeroId, released = row.HeldFor }, transaction);
        await transaction.CommitAsync(cancellationToken);
        wakes.Wake(row.Organisation);
        return Done(row, xeroId, $"Xero was read: {xeroId} fits, and is the sync's document now. Nothing is sent.");
    }

    static Result Done(Row row, string xeroId, string message) => row.IsInvoice ? new(null, message, xeroId) : new(null, message, row.InvoiceId, xeroId);

    async Task<Row?> FindAsync(Guid sync, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT s.organization_id, s.sync_type = 'INVOICE', s.status::text, s.attempt, s.updated_at, coalesce(s.amount, l.amount), coalesce(s.currency, l.invoice_currency)::text, s.request_payload::text,
                   CASE s.sync_type WHEN 'INVOICE' THEN s.xero_invoice_id ELSE s.xero_payment_id END, i.xero_invoice_id, s.tenant_id,
                   CASE WHEN s.status = 'FAILED' AND paymentsync.is_held(s.failure_code) THEN s.failure_code END, s.failure_code LIKE 'legacy.%'
              FROM xero_syncs s JOIN payment_links l ON l.id = s.payment_link_id
              LEFT JOIN xero_syncs i ON i.payment_link_id = s.payment_link_id AND i.sync_type = 'INVOICE' AND i.status = 'SUCCESS' WHERE s.id = $1
            """);
        command.Parameters.AddWithValue(sync);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
            return null;
        using var document = JsonDocument.Parse(reader.GetString(7));
        var contact = reader.NullableValue<bool>(12) != true && document.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("contact", out var name) ? name.GetString() : null;
        return new Row(sync, reader.GetGuid(0), reader.GetBoolean(1), reader.GetString(2), reader.GetInt32(3), reader.GetDateTime(4), reader.NullableValue<decimal>(5), reader.Nullable<string>(6), contact,
            reader.Nullable<string>(8), reader.Nullable<string>(9), reader.Nullable<string>(10), reader.Nullable<string>(11));
    }
}
