-- Rows of an adopted database after the adoption: their documents, and the payments they turn out to be about. In a database of our own
-- there are none, and these functions find nothing.
CREATE FUNCTION paymentsync.keeps_its_state(of_type "XeroSyncType", code text, payment text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT payment IS NULL OR paymentsync.is_held(code) OR (of_type = 'PAYMENT' AND coalesce(code LIKE 'settings.%', false)) $$;
COMMENT ON FUNCTION paymentsync.keeps_its_state("XeroSyncType", text, text) IS
  'Of the rows without a document, those of an adopted database that are no new payment: nobody named their payment, a person decides about them, or their invoice is in Xero already.';

CREATE FUNCTION paymentsync.freeze_adopted(of_organization uuid, slice uuid[], first_due timestamptz, before bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  connected boolean := EXISTS (SELECT 1 FROM paymentsync.connections c WHERE c.organization_id = of_organization AND c.status = 'ACTIVE');
  changed bigint;
BEGIN
  PERFORM paymentsync.know_contact(k.payment_link_id)
     FROM (SELECT DISTINCT w.payment_link_id FROM public.xero_syncs w
            WHERE w.id = ANY (slice) AND w.status <> 'SUCCESS' AND w.document_number IS NULL AND paymentsync.keeps_its_state(w.sync_type, w.failure_code, w.provider_payment_id) ORDER BY 1) k;
  WITH built AS MATERIALIZED (
    SELECT w.id, w.sync_type, w.failure_code LIKE 'settings.%' AS goes_on, p.provider, p.amount, p.currency, i.document_number, i.payload, i.hold, i.message,
           w.request_payload -> 'lookFor' AS look_for, row_number() OVER (ORDER BY w.created_at, w.id) AS place
      FROM public.xero_syncs w
      JOIN public.payment_links l ON l.id = w.payment_link_id
      -- What the link lacked at the adoption it may have by now.
      CROSS JOIN LATERAL (SELECT w.amount IS NULL AND l.amount > 0 AND l.amount < 'NaN' AND l.currency ~ '^[A-Z]{3}$' AS bookable) k
      CROSS JOIN LATERAL (SELECT coalesce(w.provider, l.payment_method::text) AS provider, CASE WHEN k.bookable THEN l.amount ELSE w.amount END AS amount, CASE WHEN k.bookable THEN l.currency ELSE w.currency END AS currency) p
      CROSS JOIN LATERAL (
        SELECT b.sync_type, b.document_number, b.payload, max(b.hold) OVER () AS hold, max(b.message) OVER () AS message
          FROM paymentsync.documents(w.payment_link_id, p.provider, coalesce(w.provider_payment_id, 'LINK-' || l.short_code), p.amount, p.currency::text, (w.request_payload ->> 'occurredAt')::timestamptz) b) i
     WHERE w.id = ANY (slice) AND w.status <> 'SUCCESS' AND w.document_number IS NULL AND paymentsync.keeps_its_state(w.sync_type, w.failure_code, w.provider_payment_id)
       AND NOT paymentsync.awaits_confirmation(w.failure_code, w.request_payload) AND p.amount IS NOT NULL AND p.provider IS NOT NULL AND w.request_payload ? 'occurredAt' AND i.sync_type = w.sync_type
       AND NOT EXISTS (SELECT 1 FROM public.xero_syncs x WHERE x.organization_id = w.organization_id AND x.sync_type = w.sync_type AND x.document_number = i.document_number)
  )
  UPDATE public.xero_syncs s
     SET provider = b.provider, amount = b.amount, currency = b.currency, document_number = b.document_number,
         request_payload = CASE WHEN b.document_number IS NULL THEN s.request_payload WHEN b.look_for IS NULL THEN b.payload ELSE b.payload || jsonb_build_object('lookFor', b.look_for) END,
         status = (CASE WHEN b.goes_on AND b.hold IS NULL AND connected THEN 'PENDING' ELSE s.status::text END)::"XeroSyncStatus",
         failure_kind = CASE WHEN b.goes_on AND b.hold IS NULL AND connected THEN NULL ELSE s.failure_kind END,
         failure_code = CASE WHEN NOT b.goes_on THEN s.failure_code WHEN b.hold IS NOT NULL THEN b.hold WHEN NOT connected THEN 'xero.no_connection' END,
         error_message = CASE WHEN NOT b.goes_on THEN s.error_message WHEN b.hold IS NOT NULL THEN b.message WHEN NOT connected THEN 'No active Xero connection for organization' END,
         due_because = CASE WHEN b.goes_on AND b.hold IS NULL AND connected THEN 'RESUME' ELSE s.due_because END,
         -- A thousand each minute, so that a large backlog does not keep new payments waiting.
         next_retry_at = CASE WHEN b.goes_on AND b.hold IS NULL AND connected THEN first_due + ((before + b.place) / 1000) * interval '1 minute' ELSE s.next_retry_at END
    FROM built b WHERE s.id = b.id AND (b.goes_on OR b.document_number IS NOT NULL);
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END $$;
COMMENT ON FUNCTION paymentsync.freeze_adopted(uuid, uuid[], timestamptz, bigint) IS
  'Builds the documents of those of these rows that were adopted, once the organisation has booking settings; those that only waited for that go on, those that are held stay so. A payment that nobody has named yet has the link''s short code as its reference.';

CREATE FUNCTION paymentsync.prepare_requeue(sync uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  adopted public.xero_syncs;
  payment uuid;
BEGIN
  SELECT s.* INTO adopted FROM public.xero_syncs s WHERE s.id = sync AND s.status = 'FAILED' AND (s.failure_code LIKE 'legacy.%' OR s.failure_code = 'operator.marked_failed');
  IF NOT FOUND OR to_regclass('paymentsync.adoption') IS NULL THEN
    RETURN;
  END IF;
  PERFORM paymentsync.lock_booking(adopted.organization_id, false);
  PERFORM paymentsync.freeze_adopted(adopted.organization_id, ARRAY[sync], paymentsync.now(), 0);
  IF adopted.sync_type = 'INVOICE' THEN
    -- Its link was not complete when it was adopted, so it has no row for the payment; an invoice alone would stay unpaid for ever.
    INSERT INTO public.xero_syncs AS p (id, payment_link_id, sync_type, status, organization_id, provider, amount, currency, request_payload, failure_code, created_at, updated_at)
    SELECT gen_random_uuid(), s.payment_link_id, 'PAYMENT', 'PENDING', s.organization_id, s.provider, s.amount, s.currency,
           jsonb_build_object('occurredAt', coalesce(adopted.request_payload -> 'occurredAt', to_jsonb(s.created_at))), 'waiting.invoice', s.created_at, paymentsync.now()
      FROM public.xero_syncs s JOIN public.payment_links l ON l.id = s.payment_link_id AND l.status = 'PAID'
     WHERE s.id = sync AND s.document_number IS NOT NULL
    ON CONFLICT (payment_link_id, sync_type) DO NOTHING RETURNING p.id INTO payment;
    PERFORM paymentsync.freeze_adopted(adopted.organization_id, ARRAY[payment], paymentsync.now(), 0);
  END IF;
END $$;
COMMENT ON FUNCTION paymentsync.prepare_requeue(uuid) IS 'Before a person''s requeue of an adopted row: builds what its link has come to have since the settings were saved, its document and its payment.';

CREATE FUNCTION paymentsync.confirm_adopted(link uuid, of_provider text, payment text, paid numeric, paid_currency text, occurred timestamptz, OUT verdict text, OUT other text) LANGUAGE plpgsql AS $$
DECLARE
  adopted_at timestamptz;
BEGIN
  PERFORM 1 FROM public.xero_syncs s WHERE s.payment_link_id = link AND s.provider_payment_id IS NULL AND NOT paymentsync.awaits_confirmation(s.failure_code, s.request_payload) FOR UPDATE;
  IF NOT FOUND OR to_regclass('paymentsync.adoption') IS NULL THEN
    RETURN;
  END IF;
  SELECT a.started_at INTO adopted_at FROM paymentsync.adoption a;
  IF occurred > adopted_at THEN
    verdict := 'second';
    other := 'a payment from before the adoption of this database';
    RETURN;
  END IF;
  SELECT s.amount || ' ' || s.currency INTO other FROM public.xero_syncs s
   WHERE s.payment_link_id = link AND s.amount IS NOT NULL AND (s.document_number IS NOT NULL OR s.failure_code IS NULL OR s.failure_code NOT LIKE 'settings.%') AND (s.amount, s.currency::text) <> (paid::numeric(18,2), paid_currency) LIMIT 1;
  IF FOUND THEN
    verdict := 'differs';
    RETURN;
  END IF;
  UPDATE public.xero_syncs s SET provider = of_provider, provider_payment_id = payment, amount = paid, currency = paid_currency
   WHERE s.payment_link_id = link AND s.provider_payment_id IS NULL AND NOT paymentsync.awaits_confirmation(s.failure_code, s.request_payload);
  -- A link that was not PAID may have had one of the two only. Nothing is sent for what comes so late: a person, or a look, says what is in Xero.
  INSERT INTO public.xero_syncs (id, payment_link_id, sync_type, status, organization_id, provider, provider_payment_id, amount, currency, tenant_id, request_payload, failure_kind, failure_code, error_message, created_at, updated_at)
  SELECT gen_random_uuid(), link, t.sync_type, 'FAILED', s.organization_id, of_provider, payment, paid, paid_currency, s.tenant_id, jsonb_build_object('occurredAt', occurred), 'NEEDS_ACTION',
         CASE WHEN t.sync_type = 'PAYMENT' AND s.xero_invoice_id IS NOT NULL THEN 'legacy.payment_unknown' ELSE 'legacy.unknown_outcome' END,
         'It was confirmed before the adoption of this database, which had no row for it. Look in Xero whether it is there; adopt its id, or requeue if it is not.', paymentsync.now(), paymentsync.now()
    FROM unnest('{INVOICE,PAYMENT}'::"XeroSyncType"[]) t(sync_type) JOIN public.xero_syncs s ON s.payment_link_id = link AND s.sync_type <> t.sync_type
  ON CONFLICT (payment_link_id, sync_type) DO NOTHING;
  verdict := 'exists';
  other := NULL;
END $$;
COMMENT ON FUNCTION paymentsync.confirm_adopted(uuid, text, text, numeric, text, timestamptz) IS
  'A confirmation from before the adoption says which payment the adopted rows are about; one from after it is a second payment. Verdicts are those of upsert_syncs; null: no adopted rows.';

CREATE FUNCTION paymentsync.hold_unconfirmed(older_than interval) RETURNS bigint LANGUAGE sql AS $$
  WITH held AS (
    UPDATE public.xero_syncs s
       SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = 'legacy.incomplete', next_retry_at = NULL,
           request_payload = CASE WHEN jsonb_typeof(s.request_payload) = 'object' THEN s.request_payload ELSE '{}' END || '{"awaitsConfirmation": true}',
           error_message = 'The host application inserted it, and no confirmation came that says what was paid. See at the provider whether the link was paid; then confirm the payment, or mark this failed.'
     WHERE s.status = 'PENDING' AND s.failure_code = 'waiting.confirmation' AND s.created_at < (SELECT paymentsync.now()) - older_than
    RETURNING 1)
  SELECT count(*) FROM held
$$;
COMMENT ON FUNCTION paymentsync.hold_unconfirmed(interval) IS 'What the host inserted and nobody confirmed becomes visible to a person; a confirmation that comes later still completes it.';
