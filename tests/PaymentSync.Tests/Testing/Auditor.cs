using System.Globalization;
using System.Text.Json.Nodes;
using PaymentSync.Database;
using Shouldly;

namespace PaymentSync.Tests.Testing;

/// <summary>
/// Checks the promise against the two ledgers that matter: our rows, and what an accountant sees in Xero. Runs at the end of every
/// scenario.
/// </summary>
sealed class Auditor(World world)
{
    /// <summary>Live documents in Xero that people made, not we: the auditor leaves them out of its sums.</summary>
    public HashSet<string> MadeByPeople { get; } = new(StringComparer.Ordinal);

    public async Task CheckAsync()
    {
        var problems = new List<string>();
        await CheckRowsAsync(problems);
        await CheckJournalAsync(problems);
        await CheckLedgersAsync(problems);
        await CheckLimitsAsync(problems);
        problems.ShouldBeEmpty();
    }

    async Task CheckRowsAsync(List<string> problems)
    {
        problems.AddRange(await world.Database.QueryAsync("""
            SELECT format('%s rows for (%s, %s)', count(*), payment_link_id, sync_type) FROM xero_syncs GROUP BY payment_link_id, sync_type HAVING count(*) > 1
            UNION ALL SELECT format('%s is SUCCESS without an id', id) FROM xero_syncs WHERE status = 'SUCCESS' AND CASE sync_type WHEN 'INVOICE' THEN xero_invoice_id ELSE xero_payment_id END IS NULL
            UNION ALL SELECT format('%s is %s and invisible: no reason and no next action', id, status) FROM xero_syncs WHERE status IN ('PENDING', 'FAILED') AND next_retry_at IS NULL AND failure_code IS NULL
            UNION ALL SELECT format('%s is FAILED without a sentence', id) FROM xero_syncs WHERE status = 'FAILED' AND coalesce(error_message, '') = ''
            UNION ALL SELECT format('payment %s was claimed, but link %s has %s rows of it', e.provider_payment_id, e.payment_link_id, count(s.id))
              FROM paymentsync.events e LEFT JOIN xero_syncs s ON s.payment_link_id = e.payment_link_id AND s.provider_payment_id = e.provider_payment_id
             WHERE e.status = 'COMPLETED' AND e.fact = 'paid' AND e.amount > 0 GROUP BY e.id, e.provider_payment_id, e.payment_link_id HAVING count(s.id) <> 2
            """, reader => reader.GetString(0)));
    }

    /// <summary>No new request for a row whose earlier one may have happened, before a completed look-up said that it did not.</summary>
    async Task CheckJournalAsync(List<string> problems) => problems.AddRange(await world.Database.QueryAsync("""
        WITH sent AS (
          SELECT m AS sync_id, q.id, q.sent_at, q.outcome, lag(q.id) OVER w AS before, lag(q.outcome) OVER w AS before_outcome, lag(q.sent_at) OVER w AS before_at
            FROM paymentsync.requests q CROSS JOIN unnest(q.members) m WINDOW w AS (PARTITION BY m ORDER BY q.sent_at, q.id))
        SELECT format('sync %s was sent again in %s, although nobody had looked for what %s brought', sync_id, id, before) FROM sent
         WHERE before IS NOT NULL AND coalesce(before_outcome, 'OPEN') NOT IN ('REFUSED', 'NOT_SENT')
           AND NOT EXISTS (SELECT 1 FROM paymentsync.sync_attempts a WHERE a.sync_id = sent.sync_id AND a.ended_at BETWEEN sent.before_at AND sent.sent_at
                             AND (a.outcome = 'ABSENT' OR (a.request_id = sent.before AND a.outcome IN ('TRANSIENT', 'NEEDS_ACTION', 'PERMANENT'))
                                  -- A look found what bears the number, and it is not ours: what was sent cannot be there as well, and Xero refuses the number for as long as it is taken.
                                  OR (a.stage = 'look' AND a.failure_code = 'xero.document_mismatch')
                                  -- Or ours, voided: a person gave the row another number.
                                  OR (a.stage = 'look' AND a.failure_code = 'xero.document_voided'
                                      AND EXISTS (SELECT 1 FROM paymentsync.xero_syncs_archive r WHERE r.sync_id = sent.sync_id AND r.kept_sync_id = r.sync_id AND r.archived_at BETWEEN a.ended_at AND sent.sent_at))))
        """, reader => reader.GetString(0)));

