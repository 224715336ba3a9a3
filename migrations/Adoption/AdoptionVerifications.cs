namespace PaymentSync.Migrations;

/// <summary>The queries by which anybody can see that nothing was lost. Each answers with a number; the report says which one it must be.</summary>
static class AdoptionVerifications
{
    public static IReadOnlyList<AdoptionReport.Verification> Of(AdoptionReport report) =>
    [
        new("groups with more than one row",
            "SELECT count(*) FROM (SELECT 1 FROM xero_syncs GROUP BY payment_link_id, sync_type HAVING count(*) > 1) g", 0, null),
        new("rows that were there before, in the table or in the archive",
            """
            SELECT (SELECT count(*) FROM paymentsync.xero_syncs_archive WHERE reason = 'duplicate')
                 + (SELECT count(*) FROM xero_syncs s WHERE s.failure_code IS DISTINCT FROM 'waiting.confirmation')
                 - (SELECT count(*) FROM paymentsync.xero_syncs_before_adoption WHERE status IS NULL)
            """, report.RowsBefore, null),
        new("different Xero ids of all links, in the table or in the archive",
            """
            SELECT count(*) FILTER (WHERE xero_id <> '') FROM (
              SELECT payment_link_id, 'i' AS kind, btrim(xero_invoice_id) AS xero_id FROM xero_syncs WHERE xero_invoice_id IS NOT NULL UNION
              SELECT payment_link_id, 'p', btrim(xero_payment_id) FROM xero_syncs WHERE xero_payment_id IS NOT NULL UNION
              SELECT payment_link_id, 'i', btrim(xero_invoice_id) FROM paymentsync.xero_syncs_archive WHERE xero_invoice_id IS NOT NULL UNION
              SELECT payment_link_id, 'p', btrim(xero_payment_id) FROM paymentsync.xero_syncs_archive WHERE xero_payment_id IS NOT NULL) ids
            """, report.XeroIds, null),
        new("rows still RETRYING or due without a document",
            """
            SELECT (SELECT count(*) FROM xero_syncs WHERE status = 'RETRYING')
                 + (SELECT count(*) FROM xero_syncs WHERE status IN ('PENDING', 'FAILED') AND next_retry_at IS NOT NULL AND document_number IS NULL)
            """, 0, null),
        new("open items of the work list",
            "SELECT count(*) FROM paymentsync.recovery_items i JOIN paymentsync.adoption a ON a.report_id = i.report_id WHERE i.status = 'OPEN'", report.WorkListItems, null),
    ];
}
