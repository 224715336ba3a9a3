-- Documents that stand on rows of several links: at most one of them is right. Expects "decided".
twice AS (
  SELECT d.invoice_id AS id, 'INVOICE' AS kind FROM decided d WHERE d.invoice_id IS NOT NULL GROUP BY d.invoice_id HAVING count(*) > 1
  UNION ALL
  SELECT d.payment_id, 'PAYMENT' FROM decided d WHERE d.payment_id IS NOT NULL GROUP BY d.payment_id HAVING count(*) > 1
)
