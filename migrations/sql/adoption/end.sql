-- The rules of the clean-up give way to those for good, in one transaction with 05_xero_syncs_guards.sql.
DROP TRIGGER IF EXISTS paymentsync_meanwhile_insert ON xero_syncs;
DROP TRIGGER IF EXISTS paymentsync_meanwhile_update ON xero_syncs;
DROP TRIGGER IF EXISTS paymentsync_meanwhile_delete ON xero_syncs;
DROP FUNCTION IF EXISTS paymentsync.meanwhile_insert();
DROP FUNCTION IF EXISTS paymentsync.meanwhile_update();
DROP FUNCTION IF EXISTS paymentsync.meanwhile_delete();
DROP FUNCTION IF EXISTS paymentsync.meanwhile_count(text);
DROP FUNCTION IF EXISTS paymentsync.add_tally(jsonb, jsonb);
