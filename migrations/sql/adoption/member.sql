member AS (
  SELECT s.payment_link_id, s.sync_type = 'PAYMENT' AS is_payment, CASE s.status WHEN 'SUCCESS' THEN 1 WHEN 'FAILED' THEN 3 ELSE 2 END AS standing, s.created_at, s.id, s.ctid AS place, s.status,
         nullif(btrim(s.xero_invoice_id), '') AS invoice_id, nullif(btrim(s.xero_payment_id), '') AS payment_id, s.error_message, s.retry_count
    FROM public.xero_syncs s WHERE {which}
),
