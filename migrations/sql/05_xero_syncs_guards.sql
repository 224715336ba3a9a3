-- What must hold for every change, whoever makes it. (What must hold for every row is in 05_xero_syncs_checks.sql.)
CREATE FUNCTION paymentsync.is_writer() RETURNS boolean LANGUAGE sql STABLE
  AS $$ SELECT coalesce(current_setting('paymentsync.writer', true), '') = 'on' $$;
COMMENT ON FUNCTION paymentsync.is_writer() IS 'PaymentSync''s own connections set paymentsync.writer=on; everybody else is the host application.';

-- With our own rights: the host's role has none on our tables.
CREATE FUNCTION paymentsync.count_host_write(what text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO paymentsync.host_writes AS w (day, kind, backend, writes) VALUES ((paymentsync.now() AT TIME ZONE 'UTC')::date, what, pg_backend_pid(), 1)
        ON CONFLICT (day, kind, backend) DO UPDATE SET writes = w.writes + 1 $$;

CREATE FUNCTION paymentsync.guard_sync_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.organization_id IS NULL THEN
    SELECT l.organization_id INTO NEW.organization_id FROM public.payment_links l WHERE l.id = NEW.payment_link_id;
  END IF;
  IF NOT paymentsync.is_writer() THEN
    -- A host's insert stays legal, but says nothing about money: the row waits until a confirmation builds its document.
    PERFORM paymentsync.count_host_write('insert');
    NEW.status := 'PENDING';
    NEW.next_retry_at := NULL;
    NEW.failure_kind := NULL;
    NEW.failure_code := 'waiting.confirmation';
    NEW.error_message := NULL;
    NEW.retry_count := 0;
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION paymentsync.guard_sync_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- The two ways in which a frozen document may change, open only while one of two functions (09_causes.sql) runs its statement.
  door text := coalesce(current_setting('paymentsync.door', true), '');
  unsent boolean := OLD.status <> 'SUCCESS' AND OLD.open_request_id IS NULL;
  renumbers boolean := unsent AND door = 'renumber ' || OLD.id;
  nowhere boolean := unsent AND (CASE OLD.sync_type WHEN 'INVOICE' THEN OLD.xero_invoice_id ELSE OLD.xero_payment_id END) IS NULL;
  redates boolean := nowhere AND door = 'redate';
BEGIN
  IF NOT paymentsync.is_writer() THEN
    -- The host's statement must not fail, and must not change anything either.
    PERFORM paymentsync.count_host_write('update ' || OLD.status || ' to ' || NEW.status);
    -- A row without a document waits for its settings; nothing could be sent.
    IF OLD.status = 'FAILED' AND NEW.status = 'PENDING' AND OLD.document_number IS NOT NULL AND NOT paymentsync.is_held(OLD.failure_code) THEN
      OLD.next_retry_at := paymentsync.now();
    END IF;
    RETURN OLD;
  END IF;

  IF (NEW.id, NEW.payment_link_id, NEW.sync_type, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.payment_link_id, OLD.sync_type, OLD.created_at)
     OR (OLD.organization_id IS NOT NULL AND NEW.organization_id IS DISTINCT FROM OLD.organization_id) THEN
    RAISE EXCEPTION 'xero_syncs %: identity never changes', OLD.id USING ERRCODE = 'PS010';
  END IF;
  IF OLD.status = 'SUCCESS' AND NEW.status <> 'SUCCESS' THEN
    RAISE EXCEPTION 'xero_syncs %: SUCCESS is final', OLD.id USING ERRCODE = 'PS011';
  END IF;
  IF (OLD.xero_invoice_id IS NOT NULL AND NEW.xero_invoice_id IS DISTINCT FROM OLD.xero_invoice_id)
     OR (OLD.xero_payment_id IS NOT NULL AND NEW.xero_payment_id IS DISTINCT FROM OLD.xero_payment_id) THEN
    IF NOT (renumbers AND NEW.xero_invoice_id IS NULL AND NEW.xero_payment_id IS NULL
            AND EXISTS (SELECT 1 FROM paymentsync.xero_syncs_archive a WHERE a.kept_sync_id = OLD.id AND a.sync_id = OLD.id AND a.xero_invoice_id IS NOT DISTINCT FROM OLD.xero_invoice_id
                          AND a.xero_payment_id IS NOT DISTINCT FROM OLD.xero_payment_id)) THEN
      RAISE EXCEPTION 'xero_syncs %: a Xero id is written once', OLD.id USING ERRCODE = 'PS012';
    END IF;
  END IF;
  IF NEW.status = 'SUCCESS' AND OLD.status <> 'SUCCESS'
     AND (CASE NEW.sync_type WHEN 'INVOICE' THEN NEW.xero_invoice_id WHEN 'PAYMENT' THEN NEW.xero_payment_id END) IS NULL THEN
    RAISE EXCEPTION 'xero_syncs %: SUCCESS needs the id of the document in Xero', OLD.id USING ERRCODE = 'PS013';
  END IF;
  IF (OLD.provider_payment_id IS NOT NULL
      AND (NEW.provider, NEW.provider_payment_id, NEW.amount, NEW.currency) IS DISTINCT FROM (OLD.provider, OLD.provider_payment_id, OLD.amount, OLD.currency))
     -- An open request is cleared only with an outcome that brought nothing, so what has none was only refused there: a new request may go to another tenant.
     OR (OLD.tenant_id IS NOT NULL AND NEW.tenant_id IS DISTINCT FROM OLD.tenant_id AND NOT (nowhere AND NEW.open_request_id IS NOT NULL AND NEW.tenant_id IS NOT NULL)) THEN
    RAISE EXCEPTION 'xero_syncs %: the payment and the tenant it is about are written once', OLD.id USING ERRCODE = 'PS014';
  END IF;
  IF OLD.document_number IS NOT NULL
     AND (NEW.document_number IS DISTINCT FROM OLD.document_number OR NEW.request_payload IS DISTINCT FROM OLD.request_payload)
     AND NOT (renumbers AND NEW.request_payload - 'number' = OLD.request_payload - 'number')
     AND NOT (redates AND NEW.document_number = OLD.document_number
              AND NEW.request_payload - '{date,trueDate,lines}'::text[] = OLD.request_payload - '{date,trueDate,lines}'::text[]) THEN
    RAISE EXCEPTION 'xero_syncs %: the document is frozen', OLD.id USING ERRCODE = 'PS015';
  END IF;
  IF OLD.open_request_id IS NOT NULL AND NEW.open_request_id IS NOT NULL AND NEW.open_request_id <> OLD.open_request_id THEN
    RAISE EXCEPTION 'xero_syncs %: its open request must be settled before another is made', OLD.id USING ERRCODE = 'PS016';
  END IF;
  IF NEW.attempt < OLD.attempt THEN
    RAISE EXCEPTION 'xero_syncs %: the fence only grows', OLD.id USING ERRCODE = 'PS017';
  END IF;
  IF OLD.status = 'FAILED' AND paymentsync.is_held(OLD.failure_code) AND NOT (OLD.failure_code = ANY (NEW.released)) AND NOT renumbers
     -- One read-only look-up settles these, or finds what a person has to know.
     AND NOT (OLD.failure_code = 'legacy.payment_unknown' AND NEW.status = 'RETRYING')
     AND (NEW.status <> OLD.status OR NEW.failure_code IS DISTINCT FROM OLD.failure_code) THEN
    RAISE EXCEPTION 'xero_syncs %: % is released by a person only', OLD.id, OLD.failure_code USING ERRCODE = 'PS018';
  END IF;
  -- The look ends in the document that it found, or in the same hold; a lost one releases nothing.
  IF OLD.status = 'RETRYING' AND paymentsync.stays_held(OLD.status, OLD.failure_code, NEW.released)
     AND NOT (NEW.status = 'SUCCESS' OR (NEW.status IN ('RETRYING', 'FAILED') AND NEW.failure_code IS NOT DISTINCT FROM OLD.failure_code)) THEN
    RAISE EXCEPTION 'xero_syncs %: % is released by a person only', OLD.id, OLD.failure_code USING ERRCODE = 'PS018';
  END IF;
  NEW.updated_at := paymentsync.now();
  RETURN NEW;
END $$;

CREATE FUNCTION paymentsync.guard_sync_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'xero_syncs rows are never deleted: they are the only pointer to what was posted in Xero'
    USING ERRCODE = 'PS019', HINT = 'A payment link or organisation that has sync rows cannot be deleted either; cancel the link instead.';
END $$;

CREATE TRIGGER paymentsync_insert BEFORE INSERT ON xero_syncs FOR EACH ROW EXECUTE FUNCTION paymentsync.guard_sync_insert();
CREATE TRIGGER paymentsync_update BEFORE UPDATE ON xero_syncs FOR EACH ROW EXECUTE FUNCTION paymentsync.guard_sync_update();
CREATE TRIGGER paymentsync_delete BEFORE DELETE ON xero_syncs FOR EACH ROW EXECUTE FUNCTION paymentsync.guard_sync_delete();
CREATE TRIGGER paymentsync_truncate BEFORE TRUNCATE ON xero_syncs FOR EACH STATEMENT EXECUTE FUNCTION paymentsync.guard_sync_delete();

CREATE FUNCTION paymentsync.guard_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'PS020';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON paymentsync.audit_log FOR EACH ROW EXECUTE FUNCTION paymentsync.guard_append_only();
CREATE TRIGGER sync_attempts_append_only BEFORE UPDATE ON paymentsync.sync_attempts FOR EACH ROW EXECUTE FUNCTION paymentsync.guard_append_only();
