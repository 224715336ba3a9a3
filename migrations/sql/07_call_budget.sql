-- The call budget is a ledger: every call to Xero holds a slot, and all nodes see all slots.
CREATE TABLE paymentsync.call_hours (
  tenant_id text NOT NULL,
  hour timestamptz NOT NULL,
  calls integer NOT NULL,
  PRIMARY KEY (tenant_id, hour)
);
COMMENT ON TABLE paymentsync.call_hours IS 'Calls of each hour: what we know of the last 24 h by ourselves, whatever the headers say.';

CREATE FUNCTION paymentsync.calls_left_today(tenant text, day_limit integer) RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT greatest(0, least(
    day_limit - coalesce((SELECT sum(h.calls)::integer FROM paymentsync.call_hours h WHERE h.tenant_id = tenant AND h.hour > (SELECT paymentsync.now()) - interval '25 hours'), 0),
    (SELECT b.day_remaining FROM paymentsync.call_budgets b WHERE b.tenant_id = tenant AND b.day_seen_at > (SELECT paymentsync.now()) - interval '1 hour')))
$$;
COMMENT ON FUNCTION paymentsync.calls_left_today(text, integer) IS
  'The lower of what we counted ourselves in the last 24 h (whole hours) and what Xero''s headers said within the last hour, less what was reserved since.';

CREATE FUNCTION paymentsync.reserve_call(tenant text, by_holder text, for_look boolean, hold interval, in_flight integer, per_minute integer, minute_reserve integer, day_limit integer, day_reserve integer,
  OUT slot bigint, OUT wait_until timestamptz, OUT because text) LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz;
  seen record;
BEGIN
  -- The row lock makes reservations of one tenant take turns; the statements after it see what the turn before wrote.
  INSERT INTO paymentsync.call_budgets (tenant_id) VALUES (tenant) ON CONFLICT (tenant_id) DO NOTHING;
  PERFORM 1 FROM paymentsync.call_budgets b WHERE b.tenant_id = tenant FOR UPDATE;
  moment := paymentsync.now();
  -- The row with the star is the app as a whole, when all tenants together are near their limit.
  SELECT b.blocked_until, b.blocked_because INTO wait_until, because FROM paymentsync.call_budgets b
   WHERE b.tenant_id IN (tenant, '*') AND b.blocked_until > moment ORDER BY b.blocked_until DESC LIMIT 1;
  IF FOUND THEN
    RETURN;
  END IF;
  DELETE FROM paymentsync.call_slots s WHERE s.tenant_id = tenant AND s.frees_at <= moment;
  SELECT count(*) AS held, count(*) FILTER (WHERE s.answered_at IS NULL) AS flying, min(s.frees_at) AS next_free INTO seen FROM paymentsync.call_slots s WHERE s.tenant_id = tenant;
  IF seen.flying >= in_flight THEN
    wait_until := moment + interval '250 milliseconds';
    because := 'in flight';
  ELSIF seen.held >= per_minute - (CASE WHEN for_look THEN 0 ELSE minute_reserve END) THEN
    wait_until := seen.next_free;
    because := 'minute';
  ELSIF paymentsync.calls_left_today(tenant, day_limit) <= (CASE WHEN for_look THEN 0 ELSE day_reserve END) THEN
    wait_until := moment + interval '15 minutes';
    because := 'day';
  ELSE
    INSERT INTO paymentsync.call_slots AS s (tenant_id, holder, reserved_at, frees_at) VALUES (tenant, by_holder, moment, moment + hold) RETURNING s.id INTO slot;
    INSERT INTO paymentsync.call_hours AS h (tenant_id, hour, calls) VALUES (tenant, date_trunc('hour', moment), 1) ON CONFLICT (tenant_id, hour) DO UPDATE SET calls = h.calls + 1;
    UPDATE paymentsync.call_budgets b SET day_remaining = b.day_remaining - 1 WHERE b.tenant_id = tenant AND b.day_remaining > 0;
  END IF;
END $$;
COMMENT ON FUNCTION paymentsync.reserve_call(text, text, boolean, interval, integer, integer, integer, integer, integer) IS
  'A slot for one call to this tenant, or when to ask again. hold: after which a slot whose holder is gone is taken back (call time-out + 90 s). A reserve of the minute and of the day is kept for look-ups.';

CREATE FUNCTION paymentsync.answer_call(call_slot bigint, remaining_today integer, app_remaining integer, blocked interval, why text) RETURNS void LANGUAGE sql AS $$
  WITH answered AS (
    UPDATE paymentsync.call_slots s SET answered_at = paymentsync.now(), frees_at = paymentsync.now() + interval '60 seconds' WHERE s.id = call_slot RETURNING s.tenant_id),
  app AS (
    INSERT INTO paymentsync.call_budgets AS b (tenant_id, blocked_until, blocked_because) SELECT '*', paymentsync.now() + interval '5 seconds', 'app minute' WHERE app_remaining < 200
    ON CONFLICT (tenant_id) DO UPDATE SET blocked_until = excluded.blocked_until, blocked_because = excluded.blocked_because)
  UPDATE paymentsync.call_budgets b
     SET -- Answers overtake each other: within a minute a header only lowers our figure.
         day_remaining = CASE WHEN remaining_today IS NULL THEN b.day_remaining WHEN b.day_seen_at > paymentsync.now() - interval '1 minute' THEN least(b.day_remaining, remaining_today) ELSE remaining_today END,
         day_seen_at = CASE WHEN remaining_today IS NULL THEN b.day_seen_at ELSE paymentsync.now() END,
         blocked_until = CASE WHEN blocked IS NULL THEN b.blocked_until ELSE greatest(b.blocked_until, paymentsync.now() + blocked) END,
         blocked_because = CASE WHEN blocked IS NULL THEN b.blocked_because ELSE why END
    FROM answered a WHERE b.tenant_id = a.tenant_id
$$;
COMMENT ON FUNCTION paymentsync.answer_call(bigint, integer, integer, interval, text) IS 'The answer (or the time-out) was seen: the slot frees 60 s from now, and what Xero said of its limits is kept.';

CREATE FUNCTION paymentsync.give_back_call(call_slot bigint) RETURNS void LANGUAGE sql AS $$
  WITH unused AS (DELETE FROM paymentsync.call_slots s WHERE s.id = call_slot AND s.answered_at IS NULL RETURNING s.tenant_id, s.reserved_at),
  hour AS (UPDATE paymentsync.call_hours h SET calls = h.calls - 1 FROM unused u WHERE h.tenant_id = u.tenant_id AND h.hour = date_trunc('hour', u.reserved_at) AND h.calls > 0)
  UPDATE paymentsync.call_budgets b SET day_remaining = b.day_remaining + 1 FROM unused u WHERE b.tenant_id = u.tenant_id
$$;
COMMENT ON FUNCTION paymentsync.give_back_call(bigint) IS 'Nothing was called with this slot: it never counted.';
