-- The two rows of a payment: who waits for whom, and how a confirmation makes them or leaves them as they are.

-- Locks, always taken in this order, so that nobody waits in a circle: the payment, the names of a link that is not known yet,
-- the link's row, the organisation's booking, then rows of events and of syncs.
CREATE FUNCTION paymentsync.lock_payment(of_provider text, payment text) RETURNS void LANGUAGE sql
  AS $$ SELECT pg_advisory_xact_lock(hashtextextended('payment:' || of_provider || ':' || payment, 7)) $$;
COMMENT ON FUNCTION paymentsync.lock_payment(text, text) IS 'Facts of one payment are settled one after the other: neither precedence nor the link it is booked on can be raced.';

CREATE FUNCTION paymentsync.lock_link_names(link uuid, stripe_link text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF link IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('link:' || link, 7));
  END IF;
  IF stripe_link IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('stripe link:' || stripe_link, 7));
  END IF;
END $$;
COMMENT ON FUNCTION paymentsync.lock_link_names(uuid, text) IS
  'Held by who registers a link and by who did not find it: the second of the two sees what the first did, so that no event waits for a link that is there.';

CREATE FUNCTION paymentsync.lock_booking(organization uuid, to_change boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF to_change THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('booking:' || organization, 7));
  ELSE
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('booking:' || organization, 7));
  END IF;
END $$;
COMMENT ON FUNCTION paymentsync.lock_booking(uuid, boolean) IS
  'Settings do not change between the building of a document and its commit: a row made without them is seen by the change that adds them.';

CREATE FUNCTION paymentsync.find_link(link_uuid uuid, stripe_link text, OUT link uuid, OUT organization uuid) LANGUAGE plpgsql AS $$
BEGIN
  -- The share lock waits for who is changing the link, and makes him wait: amount and organisation cannot change under a confirmation.
  SELECT l.id, l.organization_id INTO link, organization FROM public.payment_links l WHERE l.id = link_uuid FOR KEY SHARE;
  IF link IS NULL AND stripe_link IS NOT NULL THEN
    SELECT l.id, l.organization_id INTO link, organization
      FROM paymentsync.payment_link_settings p JOIN public.payment_links l ON l.id = p.payment_link_id WHERE p.stripe_payment_link = stripe_link FOR KEY SHARE OF l;
  END IF;
END $$;

