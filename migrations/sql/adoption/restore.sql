-- One transaction: all of it, or nothing. The service is stopped; the host waits.
LOCK TABLE public.xero_syncs IN ACCESS EXCLUSIVE MODE;

DROP TRIGGER IF EXISTS paymentsync_insert ON xero_syncs;
DROP TRIGGER IF EXISTS paymentsync_update ON xero_syncs;
DROP TRIGGER IF EXISTS paymentsync_delete ON xero_syncs;
DROP TRIGGER IF EXISTS paymentsync_truncate ON xero_syncs;
DROP TRIGGER IF EXISTS paymentsync_meanwhile_insert ON xero_syncs;
DROP TRIGGER IF EXISTS paymentsync_meanwhile_update ON xero_syncs;
DROP TRIGGER IF EXISTS paymentsync_meanwhile_delete ON xero_syncs;

-- What PaymentSync knew of each row and the host has no columns for.
CREATE TABLE paymentsync.xero_syncs_before_restore AS SELECT * FROM public.xero_syncs;
CREATE TABLE paymentsync.restore_counts (put_back bigint, set_back bigint, learned bigint, removed bigint);

DO $$
DECLARE
  what record;
  put_back bigint;
  set_back bigint;
  still bigint;
  removed bigint;
BEGIN
  FOR what IN SELECT c.conname FROM pg_constraint c WHERE c.conrelid = 'public.xero_syncs'::regclass AND c.conname LIKE 'xero\_syncs\_%'
      AND (c.contype = 'c' AND pg_get_constraintdef(c.oid) ~ '(lease_|failure_|next_retry_at|open_request_id|absent_since|amount|attempt|due_because)'
        OR (c.conname = 'xero_syncs_payment_link_sync_type_unique' AND NOT (SELECT a.constraint_was_there FROM paymentsync.adoption a))) LOOP
    EXECUTE format('ALTER TABLE public.xero_syncs DROP CONSTRAINT %I', what.conname);
  END LOOP;

  -- Rows that the adoption made, that name nothing in Xero, and that nobody has ever tried to send.
  DELETE FROM public.xero_syncs s USING paymentsync.xero_syncs_before_adoption b
   WHERE b.sync_id = s.id AND b.status IS NULL AND s.attempt = 0 AND s.xero_invoice_id IS NULL AND s.xero_payment_id IS NULL AND s.provider_payment_id IS NULL;
  GET DIAGNOSTICS removed = ROW_COUNT;

  -- Kept rows as they were, unless they became SUCCESS or were tried since: what is known of Xero now stays.
  UPDATE public.xero_syncs s
     SET status = b.status, error_message = b.error_message, retry_count = b.retry_count, next_retry_at = b.next_retry_at, updated_at = b.updated_at, request_payload = b.request_payload
    FROM paymentsync.xero_syncs_before_adoption b
   WHERE b.sync_id = s.id AND b.status IS NOT NULL AND s.status <> 'SUCCESS' AND s.attempt = 0;
  GET DIAGNOSTICS set_back = ROW_COUNT;
  SELECT count(*) INTO still FROM public.xero_syncs s JOIN paymentsync.xero_syncs_before_adoption b ON b.sync_id = s.id WHERE b.status IS DISTINCT FROM s.status;
  UPDATE public.xero_syncs SET status = 'FAILED' WHERE status = 'RETRYING' AND attempt > 0;

  INSERT INTO public.xero_syncs
  SELECT (jsonb_populate_record(NULL::public.xero_syncs, coalesce(a.content, '{}') || jsonb_build_object('id', a.sync_id, 'payment_link_id', a.payment_link_id, 'sync_type', a.sync_type, 'status', a.status,
           'xero_invoice_id', a.xero_invoice_id, 'xero_payment_id', a.xero_payment_id, 'request_payload', a.request_payload, 'response_payload', a.response_payload, 'error_message', a.error_message,
           'retry_count', a.retry_count, 'next_retry_at', a.next_retry_at, 'created_at', a.created_at, 'updated_at', a.updated_at, 'released', jsonb_build_array(), 'attempt', 0))).* FROM paymentsync.xero_syncs_archive a
   WHERE a.reason IN ('duplicate', 'inserted during the adoption') AND a.sync_id <> a.kept_sync_id;
  GET DIAGNOSTICS put_back = ROW_COUNT;
  INSERT INTO paymentsync.restore_counts VALUES (put_back, set_back, still, removed);
END $$;

ALTER TABLE public.xero_syncs
  DROP COLUMN organization_id, DROP COLUMN provider, DROP COLUMN provider_payment_id, DROP COLUMN amount, DROP COLUMN currency, DROP COLUMN document_number, DROP COLUMN tenant_id,
  DROP COLUMN open_request_id, DROP COLUMN absent_since, DROP COLUMN released, DROP COLUMN shared_id, DROP COLUMN failure_kind, DROP COLUMN failure_code, DROP COLUMN due_because,
  DROP COLUMN attempt, DROP COLUMN lease_owner, DROP COLUMN lease_expires_at,
  RESET (fillfactor, autovacuum_enabled, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
DROP INDEX IF EXISTS public.xero_syncs_newest, public.xero_syncs_contradictions, public.payment_links_cancelled;
COMMENT ON TABLE public.xero_syncs IS NULL;
