DROP TABLE IF EXISTS paymentsync.adoption_shared;
CREATE TABLE paymentsync.adoption_shared AS
  WITH own AS (SELECT s.id, s.sync_type, CASE s.sync_type WHEN 'INVOICE' THEN s.xero_invoice_id ELSE s.xero_payment_id END AS xero_id FROM public.xero_syncs s),
       twice AS (SELECT o.sync_type, o.xero_id FROM own o WHERE o.xero_id IS NOT NULL GROUP BY o.sync_type, o.xero_id HAVING count(*) > 1)
  SELECT o.id, o.xero_id FROM own o JOIN twice t ON t.sync_type = o.sync_type AND t.xero_id = o.xero_id;

-- To tell the rows that were made from those that were there; and for restore-legacy.
CREATE INDEX IF NOT EXISTS xero_syncs_before_adoption_sync ON paymentsync.xero_syncs_before_adoption (sync_id);