CREATE FUNCTION paymentsync.rows_hold(link uuid, of_provider text, payment text, paid numeric, paid_currency text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT count(*) = 2 FROM public.xero_syncs s
   WHERE (link IS NULL OR s.payment_link_id = link) AND s.provider_payment_id = payment AND s.provider = of_provider AND s.amount = paid AND s.currency = paid_currency
$$;

CREATE FUNCTION paymentsync.upsert_syncs(link uuid, of_provider text, payment text, paid numeric, paid_currency text, occurred timestamptz,
  OUT verdict text, OUT other text, OUT queued uuid[]) LANGUAGE plpgsql AS $$
DECLARE
  stands record;
  built uuid[];
BEGIN
  -- One payment is booked once, whatever links its events name, and in whatever organisations those are.
  SELECT s.payment_link_id::text INTO other FROM public.xero_syncs s WHERE s.provider_payment_id = payment AND s.provider = of_provider AND s.payment_link_id <> link LIMIT 1;
  IF FOUND THEN
    verdict := 'elsewhere';
    RETURN;
  END IF;
  -- Rows that were adopted (12_adoption.sql) do not say which payment they are about; a confirmation may.
  SELECT a.verdict, a.other INTO verdict, other FROM paymentsync.confirm_adopted(link, of_provider, payment, paid, paid_currency, occurred) a;
  IF verdict IS NOT NULL THEN
    RETURN;
  END IF;

  PERFORM paymentsync.know_contact(link);
  -- The constraint settles races: whoever inserts first decides which payment the rows are about.
  WITH made AS (
    INSERT INTO public.xero_syncs AS s (id, payment_link_id, sync_type, status, organization_id, provider, provider_payment_id, amount, currency, document_number, request_payload,
           failure_kind, failure_code, error_message, next_retry_at, created_at, updated_at)
    SELECT gen_random_uuid(), link, d.sync_type,
           (CASE WHEN d.hold IS NULL THEN 'PENDING' ELSE 'FAILED' END)::"XeroSyncStatus",
           l.organization_id, of_provider, payment, paid, paid_currency, d.document_number, d.payload,
           CASE WHEN d.hold IS NOT NULL THEN 'NEEDS_ACTION' END,
           CASE WHEN d.hold IS NOT NULL THEN d.hold WHEN d.sync_type = 'PAYMENT' THEN 'waiting.invoice' END,
           d.message,
           CASE WHEN d.hold IS NULL AND d.sync_type = 'INVOICE' THEN paymentsync.now() END,
           paymentsync.now(), paymentsync.now()
      FROM paymentsync.documents(link, of_provider, payment, paid, paid_currency, occurred) d
      JOIN public.payment_links l ON l.id = link
     WHERE NOT EXISTS (SELECT 1 FROM public.xero_syncs x WHERE x.payment_link_id = link AND x.provider_payment_id IS NOT NULL AND x.provider_payment_id <> payment)
     ORDER BY d.sync_type
    ON CONFLICT (payment_link_id, sync_type) DO NOTHING
    RETURNING s.id)
  SELECT array_agg(id) INTO queued FROM made;

  IF cardinality(queued) = 2 THEN
    verdict := 'created';
    RETURN;
  END IF;

  SELECT max(s.provider_payment_id) FILTER (WHERE s.provider_payment_id <> payment OR s.provider <> of_provider) AS other,
         bool_or(s.provider_payment_id IS NULL AND paymentsync.awaits_confirmation(s.failure_code, s.request_payload)) AS waits,
         bool_and((s.amount, s.currency::text) IS NOT DISTINCT FROM (paid::numeric(18,2), paid_currency)) FILTER (WHERE s.provider_payment_id = payment) AS same_money,
         max(s.amount || ' ' || s.currency) FILTER (WHERE s.provider_payment_id = payment) AS money
    INTO stands FROM public.xero_syncs s WHERE s.payment_link_id = link;
  IF stands.other IS NOT NULL THEN
    verdict := 'second';
    other := stands.other;
    RETURN;
  END IF;
  IF stands.waits THEN
    -- A host's insert came first: this confirmation builds its document.
    WITH waited AS (
    UPDATE public.xero_syncs s
       SET provider = of_provider, provider_payment_id = payment, amount = paid, currency = paid_currency, document_number = d.document_number, request_payload = d.payload,
           status = (CASE WHEN d.hold IS NULL THEN 'PENDING' ELSE 'FAILED' END)::"XeroSyncStatus",
           failure_kind = CASE WHEN d.hold IS NOT NULL THEN 'NEEDS_ACTION' END,
           failure_code = CASE WHEN d.hold IS NOT NULL THEN d.hold WHEN d.sync_type = 'PAYMENT' THEN 'waiting.invoice' END,
           error_message = d.message,
           next_retry_at = CASE WHEN d.hold IS NULL AND d.sync_type = 'INVOICE' THEN paymentsync.now() END,
           -- After a day without a confirmation it was held; this is what it was held for.
           released = CASE WHEN paymentsync.is_held(s.failure_code) THEN array_append(s.released, s.failure_code) ELSE s.released END
      FROM paymentsync.documents(link, of_provider, payment, paid, paid_currency, occurred) d
     WHERE s.payment_link_id = link AND s.sync_type = d.sync_type AND s.provider_payment_id IS NULL AND paymentsync.awaits_confirmation(s.failure_code, s.request_payload)
    RETURNING s.id)
    SELECT array_agg(id) INTO built FROM waited;
  END IF;
  verdict := CASE WHEN stands.same_money IS FALSE THEN 'differs' ELSE 'exists' END;
  other := CASE WHEN verdict = 'differs' THEN stands.money END;
  -- PENDING, RETRYING and SUCCESS stay as they are; FAILED becomes due unless it is held (what a person gave up is) or waits for its settings.
  WITH due AS (
    UPDATE public.xero_syncs s SET next_retry_at = paymentsync.now(), due_because = 'RESUME'
     WHERE s.payment_link_id = link AND s.provider_payment_id = payment AND s.status = 'FAILED' AND s.document_number IS NOT NULL
       AND NOT paymentsync.is_held(s.failure_code)
    RETURNING s.id)
  SELECT queued || built || array_agg(id) INTO queued FROM due;
END $$;
