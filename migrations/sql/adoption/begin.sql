-- An existing installation's database, from the moment its clean-up begins. Runs in one transaction with 03_xero_syncs_columns.sql.
UPDATE paymentsync.installation SET host_owned = true;

CREATE TABLE paymentsync.adoption (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  report_id uuid NOT NULL DEFAULT gen_random_uuid(),
  started_at timestamptz NOT NULL DEFAULT paymentsync.now(),
  finished_at timestamptz,
  constraint_was_there boolean NOT NULL DEFAULT false,
  tally jsonb NOT NULL DEFAULT '{}',
  report jsonb
);
COMMENT ON TABLE paymentsync.adoption IS 'One row where a host application''s database was adopted: what migrate found, removed and left to a person. A killed run goes on from here.';
COMMENT ON COLUMN paymentsync.adoption.tally IS 'What was decided, counted, and what the host inserted meanwhile.';
INSERT INTO paymentsync.adoption DEFAULT VALUES;
INSERT INTO paymentsync.recovery_reports (id, trigger, node, started_at) SELECT report_id, 'ADOPTION', 'migrate', started_at FROM paymentsync.adoption;

CREATE TABLE paymentsync.adoption_steps (step text PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT paymentsync.now(), seconds float8);
COMMENT ON TABLE paymentsync.adoption_steps IS 'What is done; each is recorded in the transaction that did it, or after statements that can be repeated.';
COMMENT ON COLUMN paymentsync.adoption_steps.seconds IS 'How long it took, of the run that ended it; for the report.';

CREATE TABLE paymentsync.adoption_ranges (
  step text,
  range integer,
  next_page bigint NOT NULL,
  end_page bigint NOT NULL,
  PRIMARY KEY (step, range)
);
COMMENT ON TABLE paymentsync.adoption_ranges IS 'How far the clean-up is in each range of pages of xero_syncs; written in the transaction that did it.';

CREATE TABLE paymentsync.xero_syncs_before_adoption (
  sync_id uuid NOT NULL,
  status "XeroSyncStatus",
  error_message text,
  retry_count integer,
  next_retry_at timestamptz,
  updated_at timestamptz,
  request_payload jsonb
);
COMMENT ON TABLE paymentsync.xero_syncs_before_adoption IS 'What the host''s columns of kept rows were where the adoption changed them (status null: the adoption made the row). For restore-legacy.';

-- While rows change all the time a vacuum would begin again and again, and be in the way of the indexes; once all is verified it may begin.
-- And what is written here is written once: no room for more on new pages, so that indexes have less to read.
ALTER TABLE xero_syncs SET (autovacuum_enabled = off, fillfactor = 100);
ALTER TABLE paymentsync.xero_syncs_archive SET (autovacuum_enabled = off);
ALTER TABLE paymentsync.xero_syncs_before_adoption SET (autovacuum_enabled = off);
ALTER TABLE paymentsync.recovery_items SET (autovacuum_enabled = off);

-- Built again when the tables are filled: one sort is cheaper than a million insertions.
DO $$ BEGIN
  EXECUTE (SELECT 'DROP INDEX ' || string_agg(i.indexrelid::regclass::text, ', ') FROM pg_index i
            WHERE i.indrelid IN ('paymentsync.xero_syncs_archive'::regclass, 'paymentsync.recovery_items'::regclass) AND NOT i.indisprimary);
END $$;
ALTER TABLE paymentsync.xero_syncs_archive DROP CONSTRAINT xero_syncs_archive_pkey;
ALTER TABLE paymentsync.recovery_items DROP CONSTRAINT recovery_items_pkey, DROP CONSTRAINT recovery_items_report_id_fkey;

CREATE TABLE paymentsync.adoption_inserted (payment_link_id uuid NOT NULL, sync_type "XeroSyncType" NOT NULL);
CREATE INDEX adoption_inserted_link ON paymentsync.adoption_inserted (payment_link_id);
COMMENT ON TABLE paymentsync.adoption_inserted IS 'Which rows the host inserted while the clean-up runs: some may be duplicates.';

-- While the clean-up runs the host goes on writing. Its updates keep the old row, else a re-confirmation would set back under our hands what we
-- have just judged; its inserts wait for a confirmation. Later 05_xero_syncs_guards.sql has the same rules for good.
-- What they write they write with our rights: the host's role has none on our tables.
CREATE FUNCTION paymentsync.meanwhile_count(what text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO paymentsync.host_writes AS w (day, kind, backend, writes) VALUES ((paymentsync.now() AT TIME ZONE 'UTC')::date, what, pg_backend_pid(), 1)
        ON CONFLICT (day, kind, backend) DO UPDATE SET writes = w.writes + 1 $$;

CREATE FUNCTION paymentsync.meanwhile_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM paymentsync.meanwhile_count('insert');
  INSERT INTO paymentsync.adoption_inserted VALUES (NEW.payment_link_id, NEW.sync_type);
  SELECT l.organization_id INTO NEW.organization_id FROM public.payment_links l WHERE l.id = NEW.payment_link_id;
  NEW.status := 'PENDING';
  NEW.next_retry_at := NULL;
  NEW.failure_code := 'waiting.confirmation';
  NEW.error_message := NULL;
  NEW.retry_count := 0;
  RETURN NEW;
END $$;

CREATE FUNCTION paymentsync.meanwhile_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM paymentsync.meanwhile_count('update ' || OLD.status || ' to ' || NEW.status);
  RETURN OLD;
END $$;

CREATE FUNCTION paymentsync.meanwhile_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'xero_syncs rows are never deleted: they are the only pointer to what was posted in Xero' USING ERRCODE = 'PS019';
END $$;

CREATE TRIGGER paymentsync_meanwhile_insert BEFORE INSERT ON xero_syncs FOR EACH ROW
  WHEN (current_setting('paymentsync.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION paymentsync.meanwhile_insert();
CREATE TRIGGER paymentsync_meanwhile_update BEFORE UPDATE ON xero_syncs FOR EACH ROW
  WHEN (current_setting('paymentsync.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION paymentsync.meanwhile_update();
CREATE TRIGGER paymentsync_meanwhile_delete BEFORE DELETE ON xero_syncs FOR EACH ROW
  WHEN (current_setting('paymentsync.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION paymentsync.meanwhile_delete();

CREATE FUNCTION paymentsync.add_tally(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(k.key, coalesce((one ->> k.key)::bigint, 0) + coalesce((other ->> k.key)::bigint, 0)), '{}')
    FROM (SELECT jsonb_object_keys(one) UNION SELECT jsonb_object_keys(other)) k(key)
$$;
