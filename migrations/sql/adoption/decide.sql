-- What becomes of every row of each link, from what the predecessor left: asked by the dry run and by the clean-up alike, so that both say the same.
-- Expects "member", rows of whole links, as the predecessor's columns have them, with the place where they lie; {links} are those links. Changes nothing.
ranked AS (
  SELECT m.*,
         m.status = 'RETRYING' OR (m.status = 'FAILED' AND (m.error_message IS DISTINCT FROM 'No active Xero connection for organization' OR m.retry_count > 1))
           OR (m.status <> 'FAILED' AND m.retry_count > 0) AS tried
    FROM member m
   ORDER BY m.payment_link_id, m.sync_type, CASE m.status WHEN 'SUCCESS' THEN 1 WHEN 'FAILED' THEN 3 ELSE 2 END, m.created_at DESC, m.id
),
-- Lists by columns, in the order of the ranks: the first of each is the row that stays. (Aggregates take what comes in the order in which it comes; with an ORDER BY of their own each would sort again.)
facts AS (
  SELECT r.payment_link_id AS link_id, min(r.place) AS first_place, min(r.created_at) AS first_at,
         array_agg(r.id) FILTER (WHERE r.sync_type = 'INVOICE') AS invoice_rows, array_agg(r.place) FILTER (WHERE r.sync_type = 'INVOICE') AS invoice_places,
         array_agg(r.status) FILTER (WHERE r.sync_type = 'INVOICE') AS invoice_statuses,
         array_agg(r.invoice_id) FILTER (WHERE r.sync_type = 'INVOICE') AS invoice_invoices, array_agg(r.payment_id) FILTER (WHERE r.sync_type = 'INVOICE') AS invoice_payments,
         array_agg(r.id) FILTER (WHERE r.sync_type = 'PAYMENT') AS payment_rows, array_agg(r.place) FILTER (WHERE r.sync_type = 'PAYMENT') AS payment_places,
         array_agg(r.status) FILTER (WHERE r.sync_type = 'PAYMENT') AS payment_statuses,
         array_agg(r.invoice_id) FILTER (WHERE r.sync_type = 'PAYMENT') AS payment_invoices, array_agg(r.payment_id) FILTER (WHERE r.sync_type = 'PAYMENT') AS payment_payments,
         min(r.invoice_id) AS invoice_id, coalesce(min(r.invoice_id) <> max(r.invoice_id), false) AS several_invoices,
         min(r.payment_id) AS payment_id, coalesce(min(r.payment_id) <> max(r.payment_id), false) AS several_payments,
         coalesce(bool_or(r.tried) FILTER (WHERE r.sync_type = 'INVOICE'), false) AS invoice_tried,
         coalesce(bool_or(r.tried) FILTER (WHERE r.sync_type = 'PAYMENT'), false) AS payment_tried,
         count(*) FILTER (WHERE r.status = 'PENDING') AS pending, count(*) FILTER (WHERE r.status = 'RETRYING') AS retrying,
         count(*) FILTER (WHERE r.status = 'SUCCESS') AS success, count(*) FILTER (WHERE r.status = 'FAILED') AS failed
    FROM ranked r GROUP BY r.payment_link_id
),
judged AS (
  SELECT f.*, f.invoice_rows[1] AS invoice_sync, f.invoice_statuses[1] AS invoice_was, f.invoice_invoices[1] AS own_invoice,
         f.payment_rows[1] AS payment_sync, f.payment_statuses[1] AS payment_was, f.payment_payments[1] AS own_payment,
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
         p.invoice_becomes, p.invoice_sync, p.invoice_places[1] AS invoice_place, p.invoice_was,
         p.invoice_id_after AS invoice_id, p.invoice_id_after IS NOT NULL AND p.own_invoice IS NULL AS invoice_learned, p.several_invoices,
         p.payment_becomes, p.payment_sync, p.payment_places[1] AS payment_place, p.payment_was,
         p.payment_id_after AS payment_id, p.payment_id_after IS NOT NULL AND p.own_payment IS NULL AS payment_learned, p.several_payments,
         coalesce(cardinality(p.invoice_rows), 0) AS invoices, coalesce(cardinality(p.payment_rows), 0) AS payments,
         CASE WHEN p.several_invoices OR p.several_payments THEN
           (SELECT coalesce(min(n.invoice) <> max(n.invoice), false) OR coalesce(min(n.payment) <> max(n.payment), false) FROM unnest(p.invoice_invoices, p.invoice_payments) n(invoice, payment)) ELSE false END AS invoice_group_several,
         CASE WHEN p.several_invoices OR p.several_payments THEN
           (SELECT coalesce(min(n.invoice) <> max(n.invoice), false) OR coalesce(min(n.payment) <> max(n.payment), false) FROM unnest(p.payment_invoices, p.payment_payments) n(invoice, payment)) ELSE false END AS payment_group_several,
         (CASE WHEN p.several_invoices THEN (SELECT count(DISTINCT n.id) FROM unnest(p.invoice_invoices || p.payment_invoices) n(id)) ELSE (p.invoice_id IS NOT NULL)::integer END
           + CASE WHEN p.several_payments THEN (SELECT count(DISTINCT n.id) FROM unnest(p.invoice_payments || p.payment_payments) n(id)) ELSE (p.payment_id IS NOT NULL)::integer END)::integer AS ids,
         CASE WHEN p.several_invoices OR p.several_payments THEN
           (SELECT coalesce(jsonb_agg(jsonb_build_object('syncId', n.id, 'syncType', 'INVOICE', 'status', n.status, 'kept', n.rank = 1, 'xeroInvoiceId', n.invoice, 'xeroPaymentId', n.payment)), '[]')
              FROM unnest(p.invoice_rows, p.invoice_statuses, p.invoice_invoices, p.invoice_payments) WITH ORDINALITY n(id, status, invoice, payment, rank) WHERE n.invoice IS NOT NULL OR n.payment IS NOT NULL)
           || (SELECT coalesce(jsonb_agg(jsonb_build_object('syncId', n.id, 'syncType', 'PAYMENT', 'status', n.status, 'kept', n.rank = 1, 'xeroInvoiceId', n.invoice, 'xeroPaymentId', n.payment)), '[]')
                 FROM unnest(p.payment_rows, p.payment_statuses, p.payment_invoices, p.payment_payments) WITH ORDINALITY n(id, status, invoice, payment, rank) WHERE n.invoice IS NOT NULL OR n.payment IS NOT NULL) END AS naming,
         p.invoice_rows, p.invoice_places, p.payment_rows, p.payment_places,
         p.pending::integer AS pending, p.retrying::integer AS retrying, p.success::integer AS success, p.failed::integer AS failed
    FROM payments p
)
