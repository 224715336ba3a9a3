-- The shape that Prisma gave the host application's tables, before any of our columns. On an empty database we create
-- it; on a host's database the baseline is recorded instead of run.
CREATE TYPE "XeroSyncType" AS ENUM ('INVOICE', 'PAYMENT');
CREATE TYPE "XeroSyncStatus" AS ENUM ('PENDING', 'SUCCESS', 'FAILED', 'RETRYING');
CREATE TYPE "PaymentLinkStatus" AS ENUM ('DRAFT', 'OPEN', 'PAID_UNVERIFIED', 'REQUIRES_REVIEW', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'EXPIRED', 'CANCELED');
CREATE TYPE "PaymentMethod" AS ENUM ('STRIPE', 'HEDERA', 'WISE', 'CRYPTO', 'MANUAL');

CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  clerk_org_id varchar(255) NOT NULL UNIQUE,
  name varchar(255) NOT NULL,
  created_at timestamptz(6) NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE payment_links (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations(id) ON UPDATE CASCADE ON DELETE CASCADE,
  short_code varchar(8) NOT NULL UNIQUE,
  status "PaymentLinkStatus" NOT NULL DEFAULT 'DRAFT',
  payment_method "PaymentMethod",
  amount numeric(18,2) NOT NULL,
  currency char(3) NOT NULL,
  invoice_currency char(3) NOT NULL,
  description text NOT NULL,
  invoice_reference varchar(255),
  customer_email varchar(255),
  customer_name varchar(255),
  due_date timestamptz(6),
  created_at timestamptz(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamptz(6) NOT NULL
);

CREATE TABLE xero_syncs (
  id uuid PRIMARY KEY,
  payment_link_id uuid NOT NULL REFERENCES payment_links(id) ON UPDATE CASCADE ON DELETE CASCADE,
  sync_type "XeroSyncType" NOT NULL,
  status "XeroSyncStatus" NOT NULL,
  xero_invoice_id varchar(255),
  xero_payment_id varchar(255),
  request_payload jsonb NOT NULL,
  response_payload jsonb,
  error_message text,
  retry_count integer NOT NULL DEFAULT 0,
  next_retry_at timestamptz(6),
  created_at timestamptz(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamptz(6) NOT NULL
);
CREATE INDEX xero_syncs_status_next_retry_at_idx ON xero_syncs (status, next_retry_at);
