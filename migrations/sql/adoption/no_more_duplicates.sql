-- While the constraint is built a duplicate that the host inserts must neither break the building nor fail: the row it asks for is there.
-- One at a time for each link and type, so that the second of two sees the first.
CREATE OR REPLACE FUNCTION paymentsync.meanwhile_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM paymentsync.meanwhile_count('insert');
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.payment_link_id || ':' || NEW.sync_type, 11));
  IF EXISTS (SELECT 1 FROM public.xero_syncs s WHERE s.payment_link_id = NEW.payment_link_id AND s.sync_type = NEW.sync_type) THEN
    RETURN NULL;
  END IF;
  SELECT l.organization_id INTO NEW.organization_id FROM public.payment_links l WHERE l.id = NEW.payment_link_id;
  NEW.status := 'PENDING';
  NEW.next_retry_at := NULL;
  NEW.failure_code := 'waiting.confirmation';
  NEW.error_message := NULL;
  NEW.retry_count := 0;
  RETURN NEW;
END $$;
