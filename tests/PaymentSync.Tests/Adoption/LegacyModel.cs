namespace PaymentSync.Tests.Adoption;

/// <summary>The rules of the adoption once more, one link at a time, in memory: what the SQL must come to.</summary>
static class LegacyModel
{
    const string NoConnection = "No active Xero connection for organization";

    /// <summary>Best first.</summary>
    public static IReadOnlyList<LegacyRow> Ranked(IEnumerable<LegacyRow> group) =>
        [.. group.OrderBy(row => row.Status switch { "SUCCESS" => 0, "PENDING" or "RETRYING" => 1, _ => 2 }).ThenByDescending(row => row.CreatedAt).ThenBy(row => row.Id.ToString(), StringComparer.Ordinal)];

    public static bool Tried(IEnumerable<LegacyRow> group) => group.Any(row => row.Status switch
    {
        "RETRYING" => true,
        "FAILED" => row.Error != NoConnection || row.Retries > 1,
        _ => row.Retries > 0,
    });

    public static IEnumerable<Fate> Fates(LegacyLink link, IReadOnlyList<LegacyRow> rows)
    {
        var invoices = Ranked(rows.Where(row => row.Type == "INVOICE"));
        var payments = Ranked(rows.Where(row => row.Type == "PAYMENT"));
        var (invoice, payment) = (invoices is [var first, ..] ? first : null, payments is [var other, ..] ? other : null);
        var invoiceIds = rows.Select(row => Id(row.InvoiceId)).OfType<string>().Distinct(StringComparer.Ordinal).ToList();
        var paymentIds = rows.Select(row => Id(row.PaymentId)).OfType<string>().Distinct(StringComparer.Ordinal).ToList();
        var paid = link.Status == "PAID";
        var complete = link.Method is not null && link.Amount > 0;

        string? invoiceBecomes;
        if (invoice?.Status == "SUCCESS")
            invoiceBecomes = "SUCCESS";
        else if (invoiceIds.Count > 1)
            invoiceBecomes = "legacy.duplicate_documents";
        else if (invoiceIds.Count == 1)
            invoiceBecomes = complete ? "settings.missing" : "legacy.incomplete";
        else if (Tried(invoices) || paymentIds.Count > 0 || payment?.Status == "SUCCESS")
            invoiceBecomes = "legacy.unknown_outcome";
        else if (paid && complete)
            invoiceBecomes = "settings.missing";
        else
            invoiceBecomes = invoice is null ? null : "legacy.incomplete";
        var invoiceId = Id(invoice?.InvoiceId) ?? (invoiceIds.Count == 1 ? invoiceIds[0] : null);
        if (invoiceBecomes is not null)
            yield return new Fate(invoice?.Id, link.Id, "INVOICE", invoiceBecomes, invoiceId);

        var inXero = invoiceBecomes == "SUCCESS" && invoiceId is not null;
        string? paymentBecomes;
        if (payment?.Status == "SUCCESS")
            paymentBecomes = "SUCCESS";
        else if (paymentIds.Count > 1)
            paymentBecomes = "legacy.duplicate_documents";
        else if (paymentIds.Count == 1)
            paymentBecomes = "SUCCESS";
        else if (inXero && paid && complete && (payment is null || Tried(payments)))
            paymentBecomes = "legacy.payment_unknown";
        else if (Tried(payments) || (payment is not null && invoiceBecomes == "SUCCESS" && !inXero))
            paymentBecomes = "legacy.unknown_outcome";
        else if (paid && complete && inXero)
            paymentBecomes = "settings.missing";
        else if (paid && complete && invoiceBecomes is not null and not "SUCCESS")
            paymentBecomes = "waiting.invoice";
        else
            paymentBecomes = payment is not null || (paid && invoiceBecomes == "SUCCESS") ? "legacy.incomplete" : null;
        if (paymentBecomes is not null)
            yield return new Fate(payment?.Id, link.Id, "PAYMENT", paymentBecomes, Id(payment?.PaymentId) ?? (paymentIds.Count == 1 ? paymentIds[0] : null));
    }

    /// <summary>What the work list must say of a link: each item is about one row, there or made.</summary>
    public static IEnumerable<string> Items(LegacyLink link, IReadOnlyList<LegacyRow> rows)
    {
        foreach (var fate in Fates(link, rows))
        {
            if (rows.Select(row => Id(fate.Type == "INVOICE" ? row.InvoiceId : row.PaymentId)).OfType<string>().Distinct(StringComparer.Ordinal).Count() > 1)
                yield return $"{link.Id} {fate.Type} legacy.duplicate_documents";
            if (fate.Becomes == "legacy.unknown_outcome")
                yield return $"{link.Id} {fate.Type} legacy.unknown_outcome";
            if (fate is { Becomes: "SUCCESS", XeroId: null })
                yield return $"{link.Id} {fate.Type} legacy.success_without_id";
        }
    }

    /// <summary>A document that rows of several links name is nobody's for sure: such a row is marked, and does not go on.</summary>
    public static IReadOnlyList<Fate> Shared(IReadOnlyList<Fate> fates)
    {
        var shared = fates.Where(fate => fate.XeroId is not null).GroupBy(fate => (fate.Type, fate.XeroId)).Where(group => group.Count() > 1).Select(group => group.Key).ToHashSet();
        return [.. fates.Select(fate => fate.Becomes == "settings.missing" && shared.Contains((fate.Type, fate.XeroId)) ? fate with { Becomes = "legacy.shared_id" } : fate)];
    }

    public static string? Id(string? id) => string.IsNullOrWhiteSpace(id) ? null : id.Trim();
}
