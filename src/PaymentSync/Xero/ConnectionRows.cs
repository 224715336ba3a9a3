using Npgsql;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>What a change of the connection means for the organisation's rows. Each runs inside the transaction of that change.</summary>
static class ConnectionRows
{
    const string StaysHeld = "paymentsync.stays_held(s.status, s.failure_code, s.released)";
    const string WaitsForConnection = $"'{FailureCodes.NoConnection}', '{FailureCodes.Unauthorised}', '{FailureCodes.Forbidden}'";

    /// <summary>
    /// Makes due what waited for a connection, oldest first, one slice each minute: a large backlog neither floods the queue nor keeps
    /// new payments waiting. Rows of one open request stay together, so that one look-up serves them all.
    /// </summary>
    /// <param name="slice">Rows that a minute's calls can carry.</param>
    /// <param name="onlyUnconnected">Leave what Xero itself refused: only rows that no connection served.</param>
    /// <returns>How many became due.</returns>
    public static async Task<int> WakeAsync(NpgsqlConnection database, Guid organisation, int slice, bool onlyUnconnected, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand($"""
            WITH waiting AS MATERIALIZED (
              SELECT s.id, coalesce(s.open_request_id, s.id) AS together, (row_number() OVER (ORDER BY s.created_at, s.payment_link_id, s.sync_type) - 1) / $2 AS slice
                FROM xero_syncs s
               WHERE s.organization_id = $1 AND s.status = 'FAILED' AND s.failure_code IN ({(onlyUnconnected ? $"'{FailureCodes.NoConnection}'" : WaitsForConnection)})
                 AND s.next_retry_at IS NULL),
            paced AS (SELECT w.id, min(w.slice) OVER (PARTITION BY w.together) AS slice FROM waiting w)
            UPDATE xero_syncs s SET next_retry_at = (SELECT paymentsync.now()) + p.slice * interval '1 minute', due_because = 'RESUME'
              FROM paced p
             WHERE s.id = p.id AND s.status = 'FAILED' AND s.failure_code IN ({WaitsForConnection})
            """, database);
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(slice);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// The organisation moves to another tenant. Rows whose document is, or may be, in the former one are held and say so; nobody's
    /// claim survives, so that no worker sends anything that it prepared for the former tenant.
    /// </summary>
    /// <returns>How many are held.</returns>
    public static async Task<int> HoldAsync(NpgsqlConnection database, Guid organisation, string formerTenant, string newTenant, CancellationToken cancellationToken)
    {
        // A row that is held for another reason stays so: resolved, it meets the same check when it is claimed.
        await using var hold = new NpgsqlCommand($"""
            WITH there AS (
              SELECT s.id, coalesce(s.tenant_id, i.tenant_id, $2) AS tenant
                FROM xero_syncs s LEFT JOIN xero_syncs i ON i.payment_link_id = s.payment_link_id AND i.sync_type = 'INVOICE'
               WHERE s.organization_id = $1 AND s.status <> 'SUCCESS' AND NOT {StaysHeld}
                 AND coalesce(s.xero_invoice_id, s.xero_payment_id, s.open_request_id::text, i.xero_invoice_id, i.open_request_id::text) IS NOT NULL),
            held AS (
              UPDATE xero_syncs s
                 SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = '{FailureCodes.TenantChanged}', error_message = $4, tenant_id = t.tenant,
                     next_retry_at = NULL, due_because = NULL, lease_owner = NULL, lease_expires_at = NULL
                FROM there t WHERE s.id = t.id AND s.status <> 'SUCCESS' AND t.tenant <> $3
              RETURNING s.id),
            taken AS (
              UPDATE xero_syncs s
                 SET status = CASE WHEN {StaysHeld} THEN 'FAILED'::"XeroSyncStatus" ELSE 'PENDING' END,
                     next_retry_at = CASE WHEN NOT {StaysHeld} THEN (SELECT paymentsync.now()) END,
                     due_because = CASE WHEN NOT {StaysHeld} THEN 'RESUME' END, lease_owner = NULL, lease_expires_at = NULL
               WHERE s.organization_id = $1 AND s.status = 'RETRYING' AND s.id NOT IN (SELECT t.id FROM there t WHERE t.tenant <> $3)
              RETURNING s.id),
            lost AS (
              INSERT INTO paymentsync.sync_attempts (sync_id, attempt, trigger, worker, stage, started_at, ended_at, outcome, message, request_id)
              SELECT s.id, s.attempt, 'RESUME', s.lease_owner, 'connection', s.updated_at, paymentsync.now(), 'LOST',
                     'The organisation was connected to another Xero tenant meanwhile.', s.open_request_id
                FROM xero_syncs s WHERE s.organization_id = $1 AND s.status = 'RETRYING'
              ON CONFLICT (sync_id, attempt) DO NOTHING)
            SELECT count(*)::int FROM held
            """, database);
        hold.Parameters.AddWithValue(organisation);
        hold.Parameters.AddWithValue(formerTenant);
        hold.Parameters.AddWithValue(newTenant);
        hold.Parameters.AddWithValue(
            "The organisation is connected to another Xero tenant than the one this sync's document is, or may be, in. "
            + "Connect the former one again and it goes on by itself, or resolve it.");
        return (int)(await hold.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>The former tenant is back: what was held for it is due, and is looked up first where a request is open.</summary>
    /// <returns>How many were released.</returns>
    public static async Task<int> ReleaseAsync(NpgsqlConnection database, Guid organisation, string tenant, CancellationToken cancellationToken)
    {
        await using var release = new NpgsqlCommand($"""
            UPDATE xero_syncs
               SET status = 'PENDING', released = released || '{FailureCodes.TenantChanged}'::text, next_retry_at = (SELECT paymentsync.now()), due_because = 'RESUME',
                   failure_kind = NULL, failure_code = NULL, error_message = NULL
             WHERE organization_id = $1 AND status = 'FAILED' AND failure_code = '{FailureCodes.TenantChanged}' AND tenant_id = $2
            """, database);
        release.Parameters.AddWithValue(organisation);
        release.Parameters.AddWithValue(tenant);
        var released = await release.ExecuteNonQueryAsync(cancellationToken);
        if (released == 0)
            return 0;
        // The code does not stay released: the next change of tenant holds these rows again.
        await using var forget = new NpgsqlCommand($"""
            UPDATE xero_syncs SET released = array_remove(released, '{FailureCodes.TenantChanged}')
             WHERE organization_id = $1 AND status = 'PENDING' AND '{FailureCodes.TenantChanged}' = ANY (released)
            """, database);
        forget.Parameters.AddWithValue(organisation);
        await forget.ExecuteNonQueryAsync(cancellationToken);
        return released;
    }
}
