-- What is told to Xero about a payment: the words, the contact's name and the two documents, built from the link and the settings as they are now.

-- Character classes like \s and [:cntrl:] mean what the database's locale says; these sets mean the same everywhere.
CREATE FUNCTION paymentsync.one_line(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT btrim(regexp_replace(regexp_replace(normalize(coalesce(words, '')),
    '[\u00AD\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF\uFFF9-\uFFFB\uFFFE\uFFFF]', '', 'g'),
    '[\u0001-\u0020\u007F-\u00A0\u115F\u1160\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u2800\u3000\u3164\uFFA0]+', ' ', 'g'), E' \u200C\u200D')
$$;
COMMENT ON FUNCTION paymentsync.one_line(text) IS
  'Composed (NFC), without controls and what only turns or hides text; everything that looks like white space is one space, none at the edges. Joiners stay inside: emoji and several scripts need them.';

CREATE FUNCTION paymentsync.lines(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT btrim(regexp_replace(regexp_replace(normalize(coalesce(words, '')),
    '\u000D\u000A?|[\u0085\u2028\u2029]', E'\n', 'g'), '[\u0001-\u0009\u000B-\u001F\u007F-\u009F\uFFFE\uFFFF]', ' ', 'g'), E' \n')
$$;
COMMENT ON FUNCTION paymentsync.lines(text) IS 'Composed (NFC) text whose only control character is the line feed: XML, which Xero keeps documents as, knows no other.';

CREATE FUNCTION paymentsync.utf16_length(words text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT length(words) + length(regexp_replace(words, '[^\U00010000-\U0010FFFF]', '', 'g')) $$;
COMMENT ON FUNCTION paymentsync.utf16_length(text) IS 'Characters as Xero counts them: an emoji is two.';

CREATE FUNCTION paymentsync.belongs_together(head text, next text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT next ~ '^[\u0300-\u036F\u0483-\u0489\u0591-\u05C7\u0610-\u061A\u064B-\u065F\u0670\u06D6-\u06ED\u0900-\u0903\u093A-\u094F\u0E31\u0E33-\u0E3A\u0E47-\u0E4E\u0EB1\u0EB3-\u0EBC\u0EC8-\u0ECE\u1AB0-\u1AFF\u1DC0-\u1DFF\u200C\u200D\u20D0-\u20F0\u3099\u309A\uFE00-\uFE0F\uFE20-\uFE2F\U0001F3FB-\U0001F3FF\U000E0020-\U000E007F]'
      OR head ~ '\u200D$'
      OR (next ~ '^[\U0001F1E6-\U0001F1FF]' AND length(substring(head FROM '[\U0001F1E6-\U0001F1FF]*$')) % 2 = 1)
$$;
COMMENT ON FUNCTION paymentsync.belongs_together(text, text) IS 'Whether a cut between the two would split what a reader sees as one: a letter from its marks, a flag, a family.';

CREATE FUNCTION paymentsync.cut(words text, units integer) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  kept text := left(words, units);
  over integer;
  whole integer;
BEGIN
  IF octet_length(words) <= units THEN
    RETURN words;
  END IF;
  LOOP
    over := paymentsync.utf16_length(kept) - units;
    EXIT WHEN over <= 0;
    kept := left(kept, -((over + 1) / 2));
  END LOOP;
  whole := length(kept);
  WHILE whole > 0 AND whole < length(words) AND paymentsync.belongs_together(left(kept, whole), substr(words, whole + 1, 1)) LOOP
    whole := whole - 1;
  END LOOP;
  RETURN btrim(CASE WHEN whole > 0 THEN left(kept, whole) ELSE kept END);
END $$;
COMMENT ON FUNCTION paymentsync.cut(text, integer) IS 'At most that many of Xero''s characters, never half of what a reader sees as one.';

CREATE FUNCTION paymentsync.shortened(words text, units integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN paymentsync.utf16_length(words) <= units THEN words
    ELSE paymentsync.cut(words, units - 9) || '~' || left(encode(sha256(convert_to(words, 'UTF8')), 'hex'), 8) END
$$;
COMMENT ON FUNCTION paymentsync.shortened(text, integer) IS 'Cut, and marked by a hash of the whole: two that differ only at their ends stay two.';

CREATE FUNCTION paymentsync.contact_name(customer_name text, customer_email text, shared text, policy text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN policy = 'Shared' THEN shared
    WHEN cleaned.name <> '' AND cleaned.email <> '' THEN paymentsync.cut(cleaned.name, 255 - paymentsync.utf16_length(cleaned.email) - 3) || ' (' || cleaned.email || ')'
    WHEN cleaned.email <> '' THEN cleaned.email
    WHEN cleaned.name <> '' THEN paymentsync.shortened(cleaned.name, 255)
    ELSE shared
  END
  FROM (SELECT paymentsync.one_line(translate(customer_name, '<>', '  ')) AS name,
               paymentsync.shortened(replace(paymentsync.one_line(translate(customer_email, '<>', '  ')), ' ', ''), 200) AS email OFFSET 0) cleaned
$$;
COMMENT ON FUNCTION paymentsync.contact_name(text, text, text, text) IS
  'The only contact field ever sent: Xero matches the active contact of that exact name or creates one; any further field would overwrite a person''s edits. No angle brackets, no doubled or edge spaces, at most 255 characters.';

CREATE TABLE paymentsync.contacts (
  organization_id uuid NOT NULL,
  key text NOT NULL,
  name text NOT NULL,
  PRIMARY KEY (organization_id, key)
);
COMMENT ON TABLE paymentsync.contacts IS 'How each customer''s name was spelt the first time: later payments use the same spelling, so that "ann lee" does not become a second contact beside "Ann Lee".';
COMMENT ON COLUMN paymentsync.contacts.key IS 'The name in lower case, without joiners and variation selectors.';

CREATE FUNCTION paymentsync.contact_key(contact text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT normalize(lower(regexp_replace(contact, '[\u200C\u200D\uFE00-\uFE0F]', '', 'g'))) $$;

CREATE FUNCTION paymentsync.know_contact(link uuid) RETURNS void LANGUAGE sql AS $$
  INSERT INTO paymentsync.contacts (organization_id, key, name)
  SELECT l.organization_id, paymentsync.contact_key(named.contact), named.contact
    FROM public.payment_links l
    JOIN paymentsync.organization_settings o ON o.organization_id = l.organization_id
    CROSS JOIN LATERAL (SELECT paymentsync.contact_name(l.customer_name, l.customer_email, o.shared_contact, o.contacts) AS contact OFFSET 0) named
   WHERE l.id = link AND named.contact <> o.shared_contact
  ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION paymentsync.know_contact(uuid) IS
  'Remembers how the link''s customer is spelt, unless that is known. Comes before documents() in a statement of its own: of two payments at once the second waits here and then sees the spelling of the first.';

CREATE FUNCTION paymentsync.documents(link uuid, of_provider text, payment text, paid numeric, paid_currency text, occurred timestamptz)
RETURNS TABLE (sync_type "XeroSyncType", document_number text, payload jsonb, hold text, message text) LANGUAGE sql STABLE AS $$
  WITH known AS (
    SELECT l.*, o.organization_id AS has_settings, o.sales_account_code, o.tax_type, o.line_amount_types, o.invoice_prefix, o.amount_policy,
           o.clearing_accounts #>> ARRAY[of_provider, paid_currency] AS clearing_account,
           o.lock_date_policy,
           (occurred AT TIME ZONE coalesce(o.time_zone, 'UTC'))::date AS day,
           coalesce(c.name, named.contact) AS contact,
           paid::numeric(18,2)::text AS money
      FROM public.payment_links l LEFT JOIN paymentsync.organization_settings o ON o.organization_id = l.organization_id
      CROSS JOIN LATERAL (SELECT paymentsync.contact_name(l.customer_name, l.customer_email, o.shared_contact, o.contacts) AS contact OFFSET 0) named
      LEFT JOIN paymentsync.contacts c ON c.organization_id = l.organization_id AND c.key = paymentsync.contact_key(named.contact) AND named.contact <> o.shared_contact
     WHERE l.id = link
  ), judged AS (
    SELECT known.*, CASE
        WHEN has_settings IS NULL THEN 'settings.missing'
        WHEN coalesce(clearing_account, '') = '' THEN 'settings.clearing_account_missing'
        WHEN paid_currency <> invoice_currency THEN 'payment.currency_mismatch'
        WHEN amount_policy = 'MustEqualLink' AND (paid, paid_currency) <> (amount, currency::text) THEN 'payment.amount_mismatch'
      END AS hold
      FROM known
  ), told AS (
    SELECT judged.*, hold LIKE 'settings.%' IS NOT TRUE AS complete, CASE hold
        WHEN 'settings.missing' THEN 'The organisation has no booking settings. PUT /api/organizations/' || organization_id || ' with its accounts; the sync then goes on by itself.'
        WHEN 'settings.clearing_account_missing' THEN format('No clearing account is set for %s in %s. Add booking.clearingAccounts.%s.%s to the organisation; the sync then goes on by itself.', of_provider, paid_currency, of_provider, paid_currency)
        WHEN 'payment.currency_mismatch' THEN format('The customer paid %s %s, but the link is invoiced in %s. Resolve it: book as charged, or refund the customer and mark it failed.', money, paid_currency, invoice_currency)
        WHEN 'payment.amount_mismatch' THEN format('The customer paid %s %s, but the link asks for %s %s. Resolve it: book as charged, or refund the customer and mark it failed.', money, paid_currency, amount, currency)
      END AS message
      FROM judged
  )
  SELECT 'INVOICE'::"XeroSyncType", CASE WHEN complete THEN invoice_prefix || short_code END,
         CASE WHEN complete THEN jsonb_build_object('number', invoice_prefix || short_code, 'reference', paymentsync.cut(paymentsync.one_line(invoice_reference), 255), 'date', day, 'contact', contact, 'currency', paid_currency,
           'lineAmountTypes', line_amount_types, 'lockDatePolicy', lock_date_policy, 'total', money,
           'lines', jsonb_build_array(jsonb_build_object('description', coalesce(nullif(paymentsync.cut(paymentsync.lines(description), 4000), ''), 'Payment ' || payment), 'quantity', '1',
             'unitAmount', money, 'accountCode', sales_account_code, 'taxType', tax_type)))
         ELSE jsonb_build_object('occurredAt', occurred) END, hold, message FROM told
  UNION ALL
  SELECT 'PAYMENT', CASE WHEN complete THEN payment END,
         CASE WHEN complete THEN jsonb_build_object('reference', payment, 'date', day, 'accountCode', clearing_account, 'amount', money, 'currency', paid_currency, 'lockDatePolicy', lock_date_policy)
         ELSE jsonb_build_object('occurredAt', occurred) END, NULL, NULL FROM told
$$;
COMMENT ON FUNCTION paymentsync.documents(uuid, text, text, numeric, text, timestamptz) IS
  'The two documents of a payment, built once from the link and its organisation''s settings as they are now, and what holds them back. Money is text in major units; dates are the organisation''s calendar days.';
