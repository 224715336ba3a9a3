-- Each statement runs alone, outside a transaction, and can be repeated: an interrupted CONCURRENTLY leaves an invalid index behind.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_invoice_id_unique;
CREATE UNIQUE INDEX CONCURRENTLY xero_syncs_invoice_id_unique ON xero_syncs (organization_id, xero_invoice_id)
  WHERE sync_type = 'INVOICE' AND xero_invoice_id IS NOT NULL AND shared_id IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_payment_id_unique;
CREATE UNIQUE INDEX CONCURRENTLY xero_syncs_payment_id_unique ON xero_syncs (organization_id, xero_payment_id)
  WHERE sync_type = 'PAYMENT' AND xero_payment_id IS NOT NULL AND shared_id IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_document_number_unique;
CREATE UNIQUE INDEX CONCURRENTLY xero_syncs_document_number_unique ON xero_syncs (organization_id, sync_type, document_number)
  WHERE document_number IS NOT NULL;

-- Small partial indexes: they hold unfinished rows only, however many millions are done.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_due;
CREATE INDEX CONCURRENTLY xero_syncs_due ON xero_syncs (organization_id, sync_type, next_retry_at, id)
  WHERE status IN ('PENDING', 'FAILED') AND next_retry_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_claimed;
CREATE INDEX CONCURRENTLY xero_syncs_claimed ON xero_syncs (organization_id) WHERE status = 'RETRYING';
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_unfinished;
CREATE INDEX CONCURRENTLY xero_syncs_unfinished ON xero_syncs (organization_id, status, failure_code, created_at) WHERE status <> 'SUCCESS';
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_without_document;
CREATE INDEX CONCURRENTLY xero_syncs_without_document ON xero_syncs (organization_id, created_at, id) WHERE status <> 'SUCCESS' AND document_number IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_open_request;
CREATE INDEX CONCURRENTLY xero_syncs_open_request ON xero_syncs (open_request_id) WHERE open_request_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_provider_payment;
CREATE INDEX CONCURRENTLY xero_syncs_provider_payment ON xero_syncs (provider_payment_id) WHERE provider_payment_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_newest;
CREATE INDEX CONCURRENTLY xero_syncs_newest ON xero_syncs (created_at DESC, id DESC);
