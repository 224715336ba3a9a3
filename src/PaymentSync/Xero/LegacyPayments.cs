using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>
/// Rows <c>legacy.payment_unknown</c> of an adopted database: the invoice is in Xero, and the predecessor may have booked its payment.
/// One read-only look-up settles it; nothing is ever sent for such a row.
/// </summary>
sealed partial class LegacyPayments(NpgsqlDataSource database, XeroConnections connections, XeroTokens tokens, CallBudget budget, XeroLookUps looks, SyncQueue queue, Outcomes outcomes,
    IOptions<WorkerOptions> worker, IOptions<XeroOptions> xero, ILogger<LegacyPayments> log)
{
    /// <summary>How the predecessor's references began.</summary>
    const string Reference = "STRIPE: ";
    const string Unread = "UNREAD";

    /// <summary>One call for fifty rows; ends with the last of them, or when the budget says wait.</summary>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        var (adopted, seen) = (0, 0);
        foreach (var organisation in await ListAsync(cancellationToken))
        {
            if (await connections.FindActiveAsync(organisation, cancellationToken) is not { } connection || await tokens.GetAsync(connection, notThis: null, cancellationToken) is not XeroTokens.Answer.Granted granted)
                continue;
            var session = new XeroSession(connection, $"legacy:{Guid.NewGuid():N}", granted.AccessToken, tokens, budget);
            while (!cancellationToken.IsCancellationRequested && await session.ReserveAsync(forLook: true, CancellationToken.None) is { } slot)
            {
                var syncs = await ClaimAsync(session);
                if (syncs.Count == 0)
                {
                    await session.GiveBackAsync(slot);
                    break;
                }
                var read = await looks.ReadAsync(session, syncs.Select(sync => sync.XeroInvoiceId!), slot, cancellationToken);
                var results = syncs.ConvertAll(sync => Judge(sync, read));
                await queue.CompleteAsync(organisation, results, session.Owner, new RequestOutcome(null, session.TenantId, "LOOKED", null, null, null), CancellationToken.None);
                (adopted, seen) = (adopted + results.Count(result => result.Status == XeroSyncStatus.SUCCESS), seen + results.Count);
                if (read.Failure is not null)
                    break;
            }
        }
        if (seen > 0)
            LogLooked(seen, adopted);
        return $"{adopted} of {seen} payments that the predecessor may have made were found in Xero.";
    }

    SyncResult Judge(ClaimedSync sync, XeroLookUps.Read read)
    {
        SyncResult Hold(string message) =>
            outcomes.Failed(sync, "look", new Failure(FailureKind.NEEDS_ACTION, FailureCodes.LegacyPaymentUnknown, message) { CountsAsRetry = false }, settles: false);

        var invoice = read.Invoices.FirstOrDefault(known => known.Id == sync.XeroInvoiceId);
        if (invoice is null && !read.IsWhole || invoice?.HidesPayments == true)
            return Hold("It is not known whether the predecessor booked this payment. Xero could not be read; it is looked up again.") with { Outcome = Unread };
        if (invoice is null)
            return Hold($"Xero does not show invoice {sync.XeroInvoiceId}, whose payment the predecessor may have booked. See what became of it.");
        if (invoice.Payments is [{ Id: { } id } payment] && payment.Amount == sync.Amount && payment.Reference?.StartsWith(Reference, StringComparison.Ordinal) == true)
        {
            LogAdopted(sync.Id, id, payment.Reference);
            return Outcomes.Succeeded(sync, "look", id, XeroAnswer.Small(payment with { InvoiceId = invoice.Id }));
        }
        var found = invoice.Payments.Count == 0 ? "no payment" : string.Join(", ", invoice.Payments.Select(other => $"{other.Amount} \"{other.Reference}\""));
        return Hold($"It is not known whether the predecessor booked this payment of {sync.Amount} {sync.Currency}: invoice {invoice.Number} is {invoice.Status} and carries {found}. Nothing is sent; compare with Stripe and resolve it.");
    }

    async Task<List<Guid>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT c.organization_id FROM paymentsync.connections c WHERE c.status = 'ACTIVE'
               AND EXISTS (SELECT 1 FROM xero_syncs s WHERE s.organization_id = c.organization_id AND {Waits}) ORDER BY 1
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var organisations = new List<Guid>();
        while (await reader.ReadAsync(cancellationToken))
            organisations.Add(reader.GetGuid(0));
        return organisations;
    }

    const string Waits = $"""
        s.sync_type = 'PAYMENT' AND s.status = 'FAILED' AND s.failure_code = '{FailureCodes.LegacyPaymentUnknown}'
        AND NOT EXISTS (SELECT 1 FROM paymentsync.sync_attempts a WHERE a.sync_id = s.id AND a.stage = 'look' AND (a.outcome <> '{Unread}' OR a.ended_at > (SELECT paymentsync.now()) - interval '1 minute'))
        """;

    async Task<List<ClaimedSync>> ClaimAsync(XeroSession session)
    {
        await using var command = database.CreateCommand($"""
            WITH unknown AS MATERIALIZED (
              SELECT s.id, s.payment_link_id FROM xero_syncs s WHERE s.organization_id = $1 AND {Waits} ORDER BY s.id LIMIT $2 FOR UPDATE SKIP LOCKED)
            UPDATE xero_syncs s SET status = 'RETRYING', attempt = s.attempt + 1, lease_owner = $3, lease_expires_at = (SELECT paymentsync.now()) + $4
              FROM unknown u JOIN payment_links l ON l.id = u.payment_link_id JOIN xero_syncs i ON i.payment_link_id = u.payment_link_id AND i.sync_type = 'INVOICE' AND i.status = 'SUCCESS'
             WHERE s.id = u.id
            RETURNING s.id, s.payment_link_id, s.attempt, coalesce(s.amount, l.amount), coalesce(s.currency, l.currency), coalesce(s.document_number, ''), s.tenant_id, s.released, i.xero_invoice_id, s.retry_count, (SELECT paymentsync.now())
            """);
        command.Parameters.AddWithValue(session.Organisation);
        command.Parameters.AddWithValue(xero.Value.BatchSize);
        command.Parameters.AddWithValue(session.Owner);
        command.Parameters.AddWithValue(worker.Value.RowLease);
        await using var reader = await command.ExecuteReaderAsync();
        var claimed = new List<ClaimedSync>();
        while (await reader.ReadAsync())
        {
            claimed.Add(new ClaimedSync
            {
                Id = reader.GetGuid(0),
                PaymentLinkId = reader.GetGuid(1),
                SyncType = XeroSyncType.PAYMENT,
                Attempt = reader.GetInt32(2),
                Amount = reader.GetDecimal(3),
                Currency = reader.GetString(4),
                DocumentNumber = reader.GetString(5),
                Document = default,
                TenantId = reader.Nullable<string>(6),
                OpenRequestId = null,
                AbsentCountsFrom = null,
                AbsentSince = null,
                Released = reader.GetFieldValue<string[]>(7),
                XeroInvoiceId = reader.GetString(8),
                XeroPaymentId = null,
                RetryCount = reader.GetInt32(9),
                FailureCode = FailureCodes.LegacyPaymentUnknown,
                NumberIsAStrangers = false,
                LinkCancelled = false,
                Trigger = "VERIFY",
                ClaimedAt = reader.GetDateTime(10),
            });
        }
        return claimed;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Xero has payment {XeroId} (\"{Reference}\") for legacy sync {SyncId}: adopting it, nothing is sent")]
    partial void LogAdopted(Guid syncId, string xeroId, string reference);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Seen} payments that the predecessor may have made were looked up, {Adopted} of them found; the others stay held and say what was found")]
    partial void LogLooked(int seen, int adopted);
}
