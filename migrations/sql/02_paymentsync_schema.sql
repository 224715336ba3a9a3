-- Everything of ours that is not the three shared tables lives in this schema: the host has tables of similar names.
CREATE SCHEMA IF NOT EXISTS paymentsync;
-- For the triggers on the host's tables, which call functions of ours whatever the role of the host is; none of our tables is granted with it.
GRANT USAGE ON SCHEMA paymentsync TO PUBLIC;

CREATE FUNCTION paymentsync.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
  AS 'SELECT statement_timestamp()';
COMMENT ON FUNCTION paymentsync.now() IS
  'The one clock. All SQL takes time from here, as (select paymentsync.now()) so that it can be an index condition. Test databases replace it by one with an offset.';

CREATE TABLE paymentsync.installation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  host_owned boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT paymentsync.now()
);
COMMENT ON COLUMN paymentsync.installation.host_owned IS 'True where organizations and payment_links belong to a host application: the API then changes only their settings.';
INSERT INTO paymentsync.installation DEFAULT VALUES;

CREATE TABLE paymentsync.organization_settings (
  organization_id uuid PRIMARY KEY REFERENCES public.organizations(id) ON DELETE CASCADE,
  time_zone text NOT NULL,
  sales_account_code text NOT NULL,
  tax_type text NOT NULL,
  line_amount_types text NOT NULL CHECK (line_amount_types IN ('Inclusive', 'NoTax')),
  clearing_accounts jsonb NOT NULL CHECK (jsonb_typeof(clearing_accounts) = 'object'),
  invoice_prefix text NOT NULL CHECK (invoice_prefix ~ '^[A-Za-z0-9/_.-]{0,20}$'),
  contacts text NOT NULL CHECK (contacts IN ('PerCustomer', 'Shared')),
  shared_contact text NOT NULL CHECK (btrim(shared_contact) <> ''),
  amount_policy text NOT NULL CHECK (amount_policy IN ('MustEqualLink', 'AsCharged')),
  lock_date_policy text NOT NULL CHECK (lock_date_policy IN ('Hold', 'FirstOpenDay')),
  stripe_account text CHECK (stripe_account ~ '^(self|acct_[!-9;-~]+)$'),
  updated_at timestamptz NOT NULL DEFAULT paymentsync.now()
);
COMMENT ON COLUMN paymentsync.organization_settings.stripe_account IS 'The only Stripe account whose events may name the organisation''s links: self is the platform''s own. Null: any.';
COMMENT ON COLUMN paymentsync.organization_settings.clearing_accounts IS 'Provider → currency → Xero account code, for example {"STRIPE": {"GBP": "090"}}.';

CREATE TABLE paymentsync.payment_link_settings (
  payment_link_id uuid PRIMARY KEY REFERENCES public.payment_links(id) ON DELETE CASCADE,
  stripe_payment_link text UNIQUE CHECK (stripe_payment_link <> ''),
  cancelled_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT paymentsync.now()
);
COMMENT ON TABLE paymentsync.payment_link_settings IS 'What we know of a link beside its row: which Stripe payment link (plink_…) stands for it, and whether it was cancelled here.';
COMMENT ON COLUMN paymentsync.payment_link_settings.cancelled_at IS 'Cancelled through our API. In a host''s database this is the only place: its payment_links are the host''s to write.';

CREATE TABLE paymentsync.events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  run_key text UNIQUE,
  provider text NOT NULL,
  account text NOT NULL,
  source_event_id text NOT NULL,
  event_type text NOT NULL,
  fact text CHECK (fact IN ('paid', 'unpaid', 'failed', 'expired')),
  provider_payment_id text,
  amount numeric(18,2) CHECK (amount >= 0),
  currency char(3) CHECK (currency ~ '^[A-Z]{3}$'),
  link_reference text,
  stripe_payment_link text,
  payment_link_id uuid,
  status text NOT NULL CHECK (status IN ('COMPLETED', 'SUPERSEDED', 'UNMATCHED', 'QUARANTINED', 'IGNORED', 'NEEDS_ACTION')),
  reason text,
  message text,
  body bytea,
  occurred_at timestamptz,
  received_at timestamptz NOT NULL DEFAULT paymentsync.now(),
  updated_at timestamptz NOT NULL DEFAULT paymentsync.now(),
  CONSTRAINT events_claim_has_a_key CHECK (status NOT IN ('COMPLETED', 'SUPERSEDED', 'UNMATCHED', 'QUARANTINED', 'NEEDS_ACTION') OR run_key IS NOT NULL)
);
COMMENT ON TABLE paymentsync.events IS 'One row for each fact a provider told us, not one for each delivery.';
COMMENT ON COLUMN paymentsync.events.run_key IS 'The fact: provider:account:provider payment id:fact. Null while an event claims nothing (it names no link).';
COMMENT ON COLUMN paymentsync.events.status IS 'UNMATCHED is no claim: a later event of the same key, or the registration of the link, takes it over.';
COMMENT ON COLUMN paymentsync.events.body IS 'The bytes as received; kept only while somebody may still need them (not for COMPLETED facts).';
CREATE UNIQUE INDEX events_unclaimed ON paymentsync.events (provider, account, source_event_id) WHERE run_key IS NULL;
CREATE INDEX events_by_payment ON paymentsync.events (provider, account, provider_payment_id) WHERE provider_payment_id IS NOT NULL;
CREATE INDEX events_waiting ON paymentsync.events (received_at, id) WHERE status IN ('UNMATCHED', 'NEEDS_ACTION', 'QUARANTINED');
CREATE INDEX events_unmatched_link ON paymentsync.events (link_reference) WHERE status = 'UNMATCHED';
CREATE INDEX events_unmatched_stripe_link ON paymentsync.events (stripe_payment_link) WHERE status = 'UNMATCHED';
CREATE INDEX events_unlinked_paid ON paymentsync.events (received_at) WHERE status = 'IGNORED' AND run_key IS NULL AND fact = 'paid';
CREATE INDEX events_newest ON paymentsync.events (received_at DESC, id DESC);

