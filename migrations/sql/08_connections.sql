-- OAuth connections. Everything protected_* is encrypted by the data-protection key ring, which the master key wraps.
ALTER TABLE paymentsync.connections
  ADD COLUMN connection_id text,
  ADD COLUMN token_version integer NOT NULL DEFAULT 0,
  ADD COLUMN protected_access bytea,
  ADD COLUMN access_expires_at timestamptz,
  ADD COLUMN protected_refresh bytea,
  ADD COLUMN reconnect_by timestamptz,
  ADD COLUMN refresh_owner text,
  ADD COLUMN refresh_expires_at timestamptz,
  ADD COLUMN refresh_started_at timestamptz,
  ADD COLUMN warned_days integer,
  ADD COLUMN disconnected_code text,
  ADD COLUMN disconnected_because text;

-- Before this migration a disconnection had no words; the checks below ask for them.
UPDATE paymentsync.connections SET disconnected_code = 'operator', disconnected_because = 'It was disconnected.' WHERE status = 'DISCONNECTED';

ALTER TABLE paymentsync.connections
  ADD CONSTRAINT connections_active_has_credentials CHECK (status <> 'ACTIVE' OR CASE kind
    WHEN 'CUSTOM' THEN protected_secret IS NOT NULL
    ELSE protected_refresh IS NOT NULL AND reconnect_by IS NOT NULL END),
  ADD CONSTRAINT connections_disconnected_keeps_nothing CHECK (status = 'ACTIVE' OR (protected_secret IS NULL AND protected_access IS NULL
    AND (protected_refresh IS NULL OR disconnected_code = 'token.unanswered'))),
  ADD CONSTRAINT connections_disconnected_says_why CHECK ((status = 'DISCONNECTED') = (disconnected_code IS NOT NULL) AND (disconnected_code IS NULL) = (disconnected_because IS NULL)),
  ADD CONSTRAINT connections_refresh_has_an_end CHECK (refresh_owner IS NULL OR refresh_expires_at IS NOT NULL);

COMMENT ON COLUMN paymentsync.connections.client_id IS 'Which app of ours it belongs to: a refresh token is good for that app only.';
COMMENT ON COLUMN paymentsync.connections.connection_id IS 'Xero''s id of the connection, for DELETE /connections/{id}. Null for custom connections that did not name one.';
COMMENT ON COLUMN paymentsync.connections.token_version IS '+1 whenever credentials or tokens change. A node that used another version''s token changes nothing.';
COMMENT ON COLUMN paymentsync.connections.reconnect_by IS 'The refresh token dies then (60 days after it was issued), unless it is used before. Null for custom connections.';
COMMENT ON COLUMN paymentsync.connections.refresh_owner IS 'Who is asking Xero for new tokens now. Taken by compare-and-set; no lock is held over the call.';
COMMENT ON COLUMN paymentsync.connections.refresh_expires_at IS 'Until then nobody else asks: the owner''s lease, or without owner the pause after a try without answer.';
COMMENT ON COLUMN paymentsync.connections.refresh_started_at IS 'First use of the refresh token whose answer is not known. Xero takes the old token again for 30 minutes from then; null: it was not used yet.';
COMMENT ON COLUMN paymentsync.connections.warned_days IS 'The last warning given (7, 3 or 1 days before reconnect_by), so that each is given once.';
COMMENT ON COLUMN paymentsync.connections.disconnected_code IS 'token.unanswered keeps the refresh token: Xero never said that it is dead, so it is tried again from time to time.';

CREATE TABLE paymentsync.oauth_states (
  state_sha256 bytea PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES public.organizations(id) ON DELETE CASCADE,
  protected_verifier bytea NOT NULL,
  redirect_url text NOT NULL,
  actor text NOT NULL,
  role text NOT NULL,
  forced boolean NOT NULL,
  reason text,
  expires_at timestamptz NOT NULL,
  CONSTRAINT oauth_states_force_has_a_reason CHECK (NOT forced OR btrim(reason) <> '')
);
COMMENT ON TABLE paymentsync.oauth_states IS 'Authorisations that were begun and are not back yet. Coming back deletes the row, so that a state works once; a recurring job deletes the rest.';
COMMENT ON COLUMN paymentsync.oauth_states.state_sha256 IS 'The state itself is random and known only to the browser that was sent away.';
CREATE INDEX oauth_states_expired ON paymentsync.oauth_states (expires_at);
