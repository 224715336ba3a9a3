-- What waits and comes back: events whose link became known, rows whose settings came, money that named no link.

CREATE FUNCTION paymentsync.hear_again(event uuid, to_link uuid DEFAULT NULL,
  OUT outcome text, OUT why text, OUT explanation text, OUT event_id uuid, OUT link uuid, OUT organization uuid, OUT queued uuid[], OUT claim_error text) LANGUAGE plpgsql AS $$
DECLARE
  e paymentsync.events;
BEGIN
  SELECT x.* INTO e FROM paymentsync.events x WHERE x.id = event AND x.provider_payment_id IS NOT NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM paymentsync.lock_payment(e.provider, e.provider_payment_id);
  UPDATE paymentsync.events x SET status = 'UNMATCHED', updated_at = paymentsync.now()
   WHERE x.id = event AND x.run_key IS NOT NULL AND x.fact IS NOT NULL AND (x.status = 'UNMATCHED' OR (x.status = 'NEEDS_ACTION' AND to_link IS NOT NULL)) RETURNING x.* INTO e;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF coalesce(to_link::text, e.link_reference, e.stripe_payment_link) IS NULL THEN
    outcome := e.status;
    why := e.reason;
    explanation := e.message;
    event_id := e.id;
    RETURN;
  END IF;
  SELECT c.* INTO outcome, why, explanation, event_id, link, organization, queued, claim_error
    FROM paymentsync.confirm(e.provider, e.account, e.source_event_id, e.event_type, e.fact, e.provider_payment_id, coalesce(e.amount, 0), e.currency::text, e.occurred_at,
           coalesce(to_link, CASE WHEN e.link_reference ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN e.link_reference::uuid END),
           coalesce(to_link::text, e.link_reference), CASE WHEN to_link IS NULL THEN e.stripe_payment_link END, e.body, to_link IS NOT NULL) c;
END $$;
COMMENT ON FUNCTION paymentsync.hear_again(uuid, uuid) IS 'The ordinary road once more for a kept event: its link became known, or a person named one.';

CREATE FUNCTION paymentsync.freeze_waiting(of_organization uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  waiting uuid;
  changed bigint;
  total bigint := 0;
BEGIN
  FOR waiting IN
    SELECT DISTINCT w.payment_link_id FROM public.xero_syncs w
     WHERE w.organization_id = of_organization AND w.status <> 'SUCCESS' AND w.document_number IS NULL AND w.provider_payment_id IS NOT NULL ORDER BY 1
  LOOP
    BEGIN
      PERFORM paymentsync.know_contact(waiting);
      UPDATE public.xero_syncs s
         SET document_number = d.document_number,
             request_payload = CASE WHEN w.request_payload ? 'lookFor' THEN d.payload || jsonb_build_object('lookFor', w.request_payload -> 'lookFor') ELSE d.payload END,
             status = (CASE WHEN h.held THEN s.status::text WHEN d.sync_type = 'PAYMENT' OR d.hold IS NULL THEN 'PENDING' ELSE 'FAILED' END)::"XeroSyncStatus",
             failure_kind = CASE WHEN h.held THEN s.failure_kind WHEN d.hold IS NOT NULL THEN 'NEEDS_ACTION' END,
             failure_code = CASE WHEN h.held THEN s.failure_code WHEN d.sync_type = 'PAYMENT' THEN 'waiting.invoice' ELSE d.hold END,
             error_message = CASE WHEN h.held THEN s.error_message ELSE d.message END,
             due_because = CASE WHEN h.held THEN s.due_because ELSE 'RESUME' END,
             next_retry_at = CASE WHEN NOT h.held AND d.sync_type = 'INVOICE' AND d.hold IS NULL THEN paymentsync.now() END
        FROM public.xero_syncs w
        -- What an adoption held gets its document too, so that a person can requeue it; settings release nothing.
        CROSS JOIN LATERAL (SELECT paymentsync.stays_held(w.status, w.failure_code, w.released) AS held) h
        CROSS JOIN LATERAL paymentsync.documents(w.payment_link_id, w.provider, w.provider_payment_id, w.amount, w.currency::text, (w.request_payload ->> 'occurredAt')::timestamptz) d
       WHERE w.payment_link_id = waiting AND w.status <> 'SUCCESS' AND w.document_number IS NULL AND w.provider_payment_id IS NOT NULL
         AND w.sync_type = d.sync_type AND s.id = w.id;
      GET DIAGNOSTICS changed = ROW_COUNT;
      total := total + changed;
    EXCEPTION WHEN unique_violation THEN
      -- One link's number must not keep the settings from being saved, nor the other links waiting.
      UPDATE public.xero_syncs s
         SET failure_code = 'settings.number_in_use',
             error_message = 'Its invoice number, or its payment''s reference, is taken by another link of the organisation. Change booking.invoicePrefix; the sync then goes on by itself.'
       WHERE s.payment_link_id = waiting AND s.sync_type = 'INVOICE' AND s.status = 'FAILED' AND s.document_number IS NULL;
    END;
  END LOOP;
  RETURN total;
END $$;
COMMENT ON FUNCTION paymentsync.freeze_waiting(uuid) IS 'Builds the documents of rows that waited for booking settings, once those are there.';

CREATE FUNCTION paymentsync.mark_unlinked(older_than interval) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  unlinked paymentsync.events;
  marked bigint := 0;
BEGIN
  FOR unlinked IN
    SELECT DISTINCT ON (e.provider, e.account, e.provider_payment_id) e.*
      FROM paymentsync.events e
     WHERE e.status = 'IGNORED' AND e.run_key IS NULL AND e.fact = 'paid' AND e.amount > 0 AND e.reason = 'link.not_named'
       AND e.received_at < (SELECT paymentsync.now()) - older_than
       AND NOT EXISTS (SELECT 1 FROM public.xero_syncs s WHERE s.provider_payment_id = e.provider_payment_id AND s.provider = e.provider)
       AND NOT EXISTS (SELECT 1 FROM paymentsync.events c WHERE c.provider = e.provider AND c.account = e.account AND c.provider_payment_id = e.provider_payment_id
                          AND c.run_key IS NOT NULL AND c.fact = 'paid')
     ORDER BY e.provider, e.account, e.provider_payment_id, e.received_at
  LOOP
    BEGIN
      UPDATE paymentsync.events e
         SET status = 'UNMATCHED', reason = 'payment.no_link', run_key = lower(e.provider) || ':' || e.account || ':' || e.provider_payment_id || ':paid',
             message = format('Payment %s of %s %s names no link and no other event did. Attach it to a link or resolve it.', e.provider_payment_id, e.amount, e.currency),
             updated_at = paymentsync.now()
       WHERE e.id = unlinked.id AND e.run_key IS NULL;
      marked := marked + CASE WHEN FOUND THEN 1 ELSE 0 END;
    EXCEPTION WHEN unique_violation THEN
      -- An event of this payment that names a link came meanwhile: it has the claim, and this one goes on claiming nothing.
      NULL;
    END;
  END LOOP;
  RETURN marked;
END $$;
COMMENT ON FUNCTION paymentsync.mark_unlinked(interval) IS
  'Money without a link becomes visible: paid events that named none, whose payment no row and no claimed event knows after this time. Each for itself: one that a webhook claims meanwhile holds up no other.';
