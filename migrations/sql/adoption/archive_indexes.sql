-- As in 02_paymentsync_schema.sql.
CREATE INDEX IF NOT EXISTS xero_syncs_archive_link ON paymentsync.xero_syncs_archive (payment_link_id, sync_type);
CREATE INDEX IF NOT EXISTS xero_syncs_archive_kept ON paymentsync.xero_syncs_archive (kept_sync_id);
