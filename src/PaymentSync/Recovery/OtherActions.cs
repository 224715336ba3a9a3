using System.Diagnostics;
using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.Recovery;

/// <summary>What recovery does to everything that is no row of xero_syncs. Each returns the subjects that it changed.</summary>
static class OtherActions
{
    /// <summary>The ordinary road once more. Each event alone: one that fails must not keep the others waiting.</summary>
    /// <returns>The organisations whose rows were queued, by event.</returns>
    public static async Task<Dictionary<string, Guid?>> HearAgainAsync(NpgsqlConnection database, IReadOnlyCollection<Finding> found, CancellationToken cancellationToken)
    {
        var heard = new Dictionary<string, Guid?>(StringComparer.Ordinal);
        foreach (var waits in found)
        {
            await using var command = new NpgsqlCommand("SELECT outcome, organization FROM paymentsync.hear_again($1)", database);
            command.Parameters.AddWithValue(waits.EventId!.Value);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            if (await reader.ReadAsync(cancellationToken) && !await reader.IsDBNullAsync(0, cancellationToken))
                heard[waits.Subject] = reader.NullableValue<Guid>(1);
        }
        return heard;
    }

    public static Task<HashSet<string>> CleanUpAsync(NpgsqlTransaction transaction, string kind, IReadOnlyCollection<Finding> found, CancellationToken cancellationToken) => ChangeAsync(transaction, found, kind switch
    {
        Kinds.RequestUnfinished => "UPDATE paymentsync.requests r SET completed_at = paymentsync.now(), outcome = 'UNKNOWN' WHERE r.id::text = ANY ($1) AND r.completed_at IS NULL RETURNING 'request:' || r.id",
        Kinds.RunUnfinished => """
            UPDATE paymentsync.recovery_reports r
               SET ended_at = greatest(paymentsync.now(), r.started_at), done = t.done, left_to_a_person = t.review, found = t.done + t.review
              FROM (SELECT x.id, (SELECT count(*) FROM paymentsync.recovery_items i WHERE i.report_id = x.id AND i.decision <> 'MANUAL_REVIEW') AS done,
                           (SELECT count(*) FROM paymentsync.recovery_items i WHERE i.report_id = x.id AND i.decision = 'MANUAL_REVIEW') AS review
                      FROM paymentsync.recovery_reports x WHERE x.id::text = ANY ($1)) t
             WHERE r.id = t.id AND r.ended_at IS NULL RETURNING 'report:' || r.id
            """,
        Kinds.DrainLeaseExpired => "DELETE FROM paymentsync.drain_leases d WHERE d.organization_id::text = ANY ($1) AND d.expires_at < (SELECT paymentsync.now()) RETURNING 'drain:' || d.organization_id",
        Kinds.CallSlotAbandoned => "DELETE FROM paymentsync.call_slots c WHERE c.id::text = ANY ($1) AND c.answered_at IS NULL AND c.frees_at < (SELECT paymentsync.now()) RETURNING 'call_slot:' || c.id",
        Kinds.OAuthStateExpired => "DELETE FROM paymentsync.oauth_states o WHERE encode(o.state_sha256, 'hex') = ANY ($1) AND o.expires_at < (SELECT paymentsync.now()) RETURNING 'oauth_state:' || encode(o.state_sha256, 'hex')",
        _ => throw new UnreachableException(kind),
    }, cancellationToken);

    static async Task<HashSet<string>> ChangeAsync(NpgsqlTransaction transaction, IReadOnlyCollection<Finding> found, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, transaction.Connection, transaction);
        command.Parameters.AddWithValue(found.Select(one => one.Subject[(one.Subject.IndexOf(':', StringComparison.Ordinal) + 1)..]).ToArray());
        var changed = new HashSet<string>(StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            changed.Add(reader.GetString(0));
        return changed;
    }
}
