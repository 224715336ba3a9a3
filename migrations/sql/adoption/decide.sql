-- What becomes of every row of each link, from what the predecessor left: asked by the dry run and by the clean-up alike, so that both say the same.
-- Expects "member", rows of whole links, as the predecessor's columns have them, with the place where they lie; {links} are those links. Changes nothing.
-- What is compared comes first: a column behind texts is searched for in every comparison.
ranked AS (
  SELECT m.payment_link_id, m.is_payment, m.standing, m.created_at, m.id, m.place, m.status, m.invoice_id, m.payment_id,
         m.status = 'RETRYING' OR (m.status = 'FAILED' AND (m.error_message IS DISTINCT FROM 'No active Xero connection for organization' OR m.retry_count > 1))
           OR (m.status <> 'FAILED' AND m.retry_count > 0) AS tried
    FROM member m
   ORDER BY m.payment_link_id, m.is_payment, m.standing, m.created_at DESC, m.id
),
-- Lists by columns, in the order of the ranks, invoices before payments: the first of each is the row that stays. (Aggregates take what comes in the order in which it comes; with an ORDER BY of their own
-- each would sort again.)
facts AS (
  SELECT r.payment_link_id AS link_id, min(r.place) AS first_place, min(r.created_at) AS first_at,
         array_agg(r.id) AS rows, array_agg(r.place) AS places, array_agg(r.status) AS statuses, array_agg(r.invoice_id) AS invoice_ids, array_agg(r.payment_id) AS payment_ids,
         (count(*) FILTER (WHERE NOT r.is_payment))::integer AS invoices, (count(*) FILTER (WHERE r.is_payment))::integer AS payments,
         min(r.invoice_id) AS invoice_id, coalesce(min(r.invoice_id) <> max(r.invoice_id), false) AS several_invoices,
         min(r.payment_id) AS payment_id, coalesce(min(r.payment_id) <> max(r.payment_id), false) AS several_payments,
         coalesce(bool_or(r.tried) FILTER (WHERE NOT r.is_payment), false) AS invoice_tried,
         coalesce(bool_or(r.tried) FILTER (WHERE r.is_payment), false) AS payment_tried,
         count(*) FILTER (WHERE r.status = 'PENDING') AS pending, count(*) FILTER (WHERE r.status = 'RETRYING') AS retrying,
         count(*) FILTER (WHERE r.status = 'SUCCESS') AS success, count(*) FILTER (WHERE r.status = 'FAILED') AS failed
    FROM ranked r GROUP BY r.payment_link_id
),
judged AS (
  SELECT f.*, CASE WHEN f.invoices > 0 THEN f.rows[1] END AS invoice_sync, CASE WHEN f.invoices > 0 THEN f.statuses[1] END AS invoice_was, CASE WHEN f.invoices > 0 THEN f.invoice_ids[1] END AS own_invoice,
         f.rows[f.invoices + 1] AS payment_sync, f.statuses[f.invoices + 1] AS payment_was, f.payment_ids[f.invoices + 1] AS own_payment,
         l.organization_id, l.provider, coalesce(l.paid, false) AS paid, CASE WHEN l.bookable THEN l.amount END AS amount, CASE WHEN l.bookable THEN l.currency END AS currency,
         coalesce(l.complete, false) AS complete, coalesce(l.customer, 'an unnamed customer') AS customer, l.short_code, l.link_status
    FROM facts f
    LEFT JOIN (SELECT b.*, b.bookable AND b.provider IS NOT NULL AND b.invoice_currency ~ '^[A-Z]{3}$' AS complete
                 FROM (SELECT l.id, l.organization_id, l.short_code, l.payment_method::text AS provider, l.status = 'PAID' AS paid, l.status::text AS link_status, l.amount, l.currency, l.invoice_currency,
                              coalesce(l.amount > 0 AND l.amount < 'NaN' AND l.currency ~ '^[A-Z]{3}$', false) AS bookable, nullif(concat_ws(' ', l.customer_name, '(' || l.customer_email || ')'), '') AS customer
                         FROM public.payment_links l WHERE {links}
                       -- Here and below: worked out once for each link, not wherever it is asked for.
                       OFFSET 0) b OFFSET 0) l ON l.id = f.link_id
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
    FROM judged j OFFSET 0
),
payments AS (
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
    FROM invoices v OFFSET 0
),
decided AS (
  SELECT p.first_place, p.link_id, p.organization_id, p.provider, p.amount, p.currency, p.complete, p.link_status, p.customer, p.short_code, p.first_at,
         -- Becomes nothing: no such row is there, and none is made.
         p.invoice_becomes, p.invoice_sync, CASE WHEN p.invoices > 0 THEN p.places[1] END AS invoice_place, p.invoice_was,
         p.invoice_id_after AS invoice_id, p.invoice_id_after IS NOT NULL AND p.own_invoice IS NULL AS invoice_learned, p.several_invoices,
         p.payment_becomes, p.payment_sync, p.places[p.invoices + 1] AS payment_place, p.payment_was,
         p.payment_id_after AS payment_id, p.payment_id_after IS NOT NULL AND p.own_payment IS NULL AS payment_learned, p.several_payments,
         p.invoices, p.payments,
         CASE WHEN p.several_invoices OR p.several_payments THEN
           (SELECT coalesce(min(n.invoice) <> max(n.invoice), false) OR coalesce(min(n.payment) <> max(n.payment), false)
              FROM unnest(p.invoice_ids[:p.invoices], p.payment_ids[:p.invoices]) n(invoice, payment)) ELSE false END AS invoice_group_several,
         CASE WHEN p.several_invoices OR p.several_payments THEN
           (SELECT coalesce(min(n.invoice) <> max(n.invoice), false) OR coalesce(min(n.payment) <> max(n.payment), false)
              FROM unnest(p.invoice_ids[p.invoices + 1:], p.payment_ids[p.invoices + 1:]) n(invoice, payment)) ELSE false END AS payment_group_several,
         CASE WHEN p.several_invoices OR p.several_payments
           THEN (SELECT count(DISTINCT n.invoice) + count(DISTINCT n.payment) FROM unnest(p.invoice_ids, p.payment_ids) n(invoice, payment))::integer
           ELSE (p.invoice_id IS NOT NULL)::integer + (p.payment_id IS NOT NULL)::integer END AS ids,
         CASE WHEN p.several_invoices OR p.several_payments THEN
           (SELECT jsonb_agg(r) FROM (
              SELECT n.id AS "syncId", CASE WHEN n.place <= p.invoices THEN 'INVOICE' ELSE 'PAYMENT' END AS "syncType", n.status, n.place IN (1, p.invoices + 1) AS kept,
                     n.invoice AS "xeroInvoiceId", n.payment AS "xeroPaymentId"
                FROM unnest(p.rows, p.statuses, p.invoice_ids, p.payment_ids) WITH ORDINALITY n(id, status, invoice, payment, place) WHERE n.invoice IS NOT NULL OR n.payment IS NOT NULL) r) END AS naming,
         -- Of the losing rows there is nothing else to know.
         CASE WHEN p.invoices > 1 OR p.payments > 1 THEN p.rows END AS rows, CASE WHEN p.invoices > 1 OR p.payments > 1 THEN p.places END AS places,
         p.pending::integer AS pending, p.retrying::integer AS retrying, p.success::integer AS success, p.failed::integer AS failed
    FROM payments p
)
