using System.IO.Compression;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Xero;

namespace PaymentSync.Recovery;

/// <summary>Reads what Xero answered about rows from the journal, as strictly as the writer that sends: our own number or reference exactly once, amount and currency equal, an id that is not zero, no errors.</summary>
static class JournalReader
{
    /// <returns>The findings, each with what the journal holds of it.</returns>
    public static async Task<List<Finding>> ReadAsync(NpgsqlConnection database, IReadOnlyCollection<Finding> found, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            SELECT s.id, s.sync_type = 'INVOICE', s.document_number, s.amount, s.currency::text, i.xero_invoice_id, r.id, r.tenant_id, r.answer
              FROM xero_syncs s
              LEFT JOIN xero_syncs i ON i.payment_link_id = s.payment_link_id AND i.sync_type = 'INVOICE'
              CROSS JOIN LATERAL (
                SELECT q.* FROM paymentsync.requests q
                 WHERE q.id = ANY (ARRAY(SELECT a.request_id FROM paymentsync.sync_attempts a WHERE a.sync_id = s.id AND a.request_id IS NOT NULL) || s.open_request_id)
                   AND q.outcome = 'ANSWERED' AND q.http_status BETWEEN 200 AND 299 AND q.answer IS NOT NULL) r
             WHERE s.id = ANY ($1) AND s.document_number IS NOT NULL AND s.amount IS NOT NULL AND s.currency IS NOT NULL
             ORDER BY s.id, r.sent_at
            """, database);
        command.Parameters.AddWithValue(found.Select(row => row.SyncId!.Value).ToArray());
        var answers = new Dictionary<Guid, JournalAnswer>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var row = new Row(reader.GetBoolean(1), reader.GetString(2), reader.GetDecimal(3), reader.GetString(4), reader.Nullable<string>(5));
            if (Judge(row, Expand(reader.GetFieldValue<byte[]>(8))) is { } document)
                answers[reader.GetGuid(0)] = new JournalAnswer.Document(document.Id, document.Response, reader.Nullable<string>(7), reader.GetGuid(6));
        }
        return [.. found.Select(row => row with { Journal = answers.GetValueOrDefault(row.SyncId!.Value, new JournalAnswer.Nothing()) })];
    }

    internal sealed record Row(bool IsInvoice, string Number, decimal Amount, string Currency, string? InvoiceId);

    /// <returns>Null unless the answer names exactly this document without a doubt.</returns>
    internal static (string Id, string Response)? Judge(Row row, byte[] answer)
    {
        if (row.IsInvoice)
        {
            return XeroAnswer.Invoices(answer)?.Where(invoice => invoice.Number == row.Number).ToList() is [{ Id: { } id, Verdict.HasErrors: false } invoice]
                   && invoice.Total == row.Amount && invoice.AmountDue == row.Amount && invoice.Currency == row.Currency
                ? (id, XeroAnswer.Small(invoice))
                : null;
        }
        return XeroAnswer.Payments(answer)?.Where(payment => payment.Reference == row.Number).ToList() is [{ Id: { } paymentId, Verdict.HasErrors: false } payment]
               && payment.Amount == row.Amount && payment.InvoiceId == row.InvoiceId
            ? (paymentId, XeroAnswer.Small(payment))
            : null;
    }

    static byte[] Expand(byte[] compressed)
    {
        using var plain = new MemoryStream();
        using (var brotli = new BrotliStream(new MemoryStream(compressed), CompressionMode.Decompress))
            brotli.CopyTo(plain);
        return plain.ToArray();
    }
}
