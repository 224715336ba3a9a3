-- What the scans of recovery read. Each index holds unfinished or contradictory rows only, so that ten million rows that are done cost nothing.
-- Rows without a document rest because they wait for one; they are not looked for here, and after an adoption they may be millions.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_resting;
CREATE INDEX CONCURRENTLY xero_syncs_resting ON xero_syncs (failure_kind, failure_code, payment_link_id)
  WHERE status IN ('PENDING', 'FAILED') AND next_retry_at IS NULL AND document_number IS NOT NULL;
-- In this order documents are built, once an organisation's settings were saved.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_unbuilt;
CREATE INDEX CONCURRENTLY xero_syncs_unbuilt ON xero_syncs (organization_id, created_at, id) WHERE status <> 'SUCCESS' AND document_number IS NULL;
-- SUCCESS without an id; an id on a row that rests for no reason; due, or at work, without a document; a document that cannot be read: one reading of the table for all.
DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_contradictions;
CREATE INDEX CONCURRENTLY xero_syncs_contradictions ON xero_syncs (status, id)
  WHERE (status = 'SUCCESS' AND (CASE sync_type WHEN 'INVOICE' THEN xero_invoice_id ELSE xero_payment_id END) IS NULL)
     OR (status IN ('PENDING', 'FAILED') AND next_retry_at IS NULL AND (xero_invoice_id IS NOT NULL OR xero_payment_id IS NOT NULL) AND failure_kind IS DISTINCT FROM 'NEEDS_ACTION')
     OR (status <> 'SUCCESS' AND document_number IS NULL AND (next_retry_at IS NOT NULL OR status = 'RETRYING' OR (status = 'PENDING' AND failure_code IS NULL)))
     OR (status <> 'SUCCESS' AND document_number IS NOT NULL AND (amount IS NULL OR currency IS NULL OR NOT paymentsync.document_is_readable(sync_type, request_payload)));
DROP INDEX CONCURRENTLY IF EXISTS payment_links_cancelled;
CREATE INDEX CONCURRENTLY payment_links_cancelled ON payment_links (updated_at) WHERE status = 'CANCELED';
DROP INDEX CONCURRENTLY IF EXISTS paymentsync.sync_attempts_failures;
CREATE INDEX CONCURRENTLY sync_attempts_failures ON paymentsync.sync_attempts (ended_at) INCLUDE (failure_code) WHERE failure_code IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS paymentsync.recovery_reports_unfinished;
CREATE INDEX CONCURRENTLY recovery_reports_unfinished ON paymentsync.recovery_reports (started_at) WHERE ended_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS paymentsync.sync_totals_hour;
CREATE INDEX CONCURRENTLY sync_totals_hour ON paymentsync.sync_totals (hour);
