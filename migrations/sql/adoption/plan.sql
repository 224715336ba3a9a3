-- Which rows belong to which link, and where they lie, in the order in which they lie in the table, so that a batch reads and writes neighbouring pages.
DROP TABLE IF EXISTS paymentsync.adoption_plan;
CREATE TABLE paymentsync.adoption_plan AS
  SELECT row_number() OVER (ORDER BY g.first_row) AS seq, g.ids, g.places
    FROM (SELECT min(s.ctid) AS first_row, array_agg(s.id) AS ids, array_agg(s.ctid) AS places FROM xero_syncs s
           -- What the host inserted since the run began waits for its confirmation; nothing of it was ever tried.
           WHERE s.failure_code IS DISTINCT FROM 'waiting.confirmation' GROUP BY s.payment_link_id) g
   ORDER BY 1;
CREATE UNIQUE INDEX adoption_plan_seq ON paymentsync.adoption_plan (seq);
ANALYZE paymentsync.adoption_plan;
