namespace PaymentSync.Recovery;

/// <summary>Finds one kind. $1: <c>Recovery:Timeout</c>; $2: how many at most. Its columns are those of <see cref="Findings.Read"/>.</summary>
sealed record Scan(string Kind, string Sql);

/// <summary>
/// One statement for each kind of what must not be, in the order in which they are settled. Each reads an index that holds unfinished or
/// contradictory rows only, and reaches other tables by their keys (a LATERAL aggregate cannot become a join that reads them whole).
/// What already lies before a person is not found again.
/// </summary>
static class Scans
{
    const string Own = "(CASE s.sync_type WHEN 'INVOICE' THEN s.xero_invoice_id ELSE s.xero_payment_id END)";
    const string Now = "(SELECT paymentsync.now())";
    const string Resting = "s.status IN ('PENDING', 'FAILED') AND s.next_retry_at IS NULL";
    const string Held = "paymentsync.stays_held(s.status, s.failure_code, s.released)";
    const string NotHeld = $"NOT {Held}";
    const string GoneWorker = $"(s.status = 'RETRYING' AND s.lease_expires_at < {Now})";
    const string Unreadable = "(s.amount IS NULL OR s.currency IS NULL OR NOT paymentsync.document_is_readable(s.sync_type, s.request_payload))";
    const string Built = "s.document_number IS NOT NULL";

    static Scan Syncs(string kind, string where, string with = "", string known = "NULL::text") => new(kind, $"""
        SELECT 'sync:' || s.id, s.id, s.payment_link_id, NULL::uuid, s.organization_id, s.sync_type::text, s.status::text, s.failure_code, s.attempt, s.updated_at, s.open_request_id,
               {Own}, s.tenant_id IS NOT NULL, t.tries, t.first_ago, {known}, {Held}
          FROM xero_syncs s {with}
          CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE i.created_at > {Now} - $1)::int AS tries,
                   {Now} - min(i.created_at) FILTER (WHERE i.created_at > coalesce((SELECT max(a.ended_at) FROM paymentsync.sync_attempts a WHERE a.sync_id = s.id AND a.outcome <> 'LOST'), '-infinity')) AS first_ago
              FROM paymentsync.recovery_items i WHERE i.sync_id = s.id AND i.kind = '{kind}' AND i.decision = 'RESUME') t
         WHERE {where} AND {NobodyHas(kind, "'sync:' || s.id")}
         LIMIT $2
        """);

    static string NobodyHas(string kind, string subject) => $"NOT EXISTS (SELECT 1 FROM paymentsync.recovery_items known WHERE known.kind = '{kind}' AND known.subject = {subject} AND known.status = 'OPEN')";

    static Scan Others(string kind, string subject, string from, string link = "NULL::uuid", string @event = "NULL::uuid", string organisation = "NULL::uuid", string tries = "0") => new(kind, $"""
        SELECT {subject}, NULL::uuid, {link}, {@event}, {organisation}, NULL::text, NULL::text, NULL::text, 0, {Now}, NULL::uuid, NULL::text, false, {tries}, $1::interval - $1::interval, NULL::text, false
          FROM {from} AND {NobodyHas(kind, subject)}
         LIMIT $2
        """);

