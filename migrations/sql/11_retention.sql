-- What the purges walk along, oldest first. Partial where most rows are of no interest to them.
CREATE INDEX events_age_superseded ON paymentsync.events (updated_at, id)
  WHERE status = 'SUPERSEDED' OR (status = 'IGNORED' AND NOT starts_with(coalesce(reason, ''), 'resolved.'));
CREATE INDEX events_age_completed ON paymentsync.events (updated_at, id)
  WHERE status = 'COMPLETED' OR (status = 'IGNORED' AND starts_with(coalesce(reason, ''), 'resolved.'));
CREATE INDEX requests_age ON paymentsync.requests (sent_at, id);
CREATE INDEX sync_attempts_age ON paymentsync.sync_attempts (ended_at, id);
CREATE INDEX sync_totals_age ON paymentsync.sync_totals (hour);
CREATE INDEX call_hours_age ON paymentsync.call_hours (hour);
CREATE INDEX call_slots_age ON paymentsync.call_slots (frees_at);

CREATE FUNCTION paymentsync.sync_is_needed(sync public.xero_syncs) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT sync.open_request_id IS NOT NULL OR (sync.status <> 'SUCCESS' AND sync.failure_code IS DISTINCT FROM 'operator.marked_failed') $$;
COMMENT ON FUNCTION paymentsync.sync_is_needed(public.xero_syncs) IS 'Its story is not over: neither SUCCESS nor given up by a person. What was heard, sent and tried about it is kept, however old.';
