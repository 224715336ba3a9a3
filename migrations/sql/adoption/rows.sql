-- Fills the rows that stay, makes those that are missing, and writes the work list, for the links of some pages.
WITH side AS (
  SELECT l.link_id, l.organization_id, l.provider, l.amount, l.currency, l.complete, l.link_status, l.customer, l.short_code, l.first_at, l.naming, v.*,
         l.link_status <> 'PAID' AND l.invoice_id IS NULL AND l.payment_id IS NULL
         AND coalesce(l.invoice_becomes, 'legacy.incomplete') = 'legacy.incomplete' AND coalesce(l.payment_becomes, 'legacy.incomplete') = 'legacy.incomplete' AS untouched
    FROM paymentsync.adoption_links l
    CROSS JOIN LATERAL (VALUES ('INVOICE'::"XeroSyncType", l.invoice_sync, l.invoice_place, l.invoice_was, l.invoice_becomes, l.invoice_id, l.several_invoices, l.shared_invoice),
                               ('PAYMENT', l.payment_sync, l.payment_place, l.payment_was, l.payment_becomes, l.payment_id, l.several_payments, l.shared_payment))
                       v(sync_type, sync_id, place, was, decided, xero_id, several, shared)
   WHERE l.first_place >= $1 AND l.first_place < $2 AND v.decided IS NOT NULL
),
fate AS (
  SELECT s.*, CASE WHEN s.shared AND s.decided = 'settings.missing' THEN 'legacy.shared_id' ELSE s.decided END AS becomes,
         (s.first_at - interval '3 days')::date AS earliest, (s.first_at + interval '3 days')::date AS latest
    FROM side s
),
-- What is asked of every row comes first: a row of this list is read from its beginning to the last column that is asked for.
told AS MATERIALIZED (
  SELECT f.was, coalesce(s.ctid, m.ctid) AS lies_at, coalesce(f.sync_id, gen_random_uuid()) AS id, f.becomes, f.xero_id, f.several, f.shared, f.sync_type, f.organization_id, f.provider, f.amount, f.currency,
         (CASE f.becomes WHEN 'SUCCESS' THEN 'SUCCESS' WHEN 'waiting.invoice' THEN 'PENDING' ELSE 'FAILED' END)::"XeroSyncStatus" AS status,
         nullif(f.becomes, 'SUCCESS') AS code,
         CASE WHEN f.xero_id IS NOT NULL THEN t.tenant_id END AS tenant_id,
         CASE WHEN f.becomes = 'legacy.unknown_outcome' THEN jsonb_build_object('occurredAt', f.first_at, 'lookFor', jsonb_build_object(
                'contact', f.customer, 'amount', f.amount::text, 'currency', f.currency, 'from', f.earliest, 'to', f.latest))
           -- Never tried and not paid: its payment is yet to come, and the first one.
           WHEN f.becomes = 'legacy.incomplete' AND f.untouched THEN jsonb_build_object('occurredAt', f.first_at, 'awaitsConfirmation', true)
           WHEN f.was IS DISTINCT FROM 'SUCCESS' OR f.xero_id IS NULL THEN jsonb_build_object('occurredAt', f.first_at) END AS known,
         CASE f.becomes
           WHEN 'settings.missing' THEN 'The organisation has no booking settings. PUT /api/organizations/' || f.organization_id || ' with its accounts; the sync then goes on by itself.'
           WHEN 'legacy.duplicate_documents' THEN 'Before the adoption this link was booked more than once: several documents are in Xero. See the work list; void all but one in Xero, then resolve with the id that stays.'
           WHEN 'legacy.shared_id' THEN 'Another link names the same document in Xero. See the work list; one of the two is wrong.'
           WHEN 'legacy.unknown_outcome' THEN format('It was tried before the adoption and no id was kept, so it may be in Xero under a number that Xero chose. Look there for %s of %s %s for %s dated %s to %s; adopt its id, or requeue if there is none.',
             lower(f.sync_type::text), f.amount, f.currency, f.customer, f.earliest, f.latest)
           WHEN 'legacy.payment_unknown' THEN 'Its invoice is in Xero, but no payment id was kept. Xero is asked once whether the invoice carries the payment; nothing is sent.'
           WHEN 'legacy.incomplete' THEN CASE WHEN f.untouched THEN format('It was never tried, and its link was not paid: it is %s. The confirmation of a payment books it, whenever that comes; if none will, mark it failed.', f.link_status)
             ELSE format('It was never tried, and cannot be booked: the link is %s%s. Resolve it: requeue once the link is paid, or mark it failed.', coalesce(f.link_status, 'gone'), CASE WHEN f.complete THEN '' ELSE ' and has no payment method, or no amount and currency that can be booked' END) END
         END AS message,
         coalesce(s.error_message, m.error_message) AS error_was, coalesce(s.retry_count, m.retry_count) AS retries_were, coalesce(s.next_retry_at, m.next_retry_at) AS retry_was_at,
         coalesce(s.updated_at, m.updated_at) AS updated_was_at, coalesce(s.request_payload, m.request_payload) AS payload_was,
         f.link_id, f.first_at, f.customer, f.short_code, f.naming
    FROM fate f
    LEFT JOIN {tenants} t ON t.organization_id = f.organization_id
    -- By place, as the losing rows were found; and the few that the host moved since they were judged, by id.
    LEFT JOIN public.xero_syncs s ON s.ctid = f.place AND s.id = f.sync_id
    LEFT JOIN public.xero_syncs m ON m.id = CASE WHEN s.id IS NULL THEN f.sync_id END
),
-- Finished rows first: they can grow where they lie, as long as there is room, and no index is touched.
staying AS NOT MATERIALIZED (
  SELECT * FROM told t WHERE t.was = 'SUCCESS' AND t.lies_at IS NOT NULL
  UNION ALL
  SELECT * FROM told t WHERE t.was <> 'SUCCESS' AND t.lies_at IS NOT NULL
),
remembered AS (
  INSERT INTO paymentsync.xero_syncs_before_adoption (sync_id, status, error_message, retry_count, next_retry_at, updated_at, request_payload)
  SELECT t.id, t.was, t.error_was, t.retries_were, t.retry_was_at, t.updated_was_at, t.payload_was FROM told t WHERE t.was IS DISTINCT FROM 'SUCCESS'
),
kept AS (
  UPDATE public.xero_syncs s
     SET organization_id = k.organization_id, provider = k.provider, amount = k.amount, currency = k.currency, tenant_id = k.tenant_id,
         status = k.status,
         xero_invoice_id = CASE WHEN s.sync_type = 'INVOICE' THEN k.xero_id ELSE nullif(btrim(s.xero_invoice_id), '') END,
         xero_payment_id = CASE WHEN s.sync_type = 'PAYMENT' THEN k.xero_id ELSE nullif(btrim(s.xero_payment_id), '') END,
         shared_id = CASE WHEN k.shared THEN k.xero_id END,
         failure_kind = CASE WHEN k.status = 'FAILED' THEN 'NEEDS_ACTION' END, failure_code = k.code,
         error_message = CASE WHEN k.was = 'SUCCESS' THEN s.error_message ELSE k.message END,
         next_retry_at = NULL,
         retry_count = CASE WHEN k.was = 'SUCCESS' THEN greatest(s.retry_count, 0) ELSE 0 END,
         request_payload = CASE WHEN k.was = 'SUCCESS' THEN s.request_payload WHEN jsonb_typeof(s.request_payload) = 'object' THEN s.request_payload || k.known ELSE k.known END,
         updated_at = CASE WHEN k.was = 'SUCCESS' THEN s.updated_at ELSE paymentsync.now() END
    FROM staying k WHERE s.ctid = k.lies_at AND s.id = k.id
  RETURNING 1
),
made AS (
  INSERT INTO public.xero_syncs (id, payment_link_id, sync_type, status, organization_id, provider, amount, currency, tenant_id, xero_invoice_id, xero_payment_id, shared_id, request_payload,
         failure_kind, failure_code, error_message, created_at, updated_at)
  SELECT t.id, t.link_id, t.sync_type, t.status, t.organization_id, t.provider, t.amount, t.currency, t.tenant_id,
         CASE WHEN t.sync_type = 'INVOICE' THEN t.xero_id END, CASE WHEN t.sync_type = 'PAYMENT' THEN t.xero_id END, CASE WHEN t.shared THEN t.xero_id END, t.known,
         CASE WHEN t.status = 'FAILED' THEN 'NEEDS_ACTION' END, t.code, t.message, t.first_at, paymentsync.now()
    FROM told t WHERE t.was IS NULL
),
-- Each about one row, there or made: whoever decides gives that row its document.
listed AS (
  INSERT INTO paymentsync.recovery_items (report_id, kind, subject, sync_id, payment_link_id, organization_id, decision, status, message, details)
  SELECT $3, k.kind, 'sync:' || t.id, t.id, t.link_id, t.organization_id, 'MANUAL_REVIEW', 'OPEN',
         CASE k.kind
           WHEN 'legacy.duplicate_documents' THEN format('Link %s (%s) was booked more than once before the adoption: its rows name several %s in Xero. %s', t.short_code, t.customer, CASE t.sync_type WHEN 'INVOICE' THEN 'invoices' ELSE 'payments' END,
             CASE WHEN t.xero_id IS NULL THEN 'Remove all but one there, then adopt the id that stays.'
               ELSE format('Remove all but %s there, which is this sync''s own, then %s.', t.xero_id, CASE t.status WHEN 'SUCCESS' THEN 'close this as settledElsewhere' ELSE 'adopt that' END) END)
           WHEN 'legacy.success_without_id' THEN 'The predecessor called it done, but kept no id of a document in Xero. Find the document there and adopt its id.'
           WHEN 'legacy.shared_id' THEN format('%s %s stands on rows of several links. Find out in Xero which link it belongs to, and correct the others.', CASE t.sync_type WHEN 'INVOICE' THEN 'Invoice' ELSE 'Payment' END, t.xero_id)
           ELSE t.message END,
         CASE k.kind
           WHEN 'legacy.duplicate_documents' THEN jsonb_build_object('rows', t.naming)
           WHEN 'legacy.shared_id' THEN jsonb_build_object('xeroId', t.xero_id)
           ELSE t.known END
    FROM told t
    JOIN LATERAL (VALUES ('legacy.duplicate_documents', t.several), ('legacy.unknown_outcome', t.becomes = 'legacy.unknown_outcome'),
                         ('legacy.success_without_id', t.becomes = 'SUCCESS' AND t.xero_id IS NULL), ('legacy.shared_id', t.shared)) k(kind, holds) ON k.holds
   WHERE t.several OR t.shared OR t.xero_id IS NULL
)
-- A row that the host moved after this statement began to look may not be found where it lay; then nothing of this counts.
SELECT (SELECT count(*) FROM told t WHERE t.was IS NOT NULL) - (SELECT count(*) FROM kept) AS missing
