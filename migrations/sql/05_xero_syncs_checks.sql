-- What must hold for every row, whoever writes it. Each statement can be repeated and run alone: the first two are short, the last
-- reads the whole table once without keeping anybody from writing.
CREATE OR REPLACE FUNCTION paymentsync.is_held(code text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT coalesce(code LIKE 'payment.%' OR code LIKE 'legacy.%' OR code LIKE 'operator.%'
     OR code IN ('link.cancelled', 'xero.total_differs', 'xero.document_voided', 'xero.tenant_changed'), false) $$;
COMMENT ON FUNCTION paymentsync.is_held(text) IS 'Codes that only a person''s resolve, with a reason, makes due again.';

CREATE OR REPLACE FUNCTION paymentsync.stays_held(of_status "XeroSyncStatus", code text, released text[]) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT paymentsync.is_held(code) AND (of_status = 'FAILED' OR (of_status = 'RETRYING' AND NOT coalesce(code = ANY (released), false))) $$;
COMMENT ON FUNCTION paymentsync.stays_held("XeroSyncStatus", text, text[]) IS
  'Rows that are held, those included that are claimed for a look and were not released by a person: when that worker is gone they are held as before, never due.';

CREATE OR REPLACE FUNCTION paymentsync.awaits_confirmation(code text, payload jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT coalesce(code = 'waiting.confirmation' OR (code = 'legacy.incomplete' AND payload ? 'awaitsConfirmation'), false) $$;
COMMENT ON FUNCTION paymentsync.awaits_confirmation(text, jsonb) IS 'Rows whose payment is yet to be confirmed: the host application inserted them, or they were adopted with a link that nobody had paid. Those included that are held for it.';

ALTER TABLE xero_syncs
  DROP CONSTRAINT IF EXISTS xero_syncs_retrying_means_leased,
  DROP CONSTRAINT IF EXISTS xero_syncs_scheduled_only_while_waiting,
  DROP CONSTRAINT IF EXISTS xero_syncs_held_is_not_scheduled,
  DROP CONSTRAINT IF EXISTS xero_syncs_success_has_no_open_request,
  DROP CONSTRAINT IF EXISTS xero_syncs_failed_has_a_reason,
  DROP CONSTRAINT IF EXISTS xero_syncs_failure_kind_known,
  DROP CONSTRAINT IF EXISTS xero_syncs_absence_belongs_to_a_request,
  DROP CONSTRAINT IF EXISTS xero_syncs_open_request_names_its_tenant,
  DROP CONSTRAINT IF EXISTS xero_syncs_money_is_positive,
  DROP CONSTRAINT IF EXISTS xero_syncs_counts_are_not_negative,
  DROP CONSTRAINT IF EXISTS xero_syncs_due_because_known,
  ADD CONSTRAINT xero_syncs_retrying_means_leased CHECK ((status = 'RETRYING') = (lease_owner IS NOT NULL) AND (lease_owner IS NULL) = (lease_expires_at IS NULL)) NOT VALID,
  ADD CONSTRAINT xero_syncs_scheduled_only_while_waiting CHECK (next_retry_at IS NULL OR status IN ('PENDING', 'FAILED')) NOT VALID,
  ADD CONSTRAINT xero_syncs_held_is_not_scheduled CHECK (NOT (status = 'FAILED' AND paymentsync.is_held(failure_code) AND next_retry_at IS NOT NULL)) NOT VALID,
  ADD CONSTRAINT xero_syncs_success_has_no_open_request CHECK (status <> 'SUCCESS' OR open_request_id IS NULL) NOT VALID,
  ADD CONSTRAINT xero_syncs_failed_has_a_reason CHECK (status <> 'FAILED' OR (failure_kind IS NOT NULL AND failure_code IS NOT NULL)) NOT VALID,
  ADD CONSTRAINT xero_syncs_failure_kind_known CHECK (failure_kind IN ('TRANSIENT', 'UNCERTAIN', 'NEEDS_ACTION', 'PERMANENT')) NOT VALID,
  ADD CONSTRAINT xero_syncs_absence_belongs_to_a_request CHECK (absent_since IS NULL OR open_request_id IS NOT NULL) NOT VALID,
  ADD CONSTRAINT xero_syncs_open_request_names_its_tenant CHECK (open_request_id IS NULL OR tenant_id IS NOT NULL) NOT VALID,
  ADD CONSTRAINT xero_syncs_money_is_positive CHECK (amount > 0 AND currency ~ '^[A-Z]{3}$') NOT VALID,
  ADD CONSTRAINT xero_syncs_counts_are_not_negative CHECK (attempt >= 0 AND retry_count >= 0) NOT VALID,
  ADD CONSTRAINT xero_syncs_due_because_known CHECK (due_because IN ('RESUME', 'REPLAY')) NOT VALID;

ALTER TABLE xero_syncs
  VALIDATE CONSTRAINT xero_syncs_retrying_means_leased,
  VALIDATE CONSTRAINT xero_syncs_scheduled_only_while_waiting,
  VALIDATE CONSTRAINT xero_syncs_held_is_not_scheduled,
  VALIDATE CONSTRAINT xero_syncs_success_has_no_open_request,
  VALIDATE CONSTRAINT xero_syncs_failed_has_a_reason,
  VALIDATE CONSTRAINT xero_syncs_failure_kind_known,
  VALIDATE CONSTRAINT xero_syncs_absence_belongs_to_a_request,
  VALIDATE CONSTRAINT xero_syncs_open_request_names_its_tenant,
  VALIDATE CONSTRAINT xero_syncs_money_is_positive,
  VALIDATE CONSTRAINT xero_syncs_counts_are_not_negative,
  VALIDATE CONSTRAINT xero_syncs_due_because_known;
