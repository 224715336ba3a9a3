namespace PaymentSync.Retention;

/// <summary>One kind of rows that are deleted when they are over and old.</summary>
/// <param name="What">Plural, as it is counted in the result, the log and the metric.</param>
/// <param name="Sql">
/// One page, oldest first: $1 how long they are kept, $2 how many to look at. Returns how many were looked at and how many deleted. Where some old rows
/// are kept, $3 and $4 are the time and id to begin behind, and the last one's are returned, so that kept rows never hide others.
/// </param>
/// <param name="First">The id before all ids; null: no old row is kept.</param>
sealed record Purge(string What, Func<RetentionOptions, TimeSpan> Keep, string Sql, string? First)
{
    const string FirstUuid = "00000000-0000-0000-0000-000000000000";

    /// <summary>In this order: a report goes after its items.</summary>
    public static IReadOnlyList<Purge> All { get; } =
    [
        new("superseded and ignored events", options => options.SupersededEvents,
            Events("status = 'SUPERSEDED' OR (status = 'IGNORED' AND NOT starts_with(coalesce(reason, ''), 'resolved.'))"), FirstUuid),
        new("completed events", options => options.CompletedEvents,
            Events("status = 'COMPLETED' OR (status = 'IGNORED' AND starts_with(coalesce(reason, ''), 'resolved.'))"), FirstUuid),
        new("requests", options => options.Journal, """
            WITH page AS MATERIALIZED (
              SELECT q.sent_at AS at, q.id, q.members FROM paymentsync.requests q
               WHERE q.sent_at < (SELECT paymentsync.now()) - $1 AND (q.sent_at, q.id) > ($3, $4::uuid)
               ORDER BY q.sent_at, q.id LIMIT $2 FOR UPDATE SKIP LOCKED),
            over AS (
              SELECT p.id FROM page p
               WHERE NOT EXISTS (SELECT 1 FROM unnest(p.members) m JOIN public.xero_syncs s ON s.id = m WHERE paymentsync.sync_is_needed(s))
                 AND NOT EXISTS (SELECT 1 FROM unnest(p.members) m JOIN paymentsync.recovery_items i ON i.sync_id = m WHERE i.status = 'OPEN')),
            gone AS (DELETE FROM paymentsync.requests q WHERE q.id = ANY (ARRAY(SELECT o.id FROM over o)) RETURNING 1)
            """ + Counts, FirstUuid),
        new("attempts", options => options.Journal, """
            WITH page AS MATERIALIZED (
              SELECT a.ended_at AS at, a.id, a.sync_id FROM paymentsync.sync_attempts a
               WHERE a.ended_at < (SELECT paymentsync.now()) - $1 AND (a.ended_at, a.id) > ($3, $4::bigint)
               ORDER BY a.ended_at, a.id LIMIT $2 FOR UPDATE SKIP LOCKED),
            over AS (
              SELECT p.id FROM page p
               WHERE NOT EXISTS (SELECT 1 FROM public.xero_syncs s WHERE s.id = p.sync_id AND paymentsync.sync_is_needed(s))
                 AND NOT EXISTS (SELECT 1 FROM paymentsync.recovery_items i WHERE i.sync_id = p.sync_id AND i.status = 'OPEN')),
            gone AS (DELETE FROM paymentsync.sync_attempts a WHERE a.id = ANY (ARRAY(SELECT o.id FROM over o)) RETURNING 1)
            """ + Counts, "0"),
        new("recovery items", options => options.Reports, """
            WITH page AS MATERIALIZED (
              SELECT i.created_at AS at, i.id, i.status, i.resolved_at, i.resolution FROM paymentsync.recovery_items i
               WHERE i.created_at < (SELECT paymentsync.now()) - $1 AND (i.created_at, i.id) > ($3, $4::uuid)
               ORDER BY i.created_at, i.id LIMIT $2 FOR UPDATE SKIP LOCKED),
            over AS (
              SELECT p.id FROM page p
               -- That nothing is to be booked is said nowhere else; without it the same would be found again.
               WHERE p.status = 'DONE' OR (p.resolved_at < (SELECT paymentsync.now()) - $1 AND p.resolution IS DISTINCT FROM 'settledElsewhere')),
            gone AS (DELETE FROM paymentsync.recovery_items i WHERE i.id = ANY (ARRAY(SELECT o.id FROM over o)) RETURNING 1)
            """ + Counts, FirstUuid),
        new("recovery reports", options => options.Reports, """
            WITH page AS MATERIALIZED (
              SELECT r.started_at AS at, r.id FROM paymentsync.recovery_reports r
               WHERE r.started_at < (SELECT paymentsync.now()) - $1 AND (r.started_at, r.id) > ($3, $4::uuid)
               ORDER BY r.started_at, r.id LIMIT $2 FOR UPDATE SKIP LOCKED),
            over AS (
              SELECT p.id FROM page p
               WHERE NOT EXISTS (SELECT 1 FROM paymentsync.recovery_items i WHERE i.report_id = p.id)),
            gone AS (DELETE FROM paymentsync.recovery_reports r WHERE r.id = ANY (ARRAY(SELECT o.id FROM over o)) RETURNING 1)
            """ + Counts, FirstUuid),
        // The overview counts what is booked from them, so what they say of the past is added up and not forgotten.
        new("totals", options => options.Totals, """
            WITH page AS MATERIALIZED (
              SELECT t.ctid AS place FROM paymentsync.sync_totals t
               WHERE t.hour > 'epoch' AND t.hour < (SELECT paymentsync.now()) - $1 ORDER BY t.hour LIMIT $2 FOR UPDATE SKIP LOCKED),
            gone AS (
              DELETE FROM paymentsync.sync_totals t WHERE t.ctid = ANY (ARRAY(SELECT p.place FROM page p)) RETURNING t.organization_id, t.sync_type, t.status, t.syncs),
            added AS (
              INSERT INTO paymentsync.sync_totals AS t (organization_id, hour, sync_type, status, syncs)
              SELECT g.organization_id, 'epoch', g.sync_type, g.status, sum(g.syncs)::bigint FROM gone g GROUP BY g.organization_id, g.sync_type, g.status
              ON CONFLICT (organization_id, hour, sync_type, status) DO UPDATE SET syncs = t.syncs + excluded.syncs)
            SELECT (SELECT count(*)::int FROM page), (SELECT count(*)::int FROM gone)
            """, First: null),
        new("counts of a host's writes", options => options.Totals, AllOf("paymentsync.host_writes", "day"), First: null),
        // The budget looks back 25 hours, and its slots are free a minute after their answer.
        new("hours of calls", _ => TimeSpan.FromDays(2), AllOf("paymentsync.call_hours", "hour"), First: null),
        new("slots of calls", _ => TimeSpan.FromHours(1), AllOf("paymentsync.call_slots", "frees_at"), First: null),
    ];

