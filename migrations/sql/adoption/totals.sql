-- Overviews read SUCCESS from the totals, which the predecessor did not keep.
INSERT INTO paymentsync.sync_totals AS t (organization_id, hour, sync_type, status, syncs)
SELECT s.organization_id, date_trunc('hour', s.updated_at), s.sync_type, s.status, count(*)
  FROM public.xero_syncs s WHERE s.status = 'SUCCESS' AND s.organization_id IS NOT NULL GROUP BY 1, 2, 3, 4
ON CONFLICT (organization_id, hour, sync_type, status) DO UPDATE SET syncs = t.syncs + excluded.syncs;
