-- What a Xero organisation is set to, as last read: a document that must be refused is not sent, and one that waits for a setting goes on when it changed.
CREATE TABLE paymentsync.tenant_settings (
  tenant_id text NOT NULL,
  part text NOT NULL CHECK (part IN ('Organisation', 'Currencies', 'Accounts', 'TaxRates', 'Contacts')),
  content jsonb,
  read_at timestamptz,
  changed_at timestamptz,
  asked_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, part)
);
COMMENT ON TABLE paymentsync.tenant_settings IS 'Shared by all nodes, read again by age. Never the reason of a payment''s loss: what is missing or old here says nothing, and Xero decides.';
COMMENT ON COLUMN paymentsync.tenant_settings.content IS 'The little of Xero''s answer that refusals depend on; of Contacts only those that were asked for.';
COMMENT ON COLUMN paymentsync.tenant_settings.read_at IS 'When Xero last said so; null once a refusal contradicted it.';
COMMENT ON COLUMN paymentsync.tenant_settings.changed_at IS 'When a read first showed this content: a row that was tried in vain since is not tried again for it.';
COMMENT ON COLUMN paymentsync.tenant_settings.asked_at IS 'When it was last asked for, answered or not.';

CREATE FUNCTION paymentsync.store_tenant_setting(tenant text, of_part text, answered jsonb) RETURNS void LANGUAGE sql AS $$
  INSERT INTO paymentsync.tenant_settings AS t (tenant_id, part, content, read_at, changed_at, asked_at)
  VALUES (tenant, of_part, answered, CASE WHEN answered IS NOT NULL THEN paymentsync.now() END, CASE WHEN answered IS NOT NULL THEN paymentsync.now() END, paymentsync.now())
  ON CONFLICT (tenant_id, part) DO UPDATE
    SET asked_at = excluded.asked_at, content = coalesce(excluded.content, t.content), read_at = coalesce(excluded.read_at, t.read_at),
        changed_at = CASE WHEN excluded.content IS NULL OR excluded.content = t.content THEN t.changed_at ELSE excluded.changed_at END
$$;
COMMENT ON FUNCTION paymentsync.store_tenant_setting(text, text, jsonb) IS 'What Xero answered; null: it was asked and gave no answer that can be read.';

CREATE FUNCTION paymentsync.dated(document jsonb, day date) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT document || jsonb_build_object('date', day, 'trueDate', coalesce(document ->> 'trueDate', document ->> 'date'))
    || CASE WHEN document ? 'lines' AND NOT document ? 'trueDate' THEN jsonb_build_object('lines', (
         SELECT jsonb_agg(line || jsonb_build_object('description', paymentsync.cut(line ->> 'description', 3975) || ' (paid on ' || (document ->> 'date') || ')') ORDER BY place)
           FROM jsonb_array_elements(document -> 'lines') WITH ORDINALITY AS l (line, place)))
       ELSE '{}' END
$$;
COMMENT ON FUNCTION paymentsync.dated(jsonb, date) IS 'The document on another day, with the true one in its line. Done twice it keeps the true one.';

CREATE FUNCTION paymentsync.redate(syncs uuid[], attempts integer[], of_owner text, day date) RETURNS TABLE (sync uuid, document jsonb) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('paymentsync.door', 'redate', true);
  RETURN QUERY
    WITH claimed AS (
      UPDATE public.xero_syncs s SET request_payload = paymentsync.dated(s.request_payload, day)
        FROM unnest(syncs, attempts) AS m (id, attempt)
       WHERE s.id = m.id AND s.attempt = m.attempt AND s.status = 'RETRYING' AND s.lease_owner = of_owner AND s.open_request_id IS NULL
         AND (s.request_payload ->> 'date')::date < day
      RETURNING s.id, s.payment_link_id, s.sync_type, s.request_payload
    ), followed AS (
      -- The payment of an invoice that moves has not been sent either: it waits for the invoice, and both say the same day.
      UPDATE public.xero_syncs p SET request_payload = paymentsync.dated(p.request_payload, day)
        FROM claimed c
       WHERE c.sync_type = 'INVOICE' AND p.payment_link_id = c.payment_link_id AND p.sync_type = 'PAYMENT' AND p.status IN ('PENDING', 'FAILED')
         AND p.open_request_id IS NULL AND p.xero_payment_id IS NULL AND p.document_number IS NOT NULL AND (p.request_payload ->> 'date')::date < day)
    SELECT c.id, c.request_payload FROM claimed c;
  PERFORM set_config('paymentsync.door', '', true);
END $$;
COMMENT ON FUNCTION paymentsync.redate(uuid[], integer[], text, date) IS
  'lockDatePolicy FirstOpenDay: claimed documents of which nothing can be in Xero move to the first open day, invoices together with their payments.';

CREATE FUNCTION paymentsync.requeue_with_new_number(sync uuid,
  OUT verdict text, OUT organization uuid, OUT code text, OUT former_number text, OUT former_id text, OUT number text) LANGUAGE plpgsql AS $$
DECLARE
  invoice public.xero_syncs;
  payment public.xero_syncs;
  base text;
  next integer;
