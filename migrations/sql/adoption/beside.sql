-- As in 02_paymentsync_schema.sql, built at once when the tables are filled. Each statement runs alone and can be repeated: an index that is built concurrently elsewhere waits for no more than one.
CREATE INDEX IF NOT EXISTS xero_syncs_archive_link ON paymentsync.xero_syncs_archive (payment_link_id, sync_type);
CREATE INDEX IF NOT EXISTS xero_syncs_archive_kept ON paymentsync.xero_syncs_archive (kept_sync_id);
CREATE UNIQUE INDEX IF NOT EXISTS recovery_items_open ON paymentsync.recovery_items (kind, subject) WHERE status = 'OPEN';
CREATE INDEX IF NOT EXISTS recovery_items_newest ON paymentsync.recovery_items (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS recovery_items_of_sync ON paymentsync.recovery_items (sync_id) WHERE sync_id IS NOT NULL;
ALTER TABLE paymentsync.recovery_items DROP CONSTRAINT IF EXISTS recovery_items_report_id_fkey,
  ADD CONSTRAINT recovery_items_report_id_fkey FOREIGN KEY (report_id) REFERENCES paymentsync.recovery_reports(id) ON DELETE SET NULL;
-- For restore-legacy, and to tell the rows that were made from those that were there.
CREATE INDEX IF NOT EXISTS xero_syncs_before_adoption_sync ON paymentsync.xero_syncs_before_adoption (sync_id);
