-- What the scans of recovery read. Each index holds unfinished or contradictory rows only, so that ten million rows that are done cost nothing.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_resting;
CREATE INDEX CONCURRENTLY xero_syncs_resting ON xero_syncs (failure_kind, failure_code, payment_link_id)
  WHERE status IN ('PENDING', 'FAILED') AND next_retry_at IS NULL;
-- In this order documents are built, too, once an organisation's settings were saved.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_unbuilt;
CREATE INDEX CONCURRENTLY xero_syncs_unbuilt ON xero_syncs (organization_id, created_at, id)
  WHERE status <> 'SUCCESS' AND (document_number IS NULL OR amount IS NULL OR currency IS NULL OR NOT paymentsync.document_is_readable(sync_type, request_payload));
-- SUCCESS without an id, and an id that stands on a row that rests: one reading of the table for both.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_contradictions;
CREATE INDEX CONCURRENTLY xero_syncs_contradictions ON xero_syncs (status, id)
  WHERE (status = 'SUCCESS' AND (CASE sync_type WHEN 'INVOICE' THEN xero_invoice_id ELSE xero_payment_id END) IS NULL)
     OR (status IN ('PENDING', 'FAILED') AND next_retry_at IS NULL AND (CASE sync_type WHEN 'INVOICE' THEN xero_invoice_id ELSE xero_payment_id END) IS NOT NULL);
DROP INDEX CONCURRENTLY IF EXISTS payment_links_cancelled;
CREATE INDEX CONCURRENTLY payment_links_cancelled ON payment_links (updated_at) WHERE status = 'CANCELED';
DROP INDEX CONCURRENTLY IF EXISTS paymentsync.sync_attempts_failures;
CREATE INDEX CONCURRENTLY sync_attempts_failures ON paymentsync.sync_attempts (ended_at) INCLUDE (failure_code) WHERE failure_code IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS paymentsync.recovery_reports_unfinished;
CREATE INDEX CONCURRENTLY recovery_reports_unfinished ON paymentsync.recovery_reports (started_at) WHERE ended_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS paymentsync.sync_totals_hour;
CREATE INDEX CONCURRENTLY sync_totals_hour ON paymentsync.sync_totals (hour);
