-- While the constraint is built a duplicate that the host inserts must neither break the building nor fail: the row it asks for is there.
-- One at a time for each link and type, so that the second of two sees the first.
CREATE OR REPLACE FUNCTION paymentsync.meanwhile_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM paymentsync.meanwhile_count('insert');
  PERFORM pg_advisory_xact_lock(hashtextextended(NEW.payment_link_id || ':' || NEW.sync_type, 11));
  IF EXISTS (SELECT 1 FROM paymentsync.adoption_links l WHERE l.link_id = NEW.payment_link_id AND (CASE NEW.sync_type WHEN 'INVOICE' THEN l.invoice_becomes ELSE l.payment_becomes END) IS NOT NULL)
     OR EXISTS (SELECT 1 FROM paymentsync.adoption_inserted i WHERE i.payment_link_id = NEW.payment_link_id AND i.sync_type = NEW.sync_type) THEN
    RETURN NULL;
  END IF;
  INSERT INTO paymentsync.adoption_inserted VALUES (NEW.payment_link_id, NEW.sync_type);
  SELECT l.organization_id INTO NEW.organization_id FROM public.payment_links l WHERE l.id = NEW.payment_link_id;
  NEW.status := 'PENDING';
  NEW.next_retry_at := NULL;
  NEW.failure_code := 'waiting.confirmation';
  NEW.error_message := NULL;
  NEW.retry_count := 0;
  RETURN NEW;
END $$;
