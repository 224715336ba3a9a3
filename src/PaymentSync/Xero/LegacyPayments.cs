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
                var unknown = await ClaimAsync(session);
                if (unknown.Count == 0)
                {
                    await session.GiveBackAsync(slot);
                    break;
                }
                var read = await ReadAsync(session, unknown, slot, cancellationToken);
                var sharing = await FindSharingAsync(unknown);
                var results = await CompleteAsync(session, unknown.ConvertAll(one => Judge(one.Sync, read, one.SharedId is { } id ? [.. sharing[id]] : [])));
                (adopted, seen) = (adopted + results.Count(result => result.Status == XeroSyncStatus.SUCCESS), seen + results.Count);
                if (read.Failure is not null)
                    break;
            }
        }
        if (seen > 0)
            LogLooked(seen, adopted);
        return $"{adopted} of {seen} payments that the predecessor may have made were found in Xero.";
    }

    async Task<XeroLookUps.Read> ReadAsync(XeroSession session, List<Unknown> unknown, CallSlot slot, CancellationToken cancellationToken)
    {
        var ids = unknown.Select(one => one.Sync.XeroInvoiceId!).Where(XeroLookUps.IsId).ToList();
        if (ids.Count > 0)
            return await looks.ReadAsync(session, ids, slot, cancellationToken);
        await session.GiveBackAsync(slot);
        return new XeroLookUps.Read([], IsWhole: true, Failure: null);
    }

    /// <param name="sharing">The links whose rows name this invoice, when there are several: which of them a payment on it belongs to, it does not say.</param>
    SyncResult Judge(ClaimedSync sync, XeroLookUps.Read read, IReadOnlyCollection<Guid> sharing)
    {
        if (!XeroLookUps.IsId(sync.XeroInvoiceId!))
            return Hold(sync, $"It is not known whether the predecessor booked this payment. {XeroLookUps.NoId(sync.XeroInvoiceId!)}");
        var invoice = read.Invoices.FirstOrDefault(known => known.Id == sync.XeroInvoiceId);
        if (invoice is null && !read.IsWhole || invoice?.HidesPayments == true)
            return Hold(sync, "It is not known whether the predecessor booked this payment. Xero could not be read; it is looked up again.") with { Outcome = Unread };
        if (invoice is null)
            return Hold(sync, $"Xero does not show invoice {sync.XeroInvoiceId}, whose payment the predecessor may have booked. See what became of it.");
        if (sharing.Count == 0 && invoice.Payments is [{ Id: { } id } payment] && payment.Amount == sync.Amount && payment.Reference?.StartsWith(Reference, StringComparison.Ordinal) == true)
            return Outcomes.Succeeded(sync, "look", id, XeroAnswer.Small(payment with { InvoiceId = invoice.Id }));
        var found = invoice.Payments.Count == 0 ? "no payment" : string.Join(", ", invoice.Payments.Select(other => $"{other.Amount} \"{other.Reference}\""));
        return Hold(sync, $"It is not known whether the predecessor booked this payment of {sync.Amount} {sync.Currency}: invoice {invoice.Number} is {invoice.Status} and carries {found}."
            + (sharing.Count == 0 ? "" : $" The invoice stands on the rows of links {string.Join(" and ", sharing)}, and at most one of them is right.")
            + " Nothing is sent; compare with Stripe and resolve it.");
    }

    SyncResult Hold(ClaimedSync sync, string message) =>
        outcomes.Failed(sync, "look", new Failure(FailureKind.NEEDS_ACTION, FailureCodes.LegacyPaymentUnknown, message) { CountsAsRetry = false }, settles: false);

    /// <returns>What was written: a payment that is another row's already is not adopted, and keeps nobody else from it.</returns>
    async Task<List<SyncResult>> CompleteAsync(XeroSession session, List<SyncResult> results)
    {
        try
        {
            await queue.CompleteAsync(session.Organisation, results, session.Owner, new RequestOutcome(null, session.TenantId, "LOOKED", null, null, null), CancellationToken.None);
        }
        catch (PostgresException taken) when (taken is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "xero_syncs_own_id_unique" })
        {
            if (results is [var alone])
                return await CompleteAsync(session, [await TakenAsync(session, alone)]);
            var completed = new List<SyncResult>();
            foreach (var result in results)
                completed.AddRange(await CompleteAsync(session, [result]));
            return completed;
        }
        foreach (var found in results.Where(result => result.Status == XeroSyncStatus.SUCCESS))
            LogAdopted(found.Sync.Id, found.XeroPaymentId!);
        return results;
    }

    async Task<SyncResult> TakenAsync(XeroSession session, SyncResult result)
    {
        await using var command = database.CreateCommand("""
            SELECT payment_link_id FROM xero_syncs
             WHERE organization_id = $1 AND sync_type = 'PAYMENT' AND (CASE sync_type WHEN 'INVOICE' THEN xero_invoice_id ELSE xero_payment_id END) COLLATE "C" = $2 AND shared_id IS NULL
            """);
        command.Parameters.AddWithValue(session.Organisation);
        command.Parameters.AddWithValue(result.XeroPaymentId!);
        var other = await command.ExecuteScalarAsync();
        return Hold(result.Sync, $"Invoice {result.Sync.XeroInvoiceId} of link {result.Sync.PaymentLinkId} carries payment {result.XeroPaymentId} in Xero, which is booked as the one of link {other} already. "
            + "Nothing is sent; find out whose it is, and resolve it.");
    }

    /// <returns>The links whose INVOICE rows name the same invoice, by its id.</returns>
    async Task<ILookup<string, Guid>> FindSharingAsync(List<Unknown> unknown)
    {
        var shared = unknown.Select(one => one.SharedId).OfType<string>().ToArray();
        if (shared.Length == 0)
            return Array.Empty<Guid>().ToLookup(_ => "");
        await using var command = database.CreateCommand("SELECT shared_id, payment_link_id FROM xero_syncs WHERE sync_type = 'INVOICE' AND shared_id = ANY ($1) ORDER BY payment_link_id");
        command.Parameters.AddWithValue(shared);
        await using var reader = await command.ExecuteReaderAsync();
        var links = new List<(string Id, Guid Link)>();
        while (await reader.ReadAsync())
            links.Add((reader.GetString(0), reader.GetGuid(1)));
        return links.ToLookup(one => one.Id, one => one.Link, StringComparer.Ordinal);
    }

    /// <param name="SharedId">The invoice, when rows of several links name it.</param>
    sealed record Unknown(ClaimedSync Sync, string? SharedId);

    async Task<List<Guid>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT c.organization_id FROM paymentsync.connections c WHERE c.status = 'ACTIVE'
               AND EXISTS (SELECT 1 FROM {Waiting} AND s.organization_id = c.organization_id) ORDER BY 1
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var organisations = new List<Guid>();
        while (await reader.ReadAsync(cancellationToken))
            organisations.Add(reader.GetGuid(0));
        return organisations;
    }

    const string Waiting = $"""
        xero_syncs s JOIN xero_syncs i ON i.payment_link_id = s.payment_link_id AND i.sync_type = 'INVOICE' AND i.status = 'SUCCESS' AND i.xero_invoice_id IS NOT NULL
        WHERE s.sync_type = 'PAYMENT' AND s.status = 'FAILED' AND s.failure_code = '{FailureCodes.LegacyPaymentUnknown}'
        AND NOT EXISTS (SELECT 1 FROM paymentsync.sync_attempts a WHERE a.sync_id = s.id AND a.stage = 'look' AND (a.outcome <> '{Unread}' OR a.ended_at > (SELECT paymentsync.now()) - interval '1 minute'))
        """;

    /// <remarks>The code stays: whatever becomes of this worker, the row is held by it until the look is written (paymentsync.stays_held).</remarks>
    async Task<List<Unknown>> ClaimAsync(XeroSession session)
    {
        await using var command = database.CreateCommand($"""
            WITH unknown AS MATERIALIZED (
              SELECT s.id, s.payment_link_id, i.xero_invoice_id, i.shared_id FROM {Waiting} AND s.organization_id = $1 ORDER BY s.id LIMIT $2 FOR UPDATE OF s SKIP LOCKED)
            UPDATE xero_syncs s SET status = 'RETRYING', attempt = s.attempt + 1, lease_owner = $3, lease_expires_at = (SELECT paymentsync.now()) + $4
              FROM unknown u JOIN payment_links l ON l.id = u.payment_link_id
             WHERE s.id = u.id
            RETURNING s.id, s.payment_link_id, s.attempt, coalesce(s.amount, l.amount), coalesce(s.currency, l.currency), coalesce(s.document_number, ''), s.tenant_id, s.released, u.xero_invoice_id, s.retry_count, (SELECT paymentsync.now()), u.shared_id
            """);
        command.Parameters.AddWithValue(session.Organisation);
        command.Parameters.AddWithValue(xero.Value.BatchSize);
        command.Parameters.AddWithValue(session.Owner);
        command.Parameters.AddWithValue(worker.Value.RowLease);
        await using var reader = await command.ExecuteReaderAsync();
        var claimed = new List<Unknown>();
        while (await reader.ReadAsync())
        {
            claimed.Add(new(new ClaimedSync
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
            }, reader.Nullable<string>(11)));
        }
        return claimed;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Xero has payment {XeroId} for legacy sync {SyncId}: it is adopted, nothing is sent")]
    partial void LogAdopted(Guid syncId, string xeroId);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Seen} payments that the predecessor may have made were looked up, {Adopted} of them found; the others stay held and say what was found")]
    partial void LogLooked(int seen, int adopted);
}