BEGIN
  PERFORM 1 FROM public.xero_syncs s WHERE s.payment_link_id = (SELECT x.payment_link_id FROM public.xero_syncs x WHERE x.id = sync) ORDER BY s.sync_type FOR UPDATE;
  SELECT * INTO invoice FROM public.xero_syncs s WHERE s.id = sync;
  SELECT * INTO payment FROM public.xero_syncs s WHERE s.payment_link_id = invoice.payment_link_id AND s.sync_type = 'PAYMENT';
  organization := invoice.organization_id;
  code := invoice.failure_code;
  former_number := invoice.document_number;
  former_id := coalesce(invoice.xero_invoice_id, invoice.response_payload ->> 'invoiceId');
  verdict := CASE
    WHEN invoice.id IS NULL THEN 'unknown'
    WHEN invoice.sync_type <> 'INVOICE' THEN 'no_invoice'
    WHEN invoice.status = 'SUCCESS' THEN 'final'
    WHEN invoice.status = 'RETRYING' THEN 'running'
    WHEN invoice.open_request_id IS NOT NULL THEN CASE WHEN invoice.next_retry_at IS NULL THEN 'look_waits' ELSE 'request_open' END
    -- VOIDED and DELETED are final in Xero, so what the look-up that set this code read is still true.
    WHEN invoice.xero_invoice_id IS NOT NULL AND invoice.failure_code IS DISTINCT FROM 'xero.document_voided' THEN 'not_gone'
    WHEN invoice.status <> 'FAILED' OR invoice.document_number IS NULL
      OR invoice.failure_code NOT IN ('xero.document_voided', 'xero.document_mismatch', 'xero.several_matches', 'xero.refused') THEN 'does_not_fit'
    WHEN payment.status IN ('SUCCESS', 'RETRYING') OR payment.open_request_id IS NOT NULL THEN 'payment_there'
    ELSE 'done' END;
  IF verdict <> 'done' THEN
    RETURN;
  END IF;

  SELECT coalesce((SELECT a.content ->> 'document_number' FROM paymentsync.xero_syncs_archive a WHERE a.sync_id = sync AND a.kept_sync_id = sync ORDER BY a.id LIMIT 1), former_number) INTO base;
  SELECT min(n) INTO next FROM generate_series(2, 1000) n
   WHERE NOT EXISTS (SELECT 1 FROM public.xero_syncs s WHERE s.organization_id = invoice.organization_id AND s.sync_type = 'INVOICE' AND s.document_number = base || '-' || n)
     AND NOT EXISTS (SELECT 1 FROM paymentsync.xero_syncs_archive a WHERE a.kept_sync_id = sync AND a.content ->> 'document_number' = base || '-' || n);
  number := base || '-' || next;

  PERFORM set_config('paymentsync.door', 'renumber ' || sync, true);
  INSERT INTO paymentsync.xero_syncs_archive (sync_id, kept_sync_id, payment_link_id, organization_id, sync_type, status, reason, xero_invoice_id, xero_payment_id, content)
  VALUES (sync, sync, invoice.payment_link_id, invoice.organization_id, invoice.sync_type, invoice.status, 'requeued with a new number', former_id, invoice.xero_payment_id, to_jsonb(invoice));
  UPDATE public.xero_syncs s
     SET document_number = number, request_payload = s.request_payload || jsonb_build_object('number', number), xero_invoice_id = NULL, xero_payment_id = NULL, response_payload = NULL,
         status = 'PENDING', failure_kind = NULL, failure_code = NULL, error_message = NULL, retry_count = 0, next_retry_at = paymentsync.now(), due_because = 'REPLAY'
   WHERE s.id = sync;

  -- Its payment has no id, or one that is gone too: Xero voids no invoice that carries a payment. What a person gave up stays given up.
  PERFORM set_config('paymentsync.door', 'renumber ' || payment.id, true);
  INSERT INTO paymentsync.xero_syncs_archive (sync_id, kept_sync_id, payment_link_id, organization_id, sync_type, status, reason, xero_invoice_id, xero_payment_id, content)
  SELECT payment.id, payment.id, payment.payment_link_id, payment.organization_id, payment.sync_type, payment.status, 'its invoice was requeued with a new number', payment.xero_invoice_id,
         payment.xero_payment_id, to_jsonb(payment)
   WHERE payment.xero_invoice_id IS NOT NULL OR payment.xero_payment_id IS NOT NULL;
  UPDATE public.xero_syncs s
     SET xero_invoice_id = NULL, xero_payment_id = NULL, status = 'PENDING', failure_kind = NULL, failure_code = 'waiting.invoice', error_message = NULL, next_retry_at = NULL, due_because = NULL
   WHERE s.id = payment.id AND payment.failure_code IS DISTINCT FROM 'operator.marked_failed';
  PERFORM set_config('paymentsync.door', '', true);
END $$;
COMMENT ON FUNCTION paymentsync.requeue_with_new_number(uuid) IS
  'The only thing that ever changes a frozen number, ordered by a person: -2, -3, … The row as it was, with its id, goes to the archive in the same statement.';
