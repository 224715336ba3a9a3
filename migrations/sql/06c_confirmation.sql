-- Confirmation: from a fact that a provider told to the two rows that remember it, in one round trip and one transaction.

CREATE FUNCTION paymentsync.fact_rank(fact text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT CASE fact WHEN 'paid' THEN 3 WHEN 'failed' THEN 2 WHEN 'expired' THEN 2 WHEN 'unpaid' THEN 1 END $$;

CREATE FUNCTION paymentsync.table_is_broken(state text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT state IN ('42P01', '42703', '23514', '53100') OR state LIKE 'XX0%' $$;
COMMENT ON FUNCTION paymentsync.table_is_broken(text) IS 'SQLSTATEs that say the events table itself fails: gone, changed, refusing, full or corrupt.';

CREATE FUNCTION paymentsync.confirm(
  of_provider text, of_account text, event text, of_type text, told text, payment text, paid numeric, paid_currency text, occurred timestamptz,
  link_uuid uuid, link_name text, stripe_link text, raw bytea, by_person boolean DEFAULT false,
  OUT outcome text, OUT why text, OUT explanation text, OUT event_id uuid, OUT link uuid, OUT organization uuid, OUT queued uuid[], OUT claim_error text) LANGUAGE plpgsql AS $$
DECLARE
  key text := lower(of_provider) || ':' || of_account || ':' || payment || ':' || told;
  claimed boolean := false;
  first_told timestamptz := occurred;
  expected_account text;
  verdict record;
BEGIN
  -- The columns would round it, and nobody would see.
  IF paid <> round(paid, 2) THEN
    RAISE EXCEPTION 'payment %: % % has more than two decimals', payment, paid, paid_currency USING ERRCODE = 'numeric_value_out_of_range';
  END IF;
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
    RETURNING e.id, e.occurred_at INTO event_id, first_told;
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
    first_told := occurred;
    outcome := 'COMPLETED';
    why := NULL;
  END;

  IF NOT claimed AND claim_error IS NULL THEN
    SELECT e.id, e.status, e.reason, e.message, coalesce(link, e.payment_link_id), least(e.occurred_at, occurred)
      INTO event_id, outcome, why, explanation, link, first_told FROM paymentsync.events e WHERE e.run_key = key;
    IF outcome <> 'COMPLETED' OR why = 'nothing_to_book' THEN
      outcome := 'DUPLICATE';
      RETURN;
    END IF;
    outcome := 'DUPLICATE';
  END IF;
  IF outcome NOT IN ('COMPLETED', 'DUPLICATE') OR told <> 'paid' OR paid = 0 THEN
    RETURN;
  END IF;

  SELECT o.stripe_account INTO expected_account FROM paymentsync.organization_settings o WHERE o.organization_id = organization;
  IF of_provider = 'STRIPE' AND of_account <> expected_account AND NOT by_person THEN
    -- Whoever owns an account writes its metadata: naming a link proves nothing about the account.
    why := 'payment.account_mismatch';
    explanation := format('Stripe account %s told payment %s of link %s, whose organisation takes payments of account %s only. Attach the event to the link if it is right, or resolve it.', of_account, payment, link, expected_account);
  ELSE
    BEGIN
      SELECT * INTO verdict FROM paymentsync.upsert_syncs(link, of_provider, payment, paid, paid_currency, first_told);
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
  END IF;

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
COMMENT ON FUNCTION paymentsync.confirm(text, text, text, text, text, text, numeric, text, timestamptz, uuid, text, text, bytea, boolean) IS
  'Claims one fact, upserts the link''s two sync rows and says what became of it. paid: major units, at most two decimals. by_person: a person, not the provider, named the link. outcome: COMPLETED, DUPLICATE, SUPERSEDED, UNMATCHED, IGNORED or NEEDS_ACTION.';
