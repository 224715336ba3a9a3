-- What becomes of every row, from what the predecessor left: read by the dry run and by the clean-up alike, so that both say the same.
-- Expects "member": rows of whole links, as the predecessor's columns have them. Changes nothing.
ranked AS MATERIALIZED (
  SELECT m.*, row_number() OVER w AS rank, first_value(m.id) OVER w AS kept_id,
         m.status = 'RETRYING' OR (m.status = 'FAILED' AND (m.error_message IS DISTINCT FROM 'No active Xero connection for organization' OR m.retry_count > 1))
           OR (m.status <> 'FAILED' AND m.retry_count > 0) AS tried
    FROM member m
  WINDOW w AS (PARTITION BY m.payment_link_id, m.sync_type
               ORDER BY CASE m.status WHEN 'SUCCESS' THEN 1 WHEN 'FAILED' THEN 3 ELSE 2 END, m.created_at DESC, m.id)
),
facts AS MATERIALIZED (
  SELECT r.payment_link_id AS link_id, min(r.created_at) AS first_at,
         (array_agg(r.id) FILTER (WHERE r.sync_type = 'INVOICE' AND r.rank = 1))[1] AS invoice_sync, (array_agg(r.place) FILTER (WHERE r.sync_type = 'INVOICE' AND r.rank = 1))[1] AS invoice_place,
         min(r.status) FILTER (WHERE r.sync_type = 'INVOICE' AND r.rank = 1) AS invoice_was,
         min(r.invoice_id) FILTER (WHERE r.sync_type = 'INVOICE' AND r.rank = 1) AS own_invoice,
         (array_agg(r.id) FILTER (WHERE r.sync_type = 'PAYMENT' AND r.rank = 1))[1] AS payment_sync, (array_agg(r.place) FILTER (WHERE r.sync_type = 'PAYMENT' AND r.rank = 1))[1] AS payment_place,
         min(r.status) FILTER (WHERE r.sync_type = 'PAYMENT' AND r.rank = 1) AS payment_was,
         min(r.payment_id) FILTER (WHERE r.sync_type = 'PAYMENT' AND r.rank = 1) AS own_payment,
         min(r.invoice_id) AS invoice_id, min(r.invoice_id) <> max(r.invoice_id) AS several_invoices,
         min(r.payment_id) AS payment_id, min(r.payment_id) <> max(r.payment_id) AS several_payments,
         coalesce(bool_or(r.tried) FILTER (WHERE r.sync_type = 'INVOICE'), false) AS invoice_tried,
         coalesce(bool_or(r.tried) FILTER (WHERE r.sync_type = 'PAYMENT'), false) AS payment_tried,
         count(*) FILTER (WHERE r.sync_type = 'INVOICE') AS invoices, count(*) FILTER (WHERE r.sync_type = 'PAYMENT') AS payments,
         coalesce(min(r.invoice_id) FILTER (WHERE r.sync_type = 'INVOICE') <> max(r.invoice_id) FILTER (WHERE r.sync_type = 'INVOICE'), false)
           OR coalesce(min(r.payment_id) FILTER (WHERE r.sync_type = 'INVOICE') <> max(r.payment_id) FILTER (WHERE r.sync_type = 'INVOICE'), false) AS invoice_group_several,
         coalesce(min(r.invoice_id) FILTER (WHERE r.sync_type = 'PAYMENT') <> max(r.invoice_id) FILTER (WHERE r.sync_type = 'PAYMENT'), false)
           OR coalesce(min(r.payment_id) FILTER (WHERE r.sync_type = 'PAYMENT') <> max(r.payment_id) FILTER (WHERE r.sync_type = 'PAYMENT'), false) AS payment_group_several
    FROM ranked r GROUP BY r.payment_link_id
),
judged AS (
  SELECT f.*, l.organization_id, l.payment_method::text AS provider, coalesce(l.status = 'PAID', false) AS paid,
         CASE WHEN l.amount > 0 AND l.amount < 'NaN' AND l.currency ~ '^[A-Z]{3}$' THEN l.amount END AS amount,
         CASE WHEN l.amount > 0 AND l.amount < 'NaN' AND l.currency ~ '^[A-Z]{3}$' THEN l.currency END AS currency,
         coalesce(l.payment_method IS NOT NULL AND l.amount > 0 AND l.amount < 'NaN' AND l.currency ~ '^[A-Z]{3}$' AND l.invoice_currency ~ '^[A-Z]{3}$', false) AS complete,
         coalesce(nullif(concat_ws(' ', l.customer_name, '(' || l.customer_email || ')'), ''), 'an unnamed customer') AS customer, l.short_code, l.status::text AS link_status
    FROM facts f LEFT JOIN public.payment_links l ON l.id = f.link_id
),
invoices AS (
  SELECT j.*,
         CASE
           WHEN j.invoice_was = 'SUCCESS' THEN 'SUCCESS'
           WHEN j.several_invoices THEN 'legacy.duplicate_documents'
           WHEN j.invoice_id IS NOT NULL THEN CASE WHEN j.complete THEN 'settings.missing' ELSE 'legacy.incomplete' END
           -- A payment stands on an invoice: where one is known to be in Xero, so is an invoice that nobody knows.
           WHEN j.invoice_tried OR j.payment_id IS NOT NULL OR j.payment_was = 'SUCCESS' THEN 'legacy.unknown_outcome'
           WHEN j.paid AND j.complete THEN 'settings.missing'
           WHEN j.invoice_sync IS NOT NULL THEN 'legacy.incomplete'
         END AS invoice_becomes,
         CASE WHEN j.own_invoice IS NOT NULL OR j.several_invoices THEN j.own_invoice ELSE j.invoice_id END AS invoice_id_after
    FROM judged j
),
decided AS MATERIALIZED (
  SELECT v.*,
         CASE
           WHEN v.payment_was = 'SUCCESS' THEN 'SUCCESS'
           WHEN v.several_payments THEN 'legacy.duplicate_documents'
           WHEN v.payment_id IS NOT NULL THEN 'SUCCESS'
           WHEN v.invoice_becomes = 'SUCCESS' AND v.invoice_id_after IS NOT NULL AND v.paid AND v.complete AND (v.payment_sync IS NULL OR v.payment_tried) THEN 'legacy.payment_unknown'
           WHEN v.payment_tried OR (v.payment_sync IS NOT NULL AND v.invoice_becomes = 'SUCCESS' AND v.invoice_id_after IS NULL) THEN 'legacy.unknown_outcome'
           WHEN v.paid AND v.complete AND v.invoice_becomes = 'SUCCESS' AND v.invoice_id_after IS NOT NULL THEN 'settings.missing'
           WHEN v.paid AND v.complete AND v.invoice_becomes <> 'SUCCESS' THEN 'waiting.invoice'
           WHEN v.payment_sync IS NOT NULL OR (v.paid AND v.invoice_becomes = 'SUCCESS') THEN 'legacy.incomplete'
         END AS payment_becomes,
         CASE WHEN v.own_payment IS NOT NULL OR v.several_payments THEN v.own_payment ELSE v.payment_id END AS payment_id_after
    FROM invoices v
),
after AS MATERIALIZED (
  SELECT d.link_id, 'INVOICE'::"XeroSyncType" AS sync_type, d.invoice_sync AS sync_id, coalesce(d.invoice_sync, gen_random_uuid()) AS id, d.invoice_place AS place, d.invoice_was AS was, d.invoice_becomes AS becomes, d.invoice_id_after AS xero_id,
         d.invoice_id_after IS NOT NULL AND d.own_invoice IS NULL AS learned, d.several_invoices AS several,
         d.organization_id, d.provider, d.amount, d.currency, d.first_at, d.customer, d.link_status, d.complete FROM decided d WHERE d.invoice_becomes IS NOT NULL
  UNION ALL
  SELECT d.link_id, 'PAYMENT', d.payment_sync, coalesce(d.payment_sync, gen_random_uuid()), d.payment_place, d.payment_was, d.payment_becomes, d.payment_id_after,
         d.payment_id_after IS NOT NULL AND d.own_payment IS NULL, d.several_payments,
         d.organization_id, d.provider, d.amount, d.currency, d.first_at, d.customer, d.link_status, d.complete FROM decided d WHERE d.payment_becomes IS NOT NULL
),
-- Each about one row, there or made: whoever decides gives that row its document.
items AS MATERIALIZED (
  SELECT 'legacy.duplicate_documents' AS kind, a.id AS sync_id, a.link_id FROM after a WHERE a.several
  UNION ALL
  SELECT CASE WHEN a.becomes = 'SUCCESS' THEN 'legacy.success_without_id' ELSE a.becomes END, a.id, a.link_id
    FROM after a WHERE a.becomes = 'legacy.unknown_outcome' OR (a.becomes = 'SUCCESS' AND a.xero_id IS NULL)
),
tally AS (
  SELECT 'rows' AS what, count(*) AS n FROM ranked
  UNION ALL SELECT 'groups', coalesce(sum((f.invoices > 0)::int + (f.payments > 0)::int), 0) FROM facts f
  UNION ALL SELECT 'links', count(*) FROM facts
  UNION ALL SELECT 'linksWithDuplicates', count(*) FILTER (WHERE f.invoices > 1 OR f.payments > 1) FROM facts f
  UNION ALL SELECT 'groupsWithDuplicates', coalesce(sum((f.invoices > 1)::int + (f.payments > 1)::int), 0) FROM facts f
  UNION ALL SELECT 'groupsWithSeveralXeroIds', coalesce(sum(f.invoice_group_several::int + f.payment_group_several::int), 0) FROM facts f
  UNION ALL SELECT 'removed:' || r.status, count(*) FROM ranked r WHERE r.rank > 1 GROUP BY r.status
  UNION ALL SELECT 'kept:' || a.sync_type || ':' || a.becomes, count(*) FROM after a WHERE a.sync_id IS NOT NULL GROUP BY a.sync_type, a.becomes
  UNION ALL SELECT 'added:' || a.sync_type || ':' || a.becomes, count(*) FROM after a WHERE a.sync_id IS NULL GROUP BY a.sync_type, a.becomes
  UNION ALL SELECT 'learned:' || a.sync_type, count(*) FROM after a WHERE a.learned GROUP BY a.sync_type
  UNION ALL SELECT 'item:' || i.kind, count(*) FROM items i GROUP BY i.kind
  UNION ALL SELECT 'ids', (SELECT coalesce(sum((f.invoice_id IS NOT NULL AND NOT f.several_invoices)::int + (f.payment_id IS NOT NULL AND NOT f.several_payments)::int), 0) FROM facts f)
    + (SELECT count(*) FROM (SELECT DISTINCT r.payment_link_id, r.invoice_id FROM ranked r JOIN facts f ON f.link_id = r.payment_link_id AND f.several_invoices WHERE r.invoice_id IS NOT NULL) i)
    + (SELECT count(*) FROM (SELECT DISTINCT r.payment_link_id, r.payment_id FROM ranked r JOIN facts f ON f.link_id = r.payment_link_id AND f.several_payments WHERE r.payment_id IS NOT NULL) p)
)
