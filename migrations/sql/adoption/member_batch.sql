member AS MATERIALIZED (
  SELECT s.id, s.payment_link_id, s.sync_type, s.status, nullif(btrim(s.xero_invoice_id), '') AS invoice_id, nullif(btrim(s.xero_payment_id), '') AS payment_id,
         s.error_message, s.retry_count, s.created_at
    FROM paymentsync.adoption_plan n CROSS JOIN LATERAL unnest(n.ids) u(id) JOIN public.xero_syncs s ON s.id = u.id
   WHERE n.seq BETWEEN $1 AND $2
),
