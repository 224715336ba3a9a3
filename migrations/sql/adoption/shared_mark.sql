-- Rows of different links that name one document: at most one of them is right. They leave the unique indexes and go to the work list.
WITH next AS (
  DELETE FROM paymentsync.adoption_shared a WHERE a.id IN (SELECT b.id FROM paymentsync.adoption_shared b ORDER BY b.id LIMIT $1) RETURNING a.id, a.xero_id
),
marked AS (
  UPDATE public.xero_syncs s
     SET shared_id = n.xero_id,
         failure_code = CASE WHEN s.failure_code = 'settings.missing' THEN 'legacy.shared_id' ELSE s.failure_code END,
         error_message = CASE WHEN s.failure_code = 'settings.missing' THEN 'Another link names the same document in Xero. See the work list; one of the two is wrong.' ELSE s.error_message END
    FROM next n JOIN public.xero_syncs f ON f.id = n.id WHERE s.id = n.id
  RETURNING s.id, s.payment_link_id, s.organization_id, s.sync_type, s.shared_id, f.status, f.failure_code
),
listed AS (
  INSERT INTO paymentsync.recovery_items (report_id, kind, subject, sync_id, payment_link_id, organization_id, decision, status, message, details)
  SELECT $2, 'legacy.shared_id', 'sync:' || m.id, m.id, m.payment_link_id, m.organization_id, 'MANUAL_REVIEW', 'OPEN',
         format('%s %s stands on rows of several links. Find out in Xero which link it belongs to, and correct the others.', CASE m.sync_type WHEN 'INVOICE' THEN 'Invoice' ELSE 'Payment' END, m.shared_id),
         jsonb_build_object('xeroId', m.shared_id) FROM marked m
)
SELECT 'shared:' || CASE WHEN EXISTS (SELECT 1 FROM paymentsync.xero_syncs_before_adoption b WHERE b.sync_id = m.id AND b.status IS NULL) THEN 'added:' ELSE 'kept:' END || m.sync_type || ':' || CASE m.status WHEN 'SUCCESS' THEN 'SUCCESS' ELSE m.failure_code END AS what, count(*) FROM marked m GROUP BY 1