CREATE TABLE paymentsync.sync_attempts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sync_id uuid NOT NULL,
  attempt integer NOT NULL,
  trigger text NOT NULL CHECK (trigger IN ('FIRST', 'RETRY', 'RESUME', 'REPLAY', 'VERIFY')),
  worker text NOT NULL,
  stage text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  outcome text NOT NULL,
  failure_kind text,
  failure_code text,
  message text,
  http_status integer,
  correlation_id text,
  request_id uuid,
  UNIQUE (sync_id, attempt)
);
COMMENT ON TABLE paymentsync.sync_attempts IS 'Append-only: one row for each try, written by the statement that completes it; a lost try gets its row from recovery, outcome LOST.';

CREATE TABLE paymentsync.requests (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL,
  tenant_id text NOT NULL,
  resource text NOT NULL,
  idempotency_key text NOT NULL UNIQUE CHECK (length(idempotency_key) <= 128),
  members uuid[] NOT NULL,
  body bytea NOT NULL,
  body_sha256 bytea NOT NULL,
  sent_at timestamptz NOT NULL,
  absent_counts_from timestamptz NOT NULL,
  completed_at timestamptz,
  outcome text,
  http_status integer,
  correlation_id text,
  answer bytea
);
COMMENT ON TABLE paymentsync.requests IS 'The intent journal: committed before each call that changes Xero, completed with what came back.';
COMMENT ON COLUMN paymentsync.requests.body IS 'The exact bytes, Brotli-compressed; so is answer.';
COMMENT ON COLUMN paymentsync.requests.sent_at IS 'When the latest send of these bytes was intended (a re-send under the same key repeats the intent).';
COMMENT ON COLUMN paymentsync.requests.absent_counts_from IS 'sent_at + the call time-out in force + 60 s: a look that began earlier proves no absence.';
CREATE INDEX requests_open ON paymentsync.requests (sent_at) WHERE completed_at IS NULL;

CREATE TABLE paymentsync.connections (
  organization_id uuid PRIMARY KEY REFERENCES public.organizations(id) ON DELETE CASCADE,
  tenant_id text NOT NULL,
  tenant_name text,
  kind text NOT NULL CHECK (kind IN ('CUSTOM', 'OAUTH')),
  status text NOT NULL CHECK (status IN ('ACTIVE', 'DISCONNECTED')),
  client_id text,
  protected_secret bytea,
  connected_at timestamptz NOT NULL DEFAULT paymentsync.now(),
  updated_at timestamptz NOT NULL DEFAULT paymentsync.now()
);
COMMENT ON TABLE paymentsync.connections IS 'At most one Xero tenant for an organisation, and one organisation for a tenant.';
CREATE UNIQUE INDEX connections_tenant ON paymentsync.connections (tenant_id) WHERE status = 'ACTIVE';

CREATE TABLE paymentsync.drain_leases (
  organization_id uuid PRIMARY KEY,
  owner text NOT NULL,
  expires_at timestamptz NOT NULL
);
COMMENT ON TABLE paymentsync.drain_leases IS 'Who is draining an organisation. Taken, renewed and given back by compare-and-set.';

CREATE TABLE paymentsync.call_budgets (
  tenant_id text PRIMARY KEY,
  day_remaining integer,
  day_seen_at timestamptz,
  blocked_until timestamptz,
  blocked_because text
);
CREATE TABLE paymentsync.call_slots (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id text NOT NULL,
  holder text NOT NULL,
  reserved_at timestamptz NOT NULL,
  answered_at timestamptz,
  frees_at timestamptz NOT NULL
);
COMMENT ON COLUMN paymentsync.call_slots.frees_at IS '60 s after the answer was seen; until then, the time at which a slot whose holder is gone is taken back.';
CREATE INDEX call_slots_tenant ON paymentsync.call_slots (tenant_id, frees_at);

CREATE TABLE paymentsync.audit_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT paymentsync.now(),
  actor text NOT NULL,
  role text NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
  reason text,
  details jsonb
);

