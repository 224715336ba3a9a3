-- With 02_work_list_indexes.sql, when the tables are filled. Each statement runs alone and can be repeated: an index that is built concurrently elsewhere waits for no more than one.
ALTER TABLE paymentsync.xero_syncs_archive DROP CONSTRAINT IF EXISTS xero_syncs_archive_pkey, ADD PRIMARY KEY (id);
ALTER TABLE paymentsync.recovery_items DROP CONSTRAINT IF EXISTS recovery_items_pkey, DROP CONSTRAINT IF EXISTS recovery_items_report_id_fkey,
  ADD PRIMARY KEY (id),
  ADD CONSTRAINT recovery_items_report_id_fkey FOREIGN KEY (report_id) REFERENCES paymentsync.recovery_reports(id) ON DELETE SET NULL;
-- For restore-legacy, and to tell the rows that were made from those that were there.
CREATE INDEX IF NOT EXISTS xero_syncs_before_adoption_sync ON paymentsync.xero_syncs_before_adoption (sync_id);
