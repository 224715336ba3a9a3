-- Each statement runs alone, outside a transaction, and can be repeated: an interrupted CONCURRENTLY leaves an invalid index behind.
-- A document in Xero belongs to one row: an invoice to an INVOICE row, a payment to a PAYMENT row. Ids are compared byte by byte, and come first: they differ soonest.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_own_id_unique;
CREATE UNIQUE INDEX CONCURRENTLY xero_syncs_own_id_unique ON xero_syncs ((CASE sync_type WHEN 'INVOICE' THEN xero_invoice_id ELSE xero_payment_id END) COLLATE "C", organization_id, sync_type)
  WHERE (CASE sync_type WHEN 'INVOICE' THEN xero_invoice_id ELSE xero_payment_id END) IS NOT NULL AND shared_id IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_document_number_unique;
CREATE UNIQUE INDEX CONCURRENTLY xero_syncs_document_number_unique ON xero_syncs (organization_id, sync_type, document_number)
  WHERE document_number IS NOT NULL;

-- Small partial indexes: they hold unfinished rows only, however many millions are done.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_due;
CREATE INDEX CONCURRENTLY xero_syncs_due ON xero_syncs (organization_id, sync_type, next_retry_at, id)
  WHERE status IN ('PENDING', 'FAILED') AND next_retry_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_unfinished;
CREATE INDEX CONCURRENTLY xero_syncs_unfinished ON xero_syncs (organization_id, status, failure_code, created_at) WHERE status <> 'SUCCESS';
-- What somebody is working on, what was sent, and what was ordered: one index, since each row that moves is in and out of it.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_in_motion;
CREATE INDEX CONCURRENTLY xero_syncs_in_motion ON xero_syncs (open_request_id, status, due_because, next_retry_at)
  WHERE status = 'RETRYING' OR open_request_id IS NOT NULL OR due_because IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_provider_payment;
CREATE INDEX CONCURRENTLY xero_syncs_provider_payment ON xero_syncs (provider_payment_id) WHERE provider_payment_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_newest;
CREATE INDEX CONCURRENTLY xero_syncs_newest ON xero_syncs (created_at DESC, id DESC);
