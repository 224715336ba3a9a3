, removed AS (
  DELETE FROM public.xero_syncs s USING ranked r WHERE s.ctid = r.place AND s.id = r.id AND r.rank > 1 RETURNING s.*, r.rank, r.kept_id
),
archived AS (
  INSERT INTO paymentsync.xero_syncs_archive (sync_id, kept_sync_id, payment_link_id, organization_id, sync_type, status, rank, reason, xero_invoice_id, xero_payment_id, content)
  SELECT x.id, x.kept_id, x.payment_link_id, d.organization_id, x.sync_type, x.status, x.rank, 'duplicate', x.xero_invoice_id, x.xero_payment_id,
         (SELECT to_jsonb(host) FROM (SELECT {host_columns}) host)
    FROM removed x JOIN decided d ON d.link_id = x.payment_link_id
),
told AS MATERIALIZED (
  SELECT a.*,
         (CASE a.becomes WHEN 'SUCCESS' THEN 'SUCCESS' WHEN 'waiting.invoice' THEN 'PENDING' ELSE 'FAILED' END)::"XeroSyncStatus" AS status,
         CASE WHEN a.becomes = 'SUCCESS' THEN NULL ELSE a.becomes END AS code,
         jsonb_build_object('occurredAt', a.first_at) || CASE WHEN a.becomes = 'legacy.unknown_outcome' THEN jsonb_build_object('lookFor', jsonb_build_object(
           'contact', a.customer, 'amount', a.amount::text, 'currency', a.currency, 'from', (a.first_at - interval '3 days')::date, 'to', (a.first_at + interval '3 days')::date)) ELSE '{}' END AS known,
         CASE a.becomes
           WHEN 'settings.missing' THEN 'The organisation has no booking settings. PUT /api/organizations/' || a.organization_id || ' with its accounts; the sync then goes on by itself.'
           WHEN 'legacy.duplicate_documents' THEN 'Before the adoption this link was booked more than once: several documents are in Xero. See the work list; void all but one in Xero, then resolve with the id that stays.'
           WHEN 'legacy.unknown_outcome' THEN format('It was tried before the adoption and no id was kept, so it may be in Xero under a number that Xero chose. Look there for %s of %s %s for %s dated %s to %s; adopt its id, or requeue if there is none.',
             lower(a.sync_type::text), a.amount, a.currency, a.customer, (a.first_at - interval '3 days')::date, (a.first_at + interval '3 days')::date)
           WHEN 'legacy.payment_unknown' THEN 'Its invoice is in Xero, but no payment id was kept. Xero is asked once whether the invoice carries the payment; nothing is sent.'
           WHEN 'legacy.incomplete' THEN format('It was never tried, and cannot be booked: the link is %s%s. Resolve it: requeue once the link is paid, or mark it failed.', coalesce(a.link_status, 'gone'),
             CASE WHEN a.complete THEN '' ELSE ' and has no payment method, or no amount and currency that can be booked' END)
         END AS message
    FROM after a
),
remembered AS (
  INSERT INTO paymentsync.xero_syncs_before_adoption (sync_id, status, error_message, retry_count, next_retry_at, updated_at, request_payload)
  SELECT s.id, s.status, s.error_message, s.retry_count, s.next_retry_at, s.updated_at, s.request_payload
    FROM told t JOIN public.xero_syncs s ON s.ctid = t.place AND s.id = t.sync_id WHERE t.was <> 'SUCCESS'
),
kept AS (
  UPDATE public.xero_syncs s
     SET organization_id = t.organization_id, provider = t.provider, amount = t.amount, currency = t.currency, tenant_id = CASE WHEN t.xero_id IS NOT NULL THEN c.tenant_id END,
         status = t.status,
         xero_invoice_id = CASE WHEN s.sync_type = 'INVOICE' THEN t.xero_id ELSE nullif(btrim(s.xero_invoice_id), '') END,
         xero_payment_id = CASE WHEN s.sync_type = 'PAYMENT' THEN t.xero_id ELSE nullif(btrim(s.xero_payment_id), '') END,
         failure_kind = CASE WHEN t.status = 'FAILED' THEN 'NEEDS_ACTION' END, failure_code = t.code,
         error_message = CASE WHEN t.was = 'SUCCESS' THEN s.error_message ELSE t.message END,
         next_retry_at = NULL,
         retry_count = CASE WHEN t.was = 'SUCCESS' THEN greatest(s.retry_count, 0) ELSE 0 END,
         request_payload = CASE WHEN t.was = 'SUCCESS' THEN s.request_payload WHEN jsonb_typeof(s.request_payload) = 'object' THEN s.request_payload || t.known ELSE t.known END,
         updated_at = CASE WHEN t.was = 'SUCCESS' THEN s.updated_at ELSE paymentsync.now() END
    FROM told t LEFT JOIN {tenants} c ON c.organization_id = t.organization_id
   WHERE s.ctid = t.place AND s.id = t.sync_id
  RETURNING 1
),
added AS (
  INSERT INTO public.xero_syncs (id, payment_link_id, sync_type, status, organization_id, provider, amount, currency, tenant_id, xero_invoice_id, xero_payment_id, request_payload,
         failure_kind, failure_code, error_message, created_at, updated_at)
  SELECT t.id, t.link_id, t.sync_type, t.status, t.organization_id, t.provider, t.amount, t.currency, CASE WHEN t.xero_id IS NOT NULL THEN c.tenant_id END,
         CASE WHEN t.sync_type = 'INVOICE' THEN t.xero_id END, CASE WHEN t.sync_type = 'PAYMENT' THEN t.xero_id END, t.known,
         CASE WHEN t.status = 'FAILED' THEN 'NEEDS_ACTION' END, t.code, t.message, t.first_at, paymentsync.now()
    FROM told t LEFT JOIN {tenants} c ON c.organization_id = t.organization_id
   WHERE t.sync_id IS NULL
  RETURNING id
),
added_remembered AS (
  INSERT INTO paymentsync.xero_syncs_before_adoption (sync_id) SELECT a.id FROM added a
),
with_ids AS (
  SELECT r.payment_link_id AS link_id,
         jsonb_agg(jsonb_build_object('syncId', r.id, 'syncType', r.sync_type, 'status', r.status, 'kept', r.rank = 1, 'xeroInvoiceId', r.invoice_id, 'xeroPaymentId', r.payment_id)
                   ORDER BY r.sync_type, r.rank) AS rows
    FROM ranked r JOIN decided d ON d.link_id = r.payment_link_id AND (d.several_invoices OR d.several_payments)
   WHERE r.invoice_id IS NOT NULL OR r.payment_id IS NOT NULL GROUP BY r.payment_link_id
),
listed AS (
  INSERT INTO paymentsync.recovery_items (report_id, kind, subject, sync_id, payment_link_id, organization_id, decision, status, message, details)
  SELECT $3, i.kind, 'sync:' || i.sync_id, i.sync_id, i.link_id, d.organization_id, 'MANUAL_REVIEW', 'OPEN',
         CASE i.kind
           WHEN 'legacy.duplicate_documents' THEN format('Link %s (%s) was booked more than once before the adoption: its rows name several %s in Xero. %s', d.short_code, d.customer, CASE t.sync_type WHEN 'INVOICE' THEN 'invoices' ELSE 'payments' END,
             CASE WHEN t.xero_id IS NULL THEN 'Remove all but one there, then adopt the id that stays.'
               ELSE format('Remove all but %s there, which is this sync''s own, then %s.', t.xero_id, CASE t.status WHEN 'SUCCESS' THEN 'close this as settledElsewhere' ELSE 'adopt that' END) END)
           WHEN 'legacy.success_without_id' THEN 'The predecessor called it done, but kept no id of a document in Xero. Find the document there and adopt its id.'
           ELSE t.message END,
         CASE i.kind
           WHEN 'legacy.duplicate_documents' THEN jsonb_build_object('rows', w.rows)
           ELSE t.known END
    FROM items i
    JOIN decided d ON d.link_id = i.link_id
    LEFT JOIN with_ids w ON w.link_id = i.link_id
    JOIN told t ON t.id = i.sync_id
)
SELECT t.what, t.n::bigint FROM tally t WHERE t.n > 0
UNION ALL
-- A row that the host moved after this statement began to look may not be found where it lay; then nothing of this counts.
SELECT 'moved', m.n FROM (SELECT (SELECT count(*) FROM ranked) - (SELECT count(*) FROM removed) - (SELECT count(*) FROM kept) AS n) m WHERE m.n <> 0
