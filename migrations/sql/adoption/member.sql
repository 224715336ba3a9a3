member AS (
  SELECT s.ctid AS place, s.id, s.payment_link_id, s.sync_type, s.status, nullif(btrim(s.xero_invoice_id), '') AS invoice_id, nullif(btrim(s.xero_payment_id), '') AS payment_id,
         s.error_message, s.retry_count, s.created_at
    FROM public.xero_syncs s WHERE {which}
),
