, shared AS (
  SELECT a.sync_type, a.becomes, a.sync_id IS NULL AS added FROM (
    SELECT a.*, count(*) OVER (PARTITION BY a.sync_type, a.xero_id) AS rows FROM after a WHERE a.xero_id IS NOT NULL) a
   WHERE a.rows > 1
)
SELECT t.what, t.n::bigint FROM tally t WHERE t.n > 0
UNION ALL SELECT 'shared:' || CASE WHEN s.added THEN 'added:' ELSE 'kept:' END || s.sync_type || ':' || s.becomes, count(*) FROM shared s GROUP BY s.added, s.sync_type, s.becomes
