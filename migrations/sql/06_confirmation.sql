-- Confirmation: from a fact that a provider told to the two rows that remember it, in one round trip and one transaction.

-- Character classes like \s and [:cntrl:] mean what the database's locale says; these sets mean the same everywhere.
CREATE FUNCTION paymentsync.one_line(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT btrim(regexp_replace(regexp_replace(coalesce(words, ''),
    '[\u00AD\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF\uFFF9-\uFFFB\uFFFE\uFFFF]', '', 'g'),
    '[<>\u0001-\u0020\u007F-\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+', ' ', 'g'))
$$;
COMMENT ON FUNCTION paymentsync.one_line(text) IS 'Without angle brackets, controls and what only turns or hides text; every kind of white space is one space, none at the edges.';

CREATE FUNCTION paymentsync.utf16_length(words text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT length(words) + length(regexp_replace(words, '[^\U00010000-\U0010FFFF]', '', 'g')) $$;
COMMENT ON FUNCTION paymentsync.utf16_length(text) IS 'Characters as Xero counts them: an emoji is two.';

CREATE FUNCTION paymentsync.cut(words text, units integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(words) <= units OR paymentsync.utf16_length(words) <= units THEN words
    ELSE (SELECT btrim(left(words, max(n))) FROM generate_series(units / 2, units) n WHERE paymentsync.utf16_length(left(words, n)) <= units) END
$$;

CREATE FUNCTION paymentsync.contact_name(customer_name text, customer_email text, shared text, policy text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN policy = 'Shared' THEN shared
    WHEN cleaned.name <> '' AND cleaned.email <> '' THEN paymentsync.cut(cleaned.name, 255 - paymentsync.utf16_length(cleaned.email) - 3) || ' (' || cleaned.email || ')'
    WHEN cleaned.email <> '' THEN cleaned.email
    WHEN cleaned.name <> '' THEN paymentsync.cut(cleaned.name, 255)
    ELSE shared
  END
  FROM (SELECT paymentsync.one_line(customer_name) AS name, paymentsync.cut(replace(paymentsync.one_line(customer_email), ' ', ''), 200) AS email OFFSET 0) cleaned
$$;
COMMENT ON FUNCTION paymentsync.contact_name(text, text, text, text) IS
  'The only contact field ever sent: Xero matches the active contact of that exact name or creates one; any further field would overwrite a person''s edits. No angle brackets, no doubled or edge spaces, at most 255 characters.';

CREATE FUNCTION paymentsync.documents(link uuid, of_provider text, payment text, paid numeric, paid_currency text, occurred timestamptz)
RETURNS TABLE (sync_type "XeroSyncType", document_number text, payload jsonb, hold text, message text) LANGUAGE sql STABLE AS $$
  WITH known AS (
    SELECT l.*, o.organization_id AS has_settings, o.sales_account_code, o.tax_type, o.line_amount_types, o.invoice_prefix, o.amount_policy,
           o.clearing_accounts #>> ARRAY[of_provider, paid_currency] AS clearing_account,
           o.lock_date_policy,
           (occurred AT TIME ZONE coalesce(o.time_zone, 'UTC'))::date AS day,
           paymentsync.contact_name(l.customer_name, l.customer_email, o.shared_contact, o.contacts) AS contact,
           paid::numeric(18,2)::text AS money
      FROM public.payment_links l LEFT JOIN paymentsync.organization_settings o ON o.organization_id = l.organization_id
     WHERE l.id = link
  ), judged AS (
    SELECT known.*, CASE
        WHEN has_settings IS NULL THEN 'settings.missing'
        WHEN coalesce(clearing_account, '') = '' THEN 'settings.clearing_account_missing'
        WHEN paid_currency <> invoice_currency THEN 'payment.currency_mismatch'
        WHEN amount_policy = 'MustEqualLink' AND paid <> amount THEN 'payment.amount_mismatch'
      END AS hold
      FROM known
  ), told AS (
    SELECT judged.*, hold LIKE 'settings.%' IS NOT TRUE AS complete, CASE hold
        WHEN 'settings.missing' THEN 'The organisation has no booking settings. PUT /api/organizations/' || organization_id || ' with its accounts; the sync then goes on by itself.'
        WHEN 'settings.clearing_account_missing' THEN format('No clearing account is set for %s in %s. Add booking.clearingAccounts.%s.%s to the organisation; the sync then goes on by itself.', of_provider, paid_currency, of_provider, paid_currency)
        WHEN 'payment.currency_mismatch' THEN format('The customer paid %s %s, but the link is invoiced in %s. Resolve it: book as charged, or refund the customer and mark it failed.', money, paid_currency, invoice_currency)
        WHEN 'payment.amount_mismatch' THEN format('The customer paid %s %s, but the link asks for %s %s. Resolve it: book as charged, or refund the customer and mark it failed.', money, paid_currency, amount, invoice_currency)
      END AS message
      FROM judged
  )
  SELECT 'INVOICE'::"XeroSyncType", CASE WHEN complete THEN invoice_prefix || short_code END,
         CASE WHEN complete THEN jsonb_build_object('number', invoice_prefix || short_code, 'reference', coalesce(invoice_reference, ''), 'date', day, 'contact', contact, 'currency', paid_currency,
           'lineAmountTypes', line_amount_types, 'lockDatePolicy', lock_date_policy, 'total', money,
           'lines', jsonb_build_array(jsonb_build_object('description', left(coalesce(nullif(btrim(description), ''), 'Payment ' || payment), 4000), 'quantity', '1',
             'unitAmount', money, 'accountCode', sales_account_code, 'taxType', tax_type)))
         ELSE jsonb_build_object('occurredAt', occurred) END, hold, message FROM told
  UNION ALL
  SELECT 'PAYMENT', CASE WHEN complete THEN payment END,
         CASE WHEN complete THEN jsonb_build_object('reference', payment, 'date', day, 'accountCode', clearing_account, 'amount', money, 'currency', paid_currency, 'lockDatePolicy', lock_date_policy)
         ELSE jsonb_build_object('occurredAt', occurred) END, NULL, NULL FROM told
$$;
COMMENT ON FUNCTION paymentsync.documents(uuid, text, text, numeric, text, timestamptz) IS
  'The two documents of a payment, built once from the link and its organisation''s settings as they are now, and what holds them back. Money is text in major units; dates are the organisation''s calendar days.';

CREATE FUNCTION paymentsync.fact_rank(fact text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT CASE fact WHEN 'paid' THEN 3 WHEN 'failed' THEN 2 WHEN 'expired' THEN 2 WHEN 'unpaid' THEN 1 END $$;

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

CREATE FUNCTION paymentsync.table_is_broken(state text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT state IN ('42P01', '42703', '23514', '53100') OR state LIKE 'XX0%' $$;
COMMENT ON FUNCTION paymentsync.table_is_broken(text) IS 'SQLSTATEs that say the events table itself fails: gone, changed, refusing, full or corrupt.';

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
         bool_or(s.provider_payment_id IS NULL AND s.failure_code = 'waiting.confirmation') AS waits,
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
           next_retry_at = CASE WHEN d.hold IS NULL AND d.sync_type = 'INVOICE' THEN paymentsync.now() END
      FROM paymentsync.documents(link, of_provider, payment, paid, paid_currency, occurred) d
     WHERE s.payment_link_id = link AND s.sync_type = d.sync_type AND s.provider_payment_id IS NULL AND s.failure_code = 'waiting.confirmation'
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

CREATE FUNCTION paymentsync.confirm(
  of_provider text, of_account text, event text, of_type text, told text, payment text, paid numeric, paid_currency text, occurred timestamptz,
  link_uuid uuid, link_name text, stripe_link text, raw bytea,
  OUT outcome text, OUT why text, OUT explanation text, OUT event_id uuid, OUT link uuid, OUT organization uuid, OUT queued uuid[], OUT claim_error text) LANGUAGE plpgsql AS $$
DECLARE
  key text := lower(of_provider) || ':' || of_account || ':' || payment || ':' || told;
  claimed boolean := false;
  verdict record;
BEGIN
  IF link_name IS NULL AND stripe_link IS NULL THEN
    -- Names no link: claims nothing. A paid one is kept whole, in case no other event ever names the link.
    why := 'link.not_named';
    BEGIN
      INSERT INTO paymentsync.events AS e (provider, account, source_event_id, event_type, fact, provider_payment_id, amount, currency, status, reason, message, body, occurred_at)
      VALUES (of_provider, of_account, event, of_type, told, payment, paid, paid_currency, 'IGNORED', why,
              'The event names no payment link; another event of the same payment usually does.', CASE WHEN told = 'paid' THEN raw END, occurred)
      ON CONFLICT (provider, account, source_event_id) WHERE run_key IS NULL DO NOTHING RETURNING e.id INTO event_id;
      outcome := CASE WHEN event_id IS NULL THEN 'DUPLICATE' ELSE 'IGNORED' END;
    EXCEPTION WHEN OTHERS THEN
      IF NOT paymentsync.table_is_broken(SQLSTATE) THEN
        RAISE;
      END IF;
      claim_error := SQLSTATE || ': ' || SQLERRM;
      IF told <> 'paid' OR NOT paymentsync.rows_hold(NULL, of_provider, payment, paid, paid_currency) THEN
        RAISE EXCEPTION 'the event could not be recorded and no rows hold this payment: %', claim_error USING ERRCODE = 'PS503';
      END IF;
      outcome := 'IGNORED';
    END;
    RETURN;
  END IF;

  PERFORM paymentsync.lock_payment(of_provider, payment);
  SELECT f.link, f.organization INTO link, organization FROM paymentsync.find_link(link_uuid, stripe_link) f;
  IF link IS NULL THEN
    -- Perhaps it is being registered right now.
    PERFORM paymentsync.lock_link_names(link_uuid, stripe_link);
    SELECT f.link, f.organization INTO link, organization FROM paymentsync.find_link(link_uuid, stripe_link) f;
  END IF;
  IF link IS NOT NULL AND told = 'paid' AND paid > 0 THEN
    PERFORM paymentsync.lock_booking(organization, false);
  END IF;

  BEGIN
    outcome := CASE
      WHEN EXISTS (SELECT 1 FROM paymentsync.events e WHERE e.provider = of_provider AND e.account = of_account AND e.provider_payment_id = payment
                     AND e.run_key IS NOT NULL AND e.run_key <> key AND paymentsync.fact_rank(e.fact) > paymentsync.fact_rank(told)) THEN 'SUPERSEDED'
      WHEN link IS NULL THEN 'UNMATCHED'
      ELSE 'COMPLETED' END;
    IF outcome = 'UNMATCHED' THEN
      why := 'link.unknown';
      explanation := format('No payment link is known as %s. Register it (PUT /api/payment-links/…) or resolve the event.', coalesce(link_name, stripe_link));
    ELSIF outcome = 'COMPLETED' AND told = 'paid' AND paid = 0 THEN
      why := 'nothing_to_book';
    END IF;
    INSERT INTO paymentsync.events AS e (run_key, provider, account, source_event_id, event_type, fact, provider_payment_id, amount, currency,
                                         link_reference, stripe_payment_link, payment_link_id, status, reason, message, body, occurred_at)
    VALUES (key, of_provider, of_account, event, of_type, told, payment, paid, paid_currency, link_name, stripe_link, link, outcome, why, explanation,
            CASE WHEN outcome = 'UNMATCHED' THEN raw END, occurred)
    ON CONFLICT (run_key) DO UPDATE SET source_event_id = excluded.source_event_id, event_type = excluded.event_type, amount = excluded.amount, currency = excluded.currency,
       link_reference = coalesce(excluded.link_reference, e.link_reference), stripe_payment_link = coalesce(excluded.stripe_payment_link, e.stripe_payment_link), payment_link_id = excluded.payment_link_id, status = excluded.status,
       reason = excluded.reason, message = excluded.message, body = excluded.body, occurred_at = least(e.occurred_at, excluded.occurred_at), updated_at = paymentsync.now()
       WHERE e.status = 'UNMATCHED' OR (e.reason = 'nothing_to_book' AND excluded.amount > 0)
    RETURNING e.id INTO event_id;
    claimed := event_id IS NOT NULL;
    IF claimed AND outcome = 'COMPLETED' AND told <> 'unpaid' THEN
      UPDATE paymentsync.events e SET status = 'SUPERSEDED', reason = 'fact.superseded', body = NULL, updated_at = paymentsync.now()
       WHERE e.provider = of_provider AND e.account = of_account AND e.provider_payment_id = payment AND e.run_key IS NOT NULL AND e.run_key <> key
         AND e.status IN ('COMPLETED', 'UNMATCHED') AND paymentsync.fact_rank(e.fact) < paymentsync.fact_rank(told);
    END IF;
  EXCEPTION WHEN OTHERS THEN
    -- The events table is bookkeeping; the rows are the money. Go on without the claim when the table itself is broken.
    IF NOT paymentsync.table_is_broken(SQLSTATE) THEN
      RAISE;
    END IF;
    claim_error := SQLSTATE || ': ' || SQLERRM;
    IF link IS NULL OR told <> 'paid' OR paid = 0 THEN
      RAISE EXCEPTION 'the event could not be recorded and makes no rows that would remember it: %', claim_error USING ERRCODE = 'PS503';
    END IF;
    claimed := false;
    event_id := NULL;
    outcome := 'COMPLETED';
    why := NULL;
  END;

  IF NOT claimed AND claim_error IS NULL THEN
    SELECT e.id, e.status, e.reason, e.message, coalesce(link, e.payment_link_id) INTO event_id, outcome, why, explanation, link FROM paymentsync.events e WHERE e.run_key = key;
    IF outcome <> 'COMPLETED' OR why = 'nothing_to_book' THEN
      outcome := 'DUPLICATE';
      RETURN;
    END IF;
    outcome := 'DUPLICATE';
  END IF;
  IF outcome NOT IN ('COMPLETED', 'DUPLICATE') OR told <> 'paid' OR paid = 0 THEN
    RETURN;
  END IF;

  BEGIN
    SELECT * INTO verdict FROM paymentsync.upsert_syncs(link, of_provider, payment, paid, paid_currency, occurred);
    queued := verdict.queued;
    IF verdict.verdict = 'second' THEN
      why := 'payment.second_payment';
      explanation := format('The link is already paid by %s; %s is a second payment of %s %s. Refund it or attach it to another link.', verdict.other, payment, paid::numeric(18,2), paid_currency);
    ELSIF verdict.verdict = 'elsewhere' THEN
      why := 'payment.number_in_use';
      explanation := format('Payment %s is booked on link %s already, but an event of it names link %s. Attach the event to the link that is right, or resolve it.', payment, verdict.other, link);
    ELSIF verdict.verdict = 'differs' THEN
      why := 'payment.amount_differs';
      explanation := format('Payment %s was confirmed with %s before, and is told with %s %s now. The rows keep the former; look at the provider, then attach the event to its link again or resolve it.',
                            payment, verdict.other, paid::numeric(18,2), paid_currency);
    END IF;
  EXCEPTION WHEN unique_violation THEN
    queued := NULL;
    why := 'payment.number_in_use';
    explanation := format('The invoice number or payment reference of link %s is taken by another link of the organisation (payment %s). Attach the event to the right link, or resolve it.', link, payment);
  END;

  IF why LIKE 'payment.%' THEN
    outcome := 'NEEDS_ACTION';
    IF claim_error IS NULL THEN
      UPDATE paymentsync.events e SET status = 'NEEDS_ACTION', reason = why, message = explanation, body = raw, updated_at = paymentsync.now() WHERE e.id = event_id AND e.status = 'COMPLETED';
      IF NOT FOUND AND NOT claimed THEN
        outcome := 'DUPLICATE';
      END IF;
    END IF;
  ELSE
    UPDATE public.payment_links l SET status = 'PAID', updated_at = paymentsync.now()
     WHERE l.id = link AND l.status IN ('DRAFT', 'OPEN', 'PAID_UNVERIFIED') AND NOT (SELECT i.host_owned FROM paymentsync.installation i);
  END IF;

  -- Fail open on bookkeeping, closed on money: without a claim, the answer may be yes only when the rows hold this very payment.
  IF claim_error IS NOT NULL AND NOT paymentsync.rows_hold(link, of_provider, payment, paid, paid_currency) THEN
    RAISE EXCEPTION 'the event could not be recorded and no rows hold this payment: %', claim_error USING ERRCODE = 'PS503';
  END IF;
END $$;
COMMENT ON FUNCTION paymentsync.confirm(text, text, text, text, text, text, numeric, text, timestamptz, uuid, text, text, bytea) IS
  'Claims one fact, upserts the link''s two sync rows and says what became of it. amount: major units. outcome: COMPLETED, DUPLICATE, SUPERSEDED, UNMATCHED, IGNORED or NEEDS_ACTION.';

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
           coalesce(to_link::text, e.link_reference), CASE WHEN to_link IS NULL THEN e.stripe_payment_link END, e.body) c;
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
      UPDATE public.xero_syncs s
         SET document_number = d.document_number, request_payload = d.payload,
             status = (CASE WHEN d.sync_type = 'PAYMENT' OR d.hold IS NULL THEN 'PENDING' ELSE 'FAILED' END)::"XeroSyncStatus",
             failure_kind = CASE WHEN d.hold IS NOT NULL THEN 'NEEDS_ACTION' END,
             failure_code = CASE WHEN d.sync_type = 'PAYMENT' THEN 'waiting.invoice' ELSE d.hold END,
             error_message = d.message,
             due_because = 'RESUME',
             next_retry_at = CASE WHEN d.sync_type = 'INVOICE' AND d.hold IS NULL THEN paymentsync.now() END
        FROM public.xero_syncs w
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

CREATE FUNCTION paymentsync.mark_unlinked(older_than interval) RETURNS bigint LANGUAGE sql AS $$
  WITH unlinked AS (
    SELECT DISTINCT ON (e.provider, e.account, e.provider_payment_id) e.id
      FROM paymentsync.events e
     WHERE e.status = 'IGNORED' AND e.run_key IS NULL AND e.fact = 'paid' AND e.amount > 0 AND e.reason = 'link.not_named'
       AND e.received_at < (SELECT paymentsync.now()) - older_than
       AND NOT EXISTS (SELECT 1 FROM public.xero_syncs s WHERE s.provider_payment_id = e.provider_payment_id AND s.provider = e.provider)
       AND NOT EXISTS (SELECT 1 FROM paymentsync.events c WHERE c.provider = e.provider AND c.account = e.account AND c.provider_payment_id = e.provider_payment_id
                          AND c.run_key IS NOT NULL AND c.fact = 'paid')
     ORDER BY e.provider, e.account, e.provider_payment_id, e.received_at
  ), marked AS (
    UPDATE paymentsync.events e
       SET status = 'UNMATCHED', reason = 'payment.no_link', run_key = lower(e.provider) || ':' || e.account || ':' || e.provider_payment_id || ':paid',
           message = format('Payment %s of %s %s names no link and no other event did. Attach it to a link or resolve it.', e.provider_payment_id, e.amount, e.currency),
           updated_at = paymentsync.now()
      FROM unlinked u WHERE e.id = u.id
    RETURNING e.id)
  SELECT count(*) FROM marked
$$;
COMMENT ON FUNCTION paymentsync.mark_unlinked(interval) IS 'Money without a link becomes visible: paid events that named none, whose payment no row and no claimed event knows after this time.';
