-- Rows that the host inserted while the clean-up ran, beside others of their link and type: never tried, and the older row knows more.
WITH several AS MATERIALIZED (
  SELECT s.payment_link_id, s.sync_type
    FROM (SELECT DISTINCT i.payment_link_id, i.sync_type FROM paymentsync.adoption_inserted i) late
    JOIN public.xero_syncs s ON s.payment_link_id = late.payment_link_id AND s.sync_type = late.sync_type
   GROUP BY s.payment_link_id, s.sync_type HAVING count(*) > 1
),
ranked AS MATERIALIZED (
  SELECT s.id, row_number() OVER w AS rank, first_value(s.id) OVER w AS kept_id
    FROM several g JOIN public.xero_syncs s ON s.payment_link_id = g.payment_link_id AND s.sync_type = g.sync_type
  WINDOW w AS (PARTITION BY s.payment_link_id, s.sync_type
               ORDER BY (s.failure_code = 'waiting.confirmation') IS TRUE, CASE s.status WHEN 'SUCCESS' THEN 1 WHEN 'FAILED' THEN 3 ELSE 2 END, s.created_at DESC, s.id)
),
removed AS (
  DELETE FROM public.xero_syncs s USING ranked r WHERE s.id = r.id AND r.rank > 1 RETURNING s.*, r.rank, r.kept_id
),
archived AS (
  INSERT INTO paymentsync.xero_syncs_archive (sync_id, kept_sync_id, payment_link_id, organization_id, sync_type, status, rank, reason, xero_invoice_id, xero_payment_id,
         request_payload, response_payload, error_message, retry_count, next_retry_at, created_at, updated_at, content)
  SELECT x.id, x.kept_id, x.payment_link_id, x.organization_id, x.sync_type, x.status, x.rank, 'inserted during the adoption', x.xero_invoice_id, x.xero_payment_id,
         x.request_payload, x.response_payload, x.error_message, x.retry_count, x.next_retry_at, x.created_at, x.updated_at, {other_columns}
    FROM removed x
)
SELECT count(*) FROM removed
