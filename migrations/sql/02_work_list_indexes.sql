-- Indexes of the archive and the work list, built anew when an adoption has filled both. Each statement can be repeated.
CREATE INDEX IF NOT EXISTS xero_syncs_archive_kept ON paymentsync.xero_syncs_archive (kept_sync_id);
CREATE UNIQUE INDEX IF NOT EXISTS recovery_items_open ON paymentsync.recovery_items (kind, subject) WHERE status = 'OPEN';
CREATE INDEX IF NOT EXISTS recovery_items_subject ON paymentsync.recovery_items (subject, kind);
CREATE INDEX IF NOT EXISTS recovery_items_newest ON paymentsync.recovery_items (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS recovery_items_of_sync ON paymentsync.recovery_items (sync_id) WHERE sync_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS recovery_items_of_report ON paymentsync.recovery_items (report_id) WHERE report_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS recovery_items_open_event ON paymentsync.recovery_items (event_id) WHERE status = 'OPEN' AND event_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS recovery_items_open_link ON paymentsync.recovery_items (payment_link_id) WHERE status = 'OPEN' AND payment_link_id IS NOT NULL;
