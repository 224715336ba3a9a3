-- What the report says, from the decisions ("marked": with what several links share).
cases AS MATERIALIZED (
  SELECT m.invoice_becomes, m.invoice_was, m.invoice_learned, m.invoice_id IS NULL AS invoice_unknown, m.several_invoices, m.shared_invoice,
         m.payment_becomes, m.payment_was, m.payment_learned, m.payment_id IS NULL AS payment_unknown, m.several_payments, m.shared_payment,
         count(*) AS links, sum(m.invoices + m.payments) AS rows, sum((m.invoices > 0)::integer + (m.payments > 0)::integer) AS groups, sum(m.ids) AS ids,
         count(*) FILTER (WHERE m.invoices > 1 OR m.payments > 1) AS links_with_duplicates, sum((m.invoices > 1)::integer + (m.payments > 1)::integer) AS groups_with_duplicates,
         sum(m.invoice_group_several::integer + m.payment_group_several::integer) AS groups_with_several_ids,
         sum(m.pending) AS pending, sum(m.retrying) AS retrying, sum(m.success) AS success, sum(m.failed) AS failed
    FROM marked m GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
),
sides AS (
  SELECT 'INVOICE' AS type, c.invoice_becomes AS decided, c.invoice_was AS was, c.invoice_learned AS learned, c.invoice_unknown AS unknown, c.several_invoices AS several, c.shared_invoice AS shared, c.links AS n FROM cases c
  UNION ALL
  SELECT 'PAYMENT', c.payment_becomes, c.payment_was, c.payment_learned, c.payment_unknown, c.several_payments, c.shared_payment, c.links FROM cases c
),
fates AS (
  SELECT s.*, CASE WHEN s.shared AND s.decided = 'settings.missing' THEN 'legacy.shared_id' ELSE s.decided END AS becomes FROM sides s WHERE s.decided IS NOT NULL
),
tally AS (
  SELECT 'links' AS what, sum(c.links) AS n FROM cases c
  UNION ALL SELECT 'rows', sum(c.rows) FROM cases c
  UNION ALL SELECT 'groups', sum(c.groups) FROM cases c
  UNION ALL SELECT 'ids', sum(c.ids) FROM cases c
  UNION ALL SELECT 'linksWithDuplicates', sum(c.links_with_duplicates) FROM cases c
  UNION ALL SELECT 'groupsWithDuplicates', sum(c.groups_with_duplicates) FROM cases c
  UNION ALL SELECT 'groupsWithSeveralXeroIds', sum(c.groups_with_several_ids) FROM cases c
  UNION ALL SELECT 'removed:PENDING', (SELECT sum(c.pending) FROM cases c) - (SELECT coalesce(sum(f.n), 0) FROM fates f WHERE f.was = 'PENDING')
  UNION ALL SELECT 'removed:RETRYING', (SELECT sum(c.retrying) FROM cases c) - (SELECT coalesce(sum(f.n), 0) FROM fates f WHERE f.was = 'RETRYING')
  UNION ALL SELECT 'removed:SUCCESS', (SELECT sum(c.success) FROM cases c) - (SELECT coalesce(sum(f.n), 0) FROM fates f WHERE f.was = 'SUCCESS')
  UNION ALL SELECT 'removed:FAILED', (SELECT sum(c.failed) FROM cases c) - (SELECT coalesce(sum(f.n), 0) FROM fates f WHERE f.was = 'FAILED')
  UNION ALL SELECT CASE WHEN f.was IS NULL THEN 'added:' ELSE 'kept:' END || f.type || ':' || f.becomes, sum(f.n) FROM fates f GROUP BY 1
  UNION ALL SELECT 'learned:' || f.type, sum(f.n) FROM fates f WHERE f.learned GROUP BY f.type
  UNION ALL SELECT 'item:legacy.duplicate_documents', sum(f.n) FROM fates f WHERE f.several
  UNION ALL SELECT 'item:legacy.unknown_outcome', sum(f.n) FROM fates f WHERE f.becomes = 'legacy.unknown_outcome'
  UNION ALL SELECT 'item:legacy.success_without_id', sum(f.n) FROM fates f WHERE f.becomes = 'SUCCESS' AND f.unknown
  UNION ALL SELECT 'item:legacy.shared_id', sum(f.n) FROM fates f WHERE f.shared
)
SELECT t.what, t.n::bigint FROM tally t WHERE t.n > 0
