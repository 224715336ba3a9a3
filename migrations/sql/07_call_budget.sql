-- The call budget is a ledger: every call to Xero holds a slot, and all nodes see all slots.
CREATE FUNCTION paymentsync.reserve_call(tenant text, by_holder text, hold interval, in_flight integer, per_minute integer, OUT slot bigint, OUT wait_until timestamptz, OUT because text)
LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz;
  seen record;
BEGIN
  -- The row lock makes reservations of one tenant take turns; the statements after it see what the turn before wrote.
  INSERT INTO paymentsync.call_budgets (tenant_id) VALUES (tenant) ON CONFLICT (tenant_id) DO NOTHING;
  SELECT b.blocked_until, b.blocked_because INTO wait_until, because FROM paymentsync.call_budgets b WHERE b.tenant_id = tenant FOR UPDATE;
  moment := paymentsync.now();
  IF wait_until > moment THEN
    RETURN;
  END IF;
  wait_until := NULL;
  because := NULL;
  DELETE FROM paymentsync.call_slots s WHERE s.tenant_id = tenant AND s.frees_at <= moment;
  SELECT count(*) AS held, count(*) FILTER (WHERE s.answered_at IS NULL) AS flying, min(s.frees_at) AS next_free INTO seen FROM paymentsync.call_slots s WHERE s.tenant_id = tenant;
  IF seen.flying >= in_flight THEN
    wait_until := moment + interval '1 second';
    because := 'in flight';
  ELSIF seen.held >= per_minute THEN
    wait_until := seen.next_free;
    because := 'minute';
  ELSE
    INSERT INTO paymentsync.call_slots AS s (tenant_id, holder, reserved_at, frees_at) VALUES (tenant, by_holder, moment, moment + hold) RETURNING s.id INTO slot;
  END IF;
END $$;
COMMENT ON FUNCTION paymentsync.reserve_call(text, text, interval, integer, integer) IS
  'A slot for one call to this tenant, or when to ask again. hold: after which a slot whose holder is gone is taken back (call time-out + 90 s).';

CREATE FUNCTION paymentsync.answer_call(call_slot bigint, remaining_today integer, blocked interval, why text) RETURNS void LANGUAGE sql AS $$
  WITH answered AS (
    UPDATE paymentsync.call_slots s SET answered_at = paymentsync.now(), frees_at = paymentsync.now() + interval '60 seconds' WHERE s.id = call_slot RETURNING s.tenant_id)
  UPDATE paymentsync.call_budgets b
     SET day_remaining = coalesce(remaining_today, b.day_remaining),
         day_seen_at = CASE WHEN remaining_today IS NULL THEN b.day_seen_at ELSE paymentsync.now() END,
         blocked_until = CASE WHEN blocked IS NULL THEN b.blocked_until ELSE greatest(b.blocked_until, paymentsync.now() + blocked) END,
         blocked_because = CASE WHEN blocked IS NULL THEN b.blocked_because ELSE why END
    FROM answered a WHERE b.tenant_id = a.tenant_id
$$;
COMMENT ON FUNCTION paymentsync.answer_call(bigint, integer, interval, text) IS 'The answer (or the time-out) was seen: the slot frees 60 s from now, and what Xero said of its limits is kept.';