    public static readonly IReadOnlyList<Scan> All =
    [
        Others(Kinds.RunUnfinished, "'report:' || r.id", $"paymentsync.recovery_reports r WHERE r.ended_at IS NULL AND r.started_at < {Now} - interval '10 minutes'"),
        Syncs(Kinds.DocumentMissing, $"s.status <> 'SUCCESS' AND s.document_number IS NULL AND (s.next_retry_at IS NOT NULL OR (s.status = 'PENDING' AND s.failure_code IS NULL) OR ({GoneWorker} AND {NotHeld}))"),
        Syncs(Kinds.DocumentUnreadable, $"s.status <> 'SUCCESS' AND {Built} AND {Unreadable} AND {NotHeld} AND (s.status <> 'RETRYING' OR {GoneWorker})"),
        Syncs(Kinds.LeaseExpired, GoneWorker),
        Others(Kinds.RequestUnfinished, "'request:' || r.id", $"""
            paymentsync.requests r CROSS JOIN LATERAL (
              SELECT count(*) AS held FROM unnest(r.members) m (id) JOIN xero_syncs s ON s.id = m.id AND s.open_request_id = r.id AND s.status = 'RETRYING' AND s.lease_expires_at >= {Now}) w
             WHERE r.completed_at IS NULL AND r.sent_at < {Now} - interval '1 minute' AND r.absent_counts_from < {Now} AND w.held = 0
            """, organisation: "r.organization_id"),
        Syncs(Kinds.JournalAhead, $"s.open_request_id IS NOT NULL AND s.status IN ('PENDING', 'FAILED') AND {NotHeld} AND {Built} AND q.answered AND t.tries = 0", $"""
            CROSS JOIN LATERAL (
              SELECT count(*) > 0 AS answered FROM paymentsync.requests r
               WHERE r.id = s.open_request_id AND r.outcome = 'ANSWERED' AND r.answer IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM paymentsync.sync_attempts a WHERE a.sync_id = s.id AND a.request_id = r.id AND a.outcome <> 'LOST')) q
            """),
        Syncs(Kinds.RequestMissing, "s.open_request_id IS NOT NULL AND s.status IN ('PENDING', 'FAILED') AND q.entries = 0",
            "CROSS JOIN LATERAL (SELECT count(*) AS entries FROM paymentsync.requests r WHERE r.id = s.open_request_id) q"),
        // The adoption lists these, too; and a person may have found that there is nothing to adopt.
        Syncs(Kinds.SuccessWithoutId, $"s.status = 'SUCCESS' AND {Own} IS NULL AND NOT EXISTS (SELECT 1 FROM paymentsync.recovery_items d WHERE d.subject = 'sync:' || s.id AND d.kind IN ('{Kinds.SuccessWithoutId}', '{Kinds.AdoptedWithoutId}') AND (d.status = 'OPEN' OR d.resolution = 'settledElsewhere'))"),
        Syncs(Kinds.InvoiceBehindPayment, $"s.status <> 'SUCCESS' AND s.status IN ('PENDING', 'FAILED') AND s.sync_type = 'INVOICE' AND s.xero_invoice_id IS NULL AND {NotHeld} AND p.done > 0", """
            CROSS JOIN LATERAL (SELECT count(*) AS done, max(x.response_payload ->> 'invoiceId') AS invoice FROM xero_syncs x
              WHERE x.payment_link_id = s.payment_link_id AND x.sync_type = 'PAYMENT' AND x.status = 'SUCCESS') p
            """, known: "p.invoice"),
        Syncs(Kinds.IdWithoutSuccess, $"{Resting} AND (s.xero_invoice_id IS NOT NULL OR s.xero_payment_id IS NOT NULL) AND {Own} IS NOT NULL AND s.failure_kind IS DISTINCT FROM 'NEEDS_ACTION' AND s.failure_code IS DISTINCT FROM 'waiting.invoice' AND {NotHeld} AND {Built}"),
        Syncs(Kinds.PaymentWaitsNeedlessly, $"{Resting} AND s.failure_kind IS NULL AND s.failure_code = 'waiting.invoice' AND s.sync_type = 'PAYMENT' AND {Built} AND i.done > 0",
            "CROSS JOIN LATERAL (SELECT count(*) AS done FROM xero_syncs x WHERE x.payment_link_id = s.payment_link_id AND x.sync_type = 'INVOICE' AND x.status = 'SUCCESS') i"),
        Syncs(Kinds.ConnectionIsBack, $"s.status = 'FAILED' AND s.status <> 'SUCCESS' AND s.failure_code = 'xero.no_connection' AND s.next_retry_at IS NULL AND {Built} AND c.status = 'ACTIVE'",
            "JOIN paymentsync.connections c ON c.organization_id = s.organization_id"),
        Syncs(Kinds.NotDue, $"{Resting} AND s.failure_kind IS NULL AND s.failure_code IS NULL AND {Built}"),
        Syncs(Kinds.NotDue, $"{Resting} AND s.failure_kind = 'UNCERTAIN' AND {NotHeld} AND {Built}"),
        Syncs(Kinds.NotDue, $"{Resting} AND s.failure_kind = 'TRANSIENT' AND s.retry_count < {XeroSyncs.BackOff.MaxRetries} AND {NotHeld} AND {Built}"),
        Syncs(Kinds.NotDue, $"{Resting} AND s.open_request_id IS NOT NULL AND s.failure_kind IS DISTINCT FROM 'NEEDS_ACTION' AND {NotHeld} AND {Built}"),
        Syncs(Kinds.NotDue, $"{Resting} AND s.due_because IS NOT NULL AND s.failure_code IS DISTINCT FROM 'waiting.invoice' AND {NotHeld} AND {Built}"),
        LinkKnown("l.id", """
            paymentsync.events e JOIN payment_links l ON l.id = CASE WHEN e.link_reference ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN e.link_reference::uuid END
            """),
        LinkKnown("p.payment_link_id", "paymentsync.events e JOIN paymentsync.payment_link_settings p ON p.stripe_payment_link = e.stripe_payment_link"),
        // Whoever cancels later than this after the payment has other things to look at; a link is found once, whatever was decided then.
        Others(Kinds.CancelledAfterInvoice, "'link:' || l.id", $"""
            payment_links l CROSS JOIN LATERAL (
              SELECT count(*) AS booked FROM xero_syncs s WHERE s.payment_link_id = l.id AND s.sync_type = 'INVOICE' AND s.xero_invoice_id IS NOT NULL
                 AND s.status <> 'RETRYING' AND NOT ('link.cancelled' = ANY (s.released))) i
             WHERE l.status = 'CANCELED' AND l.updated_at > {Now} - interval '30 days' AND i.booked > 0
               AND NOT EXISTS (SELECT 1 FROM paymentsync.recovery_items x WHERE x.subject = 'link:' || l.id AND x.kind = '{Kinds.CancelledAfterInvoice}')
            """, link: "l.id", organisation: "l.organization_id"),
        Others(Kinds.DrainLeaseExpired, "'drain:' || d.organization_id", $"paymentsync.drain_leases d WHERE d.expires_at < {Now}", organisation: "d.organization_id"),
        Others(Kinds.CallSlotAbandoned, "'call_slot:' || c.id", $"paymentsync.call_slots c WHERE c.answered_at IS NULL AND c.frees_at < {Now}"),
        Others(Kinds.OAuthStateExpired, "'oauth_state:' || encode(o.state_sha256, 'hex')", $"paymentsync.oauth_states o WHERE o.expires_at < {Now}", organisation: "o.organization_id"),
    ];

    static Scan LinkKnown(string link, string from) => Others(Kinds.LinkKnown, "'event:' || e.id", $"{from} WHERE e.status = 'UNMATCHED' AND e.run_key IS NOT NULL AND e.fact IS NOT NULL AND e.provider_payment_id IS NOT NULL",
        link, "e.id", tries: $"(SELECT count(*)::int FROM paymentsync.recovery_items i WHERE i.subject = 'event:' || e.id AND i.kind = '{Kinds.LinkKnown}' AND i.created_at > {Now} - $1)");
}