CREATE TABLE paymentsync.operator_keys (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  key_sha256 bytea NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT paymentsync.now(),
  revoked_at timestamptz
);
COMMENT ON COLUMN paymentsync.operator_keys.key_sha256 IS 'Keys are long and random, so a plain hash protects them; the key itself is shown once and kept nowhere.';

CREATE TABLE paymentsync.data_protection_keys (
  id text PRIMARY KEY,
  xml text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT paymentsync.now()
);

CREATE TABLE paymentsync.sync_totals (
  organization_id uuid NOT NULL,
  hour timestamptz NOT NULL,
  sync_type "XeroSyncType" NOT NULL,
  status "XeroSyncStatus" NOT NULL,
  syncs bigint NOT NULL,
  PRIMARY KEY (organization_id, hour, sync_type, status)
);
COMMENT ON TABLE paymentsync.sync_totals IS 'How many tries ended in which status, kept by the completion statement, so that overviews need not count millions of rows.';

CREATE TABLE paymentsync.host_writes (
  day date NOT NULL,
  kind text NOT NULL,
  backend integer NOT NULL,
  writes bigint NOT NULL,
  PRIMARY KEY (day, kind, backend)
);
COMMENT ON TABLE paymentsync.host_writes IS 'Writes to xero_syncs by anyone but PaymentSync: what they asked for and how often. Their updates keep the old row.';
COMMENT ON COLUMN paymentsync.host_writes.backend IS 'Each session counts in a row of its own: a long transaction of the host keeps no other one waiting.';

CREATE TABLE paymentsync.xero_syncs_archive (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sync_id uuid NOT NULL,
  kept_sync_id uuid NOT NULL,
  payment_link_id uuid NOT NULL,
  organization_id uuid,
  sync_type "XeroSyncType" NOT NULL,
  status "XeroSyncStatus" NOT NULL,
  rank integer,
  reason text NOT NULL,
  xero_invoice_id text,
  xero_payment_id text,
  request_payload jsonb,
  response_payload jsonb,
  error_message text,
  retry_count integer,
  next_retry_at timestamptz,
  created_at timestamptz,
  updated_at timestamptz,
  content jsonb,
  archived_at timestamptz NOT NULL DEFAULT paymentsync.now()
);
COMMENT ON TABLE paymentsync.xero_syncs_archive IS
  'No Xero id is ever lost: duplicates that the adoption of an existing database removed, and what a requeue with a new number left behind. Never purged.';
COMMENT ON COLUMN paymentsync.xero_syncs_archive.sync_id IS 'The removed row; for a requeue with a new number the row itself (then kept_sync_id is the same).';
COMMENT ON COLUMN paymentsync.xero_syncs_archive.rank IS 'Its place within (payment_link_id, sync_type) when duplicates were ranked; 1 was kept.';
COMMENT ON COLUMN paymentsync.xero_syncs_archive.content IS 'What its row had in columns that only the host application knows; for a requeue with a new number the whole row.';

CREATE TABLE paymentsync.recovery_reports (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  trigger text NOT NULL CHECK (trigger IN ('START', 'TIMER', 'OPERATOR', 'ADOPTION')),
  node text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz,
  found integer NOT NULL DEFAULT 0,
  done integer NOT NULL DEFAULT 0,
  left_to_a_person integer NOT NULL DEFAULT 0,
  summary jsonb NOT NULL DEFAULT '{}',
  CHECK (ended_at IS NULL OR ended_at >= started_at)
);
COMMENT ON TABLE paymentsync.recovery_reports IS 'One row for each recovery run that found something: what it found, decided, did, and left to a person.';
CREATE INDEX recovery_reports_newest ON paymentsync.recovery_reports (started_at DESC, id DESC);

CREATE TABLE paymentsync.recovery_items (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  report_id uuid REFERENCES paymentsync.recovery_reports(id) ON DELETE SET NULL,
  kind text NOT NULL,
  subject text NOT NULL,
  sync_id uuid,
  payment_link_id uuid,
  event_id uuid,
  organization_id uuid,
  decision text NOT NULL CHECK (decision IN ('RESUME', 'MARK_FAILED', 'REBUILD', 'MANUAL_REVIEW', 'CLEAN_UP')),
  status text NOT NULL CHECK (status IN ('DONE', 'OPEN', 'RESOLVED')),
  message text NOT NULL,
  details jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT paymentsync.now(),
  resolved_at timestamptz,
  resolution text,
  resolved_by text,
  reason text,
  CHECK ((status = 'RESOLVED') = (resolved_at IS NOT NULL))
);
COMMENT ON TABLE paymentsync.recovery_items IS 'What recovery (or the adoption of a database) found: done by itself, or OPEN until a person resolves it.';
COMMENT ON COLUMN paymentsync.recovery_items.subject IS 'What it is about, as one text (sync:<id>, event:<id>, link:<id>, request:<id>): a second run finds the open item by it and makes no other.';