    async Task CheckLedgersAsync(List<string> problems)
    {
        var rows = await world.RowsAsync();
        var accounts = await world.Database.QueryAsync("""
            SELECT coalesce(tenant_id, ''), request_payload ->> 'accountCode', sum(amount) FROM xero_syncs WHERE sync_type = 'PAYMENT' AND xero_payment_id IS NOT NULL GROUP BY 1, 2
            """, reader => (Tenant: reader.GetString(0), Account: reader.Nullable<string>(1) ?? "", Sum: reader.GetDecimal(2)));
        var open = rows.Where(row => row.OpenRequest is not null).Select(row => row.Number).ToHashSet(StringComparer.Ordinal);
        var ledger = JsonNode.Parse(await world.Simulator.GetStringAsync("/simulator/ledger"))!;
        foreach (var organisation in ledger["organisations"]!.AsArray())
        {
            var tenant = Text(organisation!, "tenantId")!;
            var invoices = organisation!["invoices"]!.AsArray().Where(Live).Select(node => node!).ToList();
            var payments = organisation["payments"]!.AsArray().Where(Live).Select(node => node!).ToList();
            foreach (var twins in invoices.GroupBy(invoice => Text(invoice, "invoiceNumber"), StringComparer.Ordinal).Where(group => group.Count() > 1))
                problems.Add($"Xero has {twins.Count()} live invoices {twins.Key}");
            foreach (var twins in payments.Where(payment => !MadeByPeople.Contains(Text(payment, "paymentId")!)).GroupBy(payment => Text(payment, "reference"), StringComparer.Ordinal).Where(group => group.Count() > 1))
                problems.Add($"Xero has {twins.Count()} live payments {twins.Key}");
            foreach (var invoice in invoices.Where(invoice => !MadeByPeople.Contains(Text(invoice, "invoiceId")!) && rows.All(row => row.InvoiceId != Text(invoice, "invoiceId")) && !open.Contains(Text(invoice, "invoiceNumber"))))
                problems.Add($"nobody remembers invoice {Text(invoice, "invoiceNumber")} ({Text(invoice, "invoiceId")})");
            foreach (var payment in payments.Where(payment => !MadeByPeople.Contains(Text(payment, "paymentId")!) && rows.All(row => row.PaymentId != Text(payment, "paymentId")) && !open.Contains(Text(payment, "reference"))))
                problems.Add($"nobody remembers payment {Text(payment, "reference")} ({Text(payment, "paymentId")})");

            foreach (var (_, account, sum) in accounts.Where(entry => entry.Tenant == tenant))
            {
                var unknown = payments.Where(payment => open.Contains(Text(payment, "reference")) || MadeByPeople.Contains(Text(payment, "paymentId")!))
                    .Where(payment => Text(payment, "accountCode") == account && rows.All(row => row.PaymentId != Text(payment, "paymentId"))).Sum(payment => Money(payment, "amount"));
                var balance = organisation["balances"]![account] is { } value ? decimal.Parse(value.GetValue<string>(), CultureInfo.InvariantCulture) : 0;
                if (balance != sum + unknown)
                    problems.Add($"clearing account {account} has {balance}, the rows say {sum} (and {unknown} not known yet or made by people)");
            }
        }
    }

    async Task CheckLimitsAsync(List<string> problems)
    {
        var calls = await world.CallsAsync();
        if (calls["maxInFlight"]!.GetValue<int>() > 5)
            problems.Add($"{calls["maxInFlight"]} calls were in flight at once");
        if (calls["maxPerMinute"]!.GetValue<int>() > 60)
            problems.Add($"{calls["maxPerMinute"]} calls were made in a minute");
    }

    static bool Live(JsonNode? document) => Text(document!, "status") is not ("VOIDED" or "DELETED");

    static string? Text(JsonNode node, string name) => node[name]?.GetValue<string>();

    static decimal Money(JsonNode node, string name) => decimal.Parse(node[name]!.GetValue<string>(), CultureInfo.InvariantCulture);
}