    const string Counts = """

        SELECT (SELECT count(*)::int FROM page), (SELECT count(*)::int FROM gone), p.at, p.id::text FROM page p ORDER BY p.at DESC, p.id DESC LIMIT 1
        """;

    static string Events(string kind) => $"""
        WITH page AS MATERIALIZED (
          SELECT e.updated_at AS at, e.id, e.payment_link_id FROM paymentsync.events e
           WHERE ({kind}) AND e.updated_at < (SELECT paymentsync.now()) - $1 AND (e.updated_at, e.id) > ($3, $4::uuid)
           ORDER BY e.updated_at, e.id LIMIT $2 FOR UPDATE SKIP LOCKED),
        over AS (
          SELECT p.id FROM page p
           WHERE NOT EXISTS (SELECT 1 FROM public.xero_syncs s WHERE s.payment_link_id = p.payment_link_id AND paymentsync.sync_is_needed(s))
             AND NOT EXISTS (SELECT 1 FROM paymentsync.recovery_items i WHERE i.event_id = p.id AND i.status = 'OPEN')
             AND NOT EXISTS (SELECT 1 FROM paymentsync.recovery_items i WHERE i.payment_link_id = p.payment_link_id AND i.status = 'OPEN')),
        gone AS (DELETE FROM paymentsync.events e WHERE e.id = ANY (ARRAY(SELECT o.id FROM over o)) RETURNING 1)
        """ + Counts;

    /// <summary>Of a table of which nothing old is kept, found and deleted by place.</summary>
    static string AllOf(string table, string at) => $"""
        WITH page AS MATERIALIZED (
          SELECT t.ctid AS place FROM {table} t WHERE t.{at} < (SELECT paymentsync.now()) - $1 ORDER BY t.{at} LIMIT $2 FOR UPDATE SKIP LOCKED),
        gone AS (DELETE FROM {table} t WHERE t.ctid = ANY (ARRAY(SELECT p.place FROM page p)) RETURNING 1)
        SELECT (SELECT count(*)::int FROM page), (SELECT count(*)::int FROM gone)
        """;
}
