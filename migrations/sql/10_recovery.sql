-- Recovery: who is at it, what a row needs to be served at all, and how a document that is known to be in Xero is taken over.
CREATE TABLE paymentsync.recovery_lease (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  owner text,
  expires_at timestamptz,
  last_run_at timestamptz,
  last_node text,
  CHECK ((owner IS NULL) = (expires_at IS NULL))
);
COMMENT ON TABLE paymentsync.recovery_lease IS 'One node at a time looks for what needs recovery. Taken, renewed and given back by compare-and-set; two at once would do no harm, only the work twice.';
COMMENT ON COLUMN paymentsync.recovery_lease.last_run_at IS 'End of the last whole run, whether it found anything or not.';
INSERT INTO paymentsync.recovery_lease DEFAULT VALUES;

CREATE FUNCTION paymentsync.document_is_readable(of_type "XeroSyncType", document jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE of_type
    WHEN 'INVOICE' THEN coalesce(
      jsonb_typeof(document -> 'reference') = 'string' AND jsonb_typeof(document -> 'contact') = 'string' AND document ->> 'date' ~ '^\d{4}-\d\d-\d\d$'
      AND document ->> 'currency' ~ '^[A-Z]{3}$' AND jsonb_typeof(document -> 'lineAmountTypes') = 'string'
      AND jsonb_typeof(document #> '{lines,0,description}') = 'string' AND document #>> '{lines,0,quantity}' ~ '^\d+(\.\d+)?$' AND document #>> '{lines,0,unitAmount}' ~ '^\d+(\.\d+)?$'
      AND jsonb_typeof(document #> '{lines,0,accountCode}') = 'string' AND jsonb_typeof(document #> '{lines,0,taxType}') = 'string', false)
    ELSE coalesce(
      jsonb_typeof(document -> 'reference') = 'string' AND document ->> 'date' ~ '^\d{4}-\d\d-\d\d$' AND jsonb_typeof(document -> 'accountCode') = 'string'
      AND document ->> 'amount' ~ '^\d+(\.\d+)?$', false)
  END
$$;
COMMENT ON FUNCTION paymentsync.document_is_readable("XeroSyncType", jsonb) IS 'Whether a frozen document has all that is sent and compared. A worker that claimed one that has not would fail, and its whole batch with it.';

CREATE FUNCTION paymentsync.adopt_document(sync uuid, fence integer, seen timestamptz, xero_id text, tenant text, response jsonb, by_worker text, at_stage text, request uuid, releases text)
RETURNS boolean LANGUAGE sql AS $$
  WITH was AS MATERIALIZED (
    SELECT s.id, s.status FROM public.xero_syncs s WHERE s.id = sync AND s.attempt = fence AND s.updated_at = seen AND s.status <> 'RETRYING' FOR UPDATE
  ), done AS (
    UPDATE public.xero_syncs s
       SET status = 'SUCCESS', attempt = s.attempt + 1, failure_kind = NULL, failure_code = NULL, error_message = NULL, next_retry_at = NULL, due_because = NULL,
           open_request_id = NULL, absent_since = NULL, tenant_id = coalesce(s.tenant_id, tenant), response_payload = response,
           released = CASE WHEN releases IS NULL THEN s.released ELSE array_append(s.released, releases) END,
           xero_invoice_id = CASE WHEN s.sync_type = 'INVOICE' THEN coalesce(s.xero_invoice_id, xero_id) ELSE s.xero_invoice_id END,
           xero_payment_id = CASE WHEN s.sync_type = 'PAYMENT' THEN coalesce(s.xero_payment_id, xero_id) ELSE s.xero_payment_id END
      FROM was w WHERE s.id = w.id
    RETURNING s.id, s.payment_link_id, s.organization_id, s.sync_type, s.attempt, w.status AS before
  ), tried AS (
    INSERT INTO paymentsync.sync_attempts (sync_id, attempt, trigger, worker, stage, started_at, ended_at, outcome, request_id)
    SELECT d.id, d.attempt, 'VERIFY', by_worker, at_stage, paymentsync.now(), paymentsync.now(), 'SUCCESS', request FROM done d
  ), woken AS (
    UPDATE public.xero_syncs p
       SET next_retry_at = paymentsync.now(), due_because = 'RESUME', failure_kind = NULL, failure_code = NULL, error_message = NULL
      FROM done d
     WHERE d.sync_type = 'INVOICE' AND p.payment_link_id = d.payment_link_id AND p.sync_type = 'PAYMENT' AND p.status = 'PENDING' AND p.failure_code = 'waiting.invoice'
  ), totals AS (
    INSERT INTO paymentsync.sync_totals AS t (organization_id, hour, sync_type, status, syncs)
    SELECT d.organization_id, date_trunc('hour', paymentsync.now()), d.sync_type, 'SUCCESS', 1 FROM done d WHERE d.before <> 'SUCCESS'
    ON CONFLICT (organization_id, hour, sync_type, status) DO UPDATE SET syncs = t.syncs + excluded.syncs
  )
  SELECT EXISTS (SELECT 1 FROM done)
$$;
COMMENT ON FUNCTION paymentsync.adopt_document(uuid, integer, timestamptz, text, text, jsonb, text, text, uuid, text) IS
  'A document that is known to be in Xero, from the journal or by a look, becomes the row''s own. fence, seen: attempt and updated_at as judged; false when the row has moved since. releases: the held code that a person releases by it.';

CREATE FUNCTION paymentsync.recovering(at_most integer) RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT count(*)::integer FROM (
    SELECT 1 FROM public.xero_syncs s WHERE s.due_because = 'RESUME' AND s.next_retry_at IS NOT NULL AND s.status IN ('PENDING', 'FAILED') LIMIT at_most) counted
$$;
COMMENT ON FUNCTION paymentsync.recovering(integer) IS 'Rows that were made due again and have not been served yet, counted up to a limit.';
