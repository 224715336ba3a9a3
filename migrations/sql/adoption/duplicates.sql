-- Moves the losing rows of the links of some pages to the archive.
WITH losing AS MATERIALIZED (
  SELECT r.id, r.place, CASE WHEN r.number <= l.invoices THEN r.number ELSE r.number - l.invoices END AS rank,
         l.rows[CASE WHEN r.number <= l.invoices THEN 1 ELSE l.invoices + 1 END] AS kept_id, l.organization_id
    FROM paymentsync.adoption_links l CROSS JOIN LATERAL unnest(l.rows, l.places) WITH ORDINALITY r(id, place, number)
   WHERE l.first_place >= $1 AND l.first_place < $2 AND l.rows IS NOT NULL AND r.number NOT IN (1, l.invoices + 1)
),
-- By place, since it costs a fifth of a search by id; the few that the host moved since they were judged are searched.
lying AS (
  DELETE FROM public.xero_syncs s USING losing r WHERE s.ctid = r.place AND s.id = r.id RETURNING s.*, r.rank, r.organization_id AS links_organization, r.kept_id
),
elsewhere AS MATERIALIZED (
  SELECT r.* FROM losing r WHERE (SELECT count(*) FROM losing) > (SELECT count(*) FROM lying) AND r.id NOT IN (SELECT l.id FROM lying l)
),
moved AS (
  DELETE FROM public.xero_syncs s USING elsewhere r WHERE s.id = r.id RETURNING s.*, r.rank, r.organization_id AS links_organization, r.kept_id
),
archived AS (
  INSERT INTO paymentsync.xero_syncs_archive (sync_id, kept_sync_id, payment_link_id, organization_id, sync_type, status, rank, reason, xero_invoice_id, xero_payment_id,
         request_payload, response_payload, error_message, retry_count, next_retry_at, created_at, updated_at, content)
  SELECT x.id, x.kept_id, x.payment_link_id, x.links_organization, x.sync_type, x.status, x.rank, 'duplicate', x.xero_invoice_id, x.xero_payment_id,
         x.request_payload, x.response_payload, x.error_message, x.retry_count, x.next_retry_at, x.created_at, x.updated_at, {other_columns}
    FROM (SELECT * FROM lying UNION ALL SELECT * FROM moved) x
)
SELECT (SELECT count(*) FROM losing) - (SELECT count(*) FROM lying) - (SELECT count(*) FROM moved) AS missing
