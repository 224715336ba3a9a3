-- Each statement runs alone, outside a transaction, and can be repeated: an interrupted CONCURRENTLY leaves an invalid index behind.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_payment_link_sync_type_building;
CREATE UNIQUE INDEX CONCURRENTLY xero_syncs_payment_link_sync_type_building ON xero_syncs (payment_link_id, sync_type);
ALTER TABLE xero_syncs DROP CONSTRAINT IF EXISTS xero_syncs_payment_link_sync_type_unique;
ALTER TABLE xero_syncs ADD CONSTRAINT xero_syncs_payment_link_sync_type_unique UNIQUE USING INDEX xero_syncs_payment_link_sync_type_building;
