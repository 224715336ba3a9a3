ALTER TABLE xero_syncs
  ADD COLUMN organization_id uuid,
  ADD COLUMN provider text,
  ADD COLUMN provider_payment_id text,
  ADD COLUMN amount numeric(18,2),
  ADD COLUMN currency char(3),
  ADD COLUMN document_number text,
  ADD COLUMN tenant_id text,
  ADD COLUMN open_request_id uuid,
  ADD COLUMN absent_since timestamptz,
  ADD COLUMN released text[] NOT NULL DEFAULT '{}',
  ADD COLUMN shared_id text,
  ADD COLUMN failure_kind text,
  ADD COLUMN failure_code text,
  ADD COLUMN due_because text,
  ADD COLUMN attempt integer NOT NULL DEFAULT 0,
  ADD COLUMN lease_owner text,
  ADD COLUMN lease_expires_at timestamptz;

COMMENT ON TABLE xero_syncs IS 'One row for each thing Xero must be told about one payment link. The row is the queue; a job engine only wakes.';
COMMENT ON COLUMN xero_syncs.organization_id IS 'Copied from the link, so that claims need no join.';
COMMENT ON COLUMN xero_syncs.provider_payment_id IS 'Which payment this row is about: written by the first confirmation, once.';
COMMENT ON COLUMN xero_syncs.document_number IS 'Frozen invoice number, or payment reference; unique per organisation and type.';
COMMENT ON COLUMN xero_syncs.request_payload IS 'The frozen document. Sending, verifying and adopting read only this, never today''s settings. Before it is frozen: what is needed to freeze it.';
COMMENT ON COLUMN xero_syncs.tenant_id IS 'The Xero tenant it was sent to. A new request may name another one while nothing of it is, or may be, in Xero.';
COMMENT ON COLUMN xero_syncs.open_request_id IS 'Set by the statement that journals an intent; cleared only with that request''s outcome for this row or by a completed look-up.';
COMMENT ON COLUMN xero_syncs.absent_since IS 'Start of the first countable look that did not find the document; a second one at least 30 s later completes the look-up.';
COMMENT ON COLUMN xero_syncs.released IS 'Held codes that a person released: a check whose code is in it is skipped.';
COMMENT ON COLUMN xero_syncs.shared_id IS 'Set on adopted rows whose Xero id stands on rows of several links: they are out of the unique indexes and on the work list.';
COMMENT ON COLUMN xero_syncs.due_because IS 'Why it was made due, when not by its own back-off: RESUME (recovery, a connection or an invoice came back) or REPLAY (an operator). Read and cleared by the claim.';
COMMENT ON COLUMN xero_syncs.retry_count IS 'Failed tries; throttling and disconnection do not count.';
COMMENT ON COLUMN xero_syncs.next_retry_at IS 'When it is due; null: needs an event or a person.';
COMMENT ON COLUMN xero_syncs.attempt IS 'The fence: +1 at each claim. Every result write names it.';
COMMENT ON COLUMN xero_syncs.lease_owner IS 'Who is working on it; set exactly while the status is RETRYING.';

-- Hot table: claims and completions rewrite rows, so leave room on the page and clean up early.
ALTER TABLE xero_syncs SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
