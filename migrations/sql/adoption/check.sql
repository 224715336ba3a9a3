-- One sentence for each thing that an adoption needs and this database does not have.
WITH needed (table_name, column_name, kinds) AS (VALUES
  ('organizations', 'id', '{uuid}'::text[]), ('organizations', 'name', '{text,varchar}'),
  ('payment_links', 'id', '{uuid}'), ('payment_links', 'organization_id', '{uuid}'), ('payment_links', 'short_code', '{text,varchar,bpchar}'),
  ('payment_links', 'status', '{PaymentLinkStatus}'), ('payment_links', 'payment_method', '{PaymentMethod}'), ('payment_links', 'amount', '{numeric}'),
  ('payment_links', 'currency', '{text,varchar,bpchar}'), ('payment_links', 'invoice_currency', '{text,varchar,bpchar}'), ('payment_links', 'description', '{text,varchar}'),
  ('payment_links', 'invoice_reference', '{text,varchar}'), ('payment_links', 'customer_email', '{text,varchar}'), ('payment_links', 'customer_name', '{text,varchar}'),
  ('payment_links', 'created_at', '{timestamptz,timestamp}'), ('payment_links', 'updated_at', '{timestamptz,timestamp}'),
  ('xero_syncs', 'id', '{uuid}'), ('xero_syncs', 'payment_link_id', '{uuid}'), ('xero_syncs', 'sync_type', '{XeroSyncType}'), ('xero_syncs', 'status', '{XeroSyncStatus}'),
  ('xero_syncs', 'xero_invoice_id', '{text,varchar}'), ('xero_syncs', 'xero_payment_id', '{text,varchar}'), ('xero_syncs', 'request_payload', '{jsonb}'), ('xero_syncs', 'response_payload', '{jsonb}'),
  ('xero_syncs', 'error_message', '{text,varchar}'), ('xero_syncs', 'retry_count', '{int4}'), ('xero_syncs', 'next_retry_at', '{timestamptz}'),
  ('xero_syncs', 'created_at', '{timestamptz}'), ('xero_syncs', 'updated_at', '{timestamptz}')
),
there AS (SELECT c.table_name::text, c.column_name::text, c.udt_name::text, c.is_nullable = 'NO' AND c.column_default IS NULL AND c.is_identity = 'NO' AND c.is_generated = 'NEVER' AS must_be_given
            FROM information_schema.columns c WHERE c.table_schema = 'public'),
labels (type_name, label) AS (VALUES
  ('XeroSyncType', 'INVOICE'), ('XeroSyncType', 'PAYMENT'), ('XeroSyncStatus', 'PENDING'), ('XeroSyncStatus', 'RETRYING'), ('XeroSyncStatus', 'SUCCESS'), ('XeroSyncStatus', 'FAILED'),
  ('PaymentLinkStatus', 'DRAFT'), ('PaymentLinkStatus', 'OPEN'), ('PaymentLinkStatus', 'PAID_UNVERIFIED'), ('PaymentLinkStatus', 'PAID'), ('PaymentLinkStatus', 'CANCELED'), ('PaymentMethod', 'STRIPE')
),
known AS (SELECT t.typname::text AS type_name, e.enumlabel::text AS label FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid WHERE n.nspname = 'public')
SELECT format('Table %s is missing.', n.table_name) FROM needed n GROUP BY n.table_name HAVING to_regclass('public.' || n.table_name) IS NULL
UNION ALL
SELECT format('Column %s.%s is missing (%s).', n.table_name, n.column_name, array_to_string(n.kinds, ' or ')) FROM needed n
 WHERE to_regclass('public.' || n.table_name) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM there t WHERE t.table_name = n.table_name AND t.column_name = n.column_name)
UNION ALL
SELECT format('Column %s.%s is %s; it must be %s.', n.table_name, n.column_name, t.udt_name, array_to_string(n.kinds, ' or '))
  FROM needed n JOIN there t ON t.table_name = n.table_name AND t.column_name = n.column_name WHERE NOT t.udt_name = ANY (n.kinds)
UNION ALL
SELECT format('Type "%s" has no label %s.', l.type_name, l.label) FROM labels l WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.type_name = l.type_name AND k.label = l.label)
UNION ALL
SELECT format('Type "%s" has the label %s, which PaymentSync does not know: no rule says what becomes of such rows.', k.type_name, k.label) FROM known k
 WHERE k.type_name IN ('XeroSyncType', 'XeroSyncStatus') AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.type_name = k.type_name AND l.label = k.label)
UNION ALL
SELECT format('xero_syncs has a column %s already, a name that PaymentSync needs for its own.', t.column_name) FROM there t
 WHERE t.table_name = 'xero_syncs' AND t.column_name = ANY ('{organization_id,provider,provider_payment_id,amount,currency,document_number,tenant_id,open_request_id,absent_since,released,shared_id,failure_kind,failure_code,due_because,attempt,lease_owner,lease_expires_at}'::text[])
   AND to_regclass('paymentsync.adoption') IS NULL
UNION ALL
SELECT format('xero_syncs.%s is NOT NULL without a default, so PaymentSync could insert no rows. Give it a default.', t.column_name) FROM there t
 WHERE t.table_name = 'xero_syncs' AND t.must_be_given AND NOT EXISTS (SELECT 1 FROM needed n WHERE n.table_name = 'xero_syncs' AND n.column_name = t.column_name)
UNION ALL
SELECT format('%s.id has no primary key or unique index.', n.table_name) FROM needed n
 WHERE n.column_name = 'id' AND to_regclass('public.' || n.table_name) IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'id'
                    WHERE i.indrelid = to_regclass('public.' || n.table_name) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indkey::text = a.attnum::text)
UNION ALL
SELECT 'A constraint xero_syncs_payment_link_sync_type_unique exists, but not as UNIQUE (payment_link_id, sync_type). Drop or rename it.'
  FROM pg_constraint c WHERE c.conname = 'xero_syncs_payment_link_sync_type_unique' AND c.conrelid = to_regclass('public.xero_syncs')
   AND pg_get_constraintdef(c.oid) !~ '^UNIQUE (NULLS NOT DISTINCT )?\(payment_link_id, sync_type\)$'
UNION ALL
SELECT 'Something other than an index of xero_syncs is named xero_syncs_payment_link_sync_type_unique. Rename it.'
  FROM pg_class r WHERE r.oid = to_regclass('public.xero_syncs_payment_link_sync_type_unique')
   AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indexrelid = r.oid AND i.indrelid = to_regclass('public.xero_syncs'))
