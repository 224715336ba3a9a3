using System.Diagnostics;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace PaymentSync.Migrations;

/// <summary>The clean-up itself: decided once for all links, then done page by page, by several connections, in batches that are one statement and one short transaction.</summary>
sealed partial class Adoption
{
    // More than there are connections, so that none is left alone with a part in which the host is busy.
    const int Ranges = 16;
    const int FirstBatch = 8;
    const int LargestBatch = 512;
    // Rows of a batch are locked until it is committed, and a statement of the host may wait for one of them.
    static readonly TimeSpan LongBatch = TimeSpan.FromMilliseconds(300);

    /// <summary>What becomes of the rows and links for which these conditions hold, as a list of CTEs that ends with "decided".</summary>
    static string Decide(string rows, string links) =>
        SqlFile.Read("adoption/member.sql").Replace("{which}", rows, StringComparison.Ordinal) + SqlFile.Read("adoption/decide.sql").Replace("{links}", links, StringComparison.Ordinal);

    /// <summary>
    /// What becomes of every link, in a table, before anything is changed. Nothing that was judged changes after it: the host's updates keep the old row by now, and what it
    /// inserts is not judged.
    /// </summary>
    async Task PlanAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        // What the host inserted since the run began waits for its confirmation; nothing of it was ever tried.
        const string judged = "s.failure_code IS DISTINCT FROM 'waiting.confirmation'";
        var parts = Enumerable.Range(0, _options.Workers).ToList();
        await InTransactionAsync(connection, "the table of decisions", cancellationToken, $"""
            DROP TABLE IF EXISTS paymentsync.adoption_links, paymentsync.adoption_shared CASCADE;
            CREATE TABLE paymentsync.adoption_links AS WITH {Decide(judged, "true")} SELECT d.* FROM decided d WITH NO DATA;
            ALTER TABLE paymentsync.adoption_links ADD COLUMN shared_invoice boolean NOT NULL DEFAULT false, ADD COLUMN shared_payment boolean NOT NULL DEFAULT false;
            COMMENT ON TABLE paymentsync.adoption_links IS 'What becomes of the rows of each link (adoption/decide.sql), while the clean-up runs. In parts, each written by one connection: two that fill one table wait for each other at its end.';
            CREATE TABLE paymentsync.adoption_shared (id text NOT NULL, kind text NOT NULL);
            """, string.Concat(parts.Select(part => $"CREATE TABLE paymentsync.adoption_links_{part} () INHERITS (paymentsync.adoption_links) WITH (autovacuum_enabled = off);")));
        // Every row is read, so sorting is cheapest; and ordered as the table is, so that a batch reads and writes neighbouring pages.
        await Task.WhenAll(parts.Select(part => BesideAsync($"""
            SET enable_nestloop = off; SET enable_hashagg = off; SET enable_hashjoin = off;
            INSERT INTO paymentsync.adoption_links_{part} WITH {Decide($"{judged} AND {Part("s.payment_link_id", part)}", Part("l.id", part))} SELECT d.* FROM decided d ORDER BY d.first_place;
            CREATE INDEX ON paymentsync.adoption_links_{part} (first_place);
            CREATE INDEX ON paymentsync.adoption_links_{part} (link_id);
            ANALYZE paymentsync.adoption_links_{part} (first_place);
            """, cancellationToken)));
        await Task.WhenAll(((string[])["INVOICE", "PAYMENT"]).Select(kind => BesideAsync($"""
            INSERT INTO paymentsync.adoption_shared WITH decided AS (SELECT l.invoice_id, l.payment_id FROM paymentsync.adoption_links l), {SqlFile.Read("adoption/shared.sql")} SELECT t.* FROM twice t WHERE t.kind = '{kind}'
            """, cancellationToken)));
        await Task.WhenAll(parts.Select(part => BesideAsync($"""
            UPDATE paymentsync.adoption_links_{part} l SET shared_invoice = true FROM paymentsync.adoption_shared t WHERE t.kind = 'INVOICE' AND t.id = l.invoice_id;
            UPDATE paymentsync.adoption_links_{part} l SET shared_payment = true FROM paymentsync.adoption_shared t WHERE t.kind = 'PAYMENT' AND t.id = l.payment_id;
            """, cancellationToken)));
        await ExecuteAsync(connection, $"""
            DELETE FROM paymentsync.adoption_ranges;
            INSERT INTO paymentsync.adoption_ranges (step, range, next_page, end_page)
            SELECT s.step, r.range, (r.range - 1) * p.pages / {Ranges}, r.range * p.pages / {Ranges}
              FROM (SELECT pg_relation_size('public.xero_syncs') / current_setting('block_size')::integer + 1 AS pages) p, (VALUES ('duplicates'), ('rows')) s(step), generate_series(1, {Ranges}) r(range);
            """, cancellationToken);
    }

    /// <summary>What was decided, counted for the report. In one transaction with the step, since it is added to what else is counted.</summary>
    static async Task TallyAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var count = new NpgsqlCommand($"WITH marked AS (SELECT * FROM paymentsync.adoption_links), {SqlFile.Read("adoption/count.sql")}", connection);
        await AddTallyAsync(connection, await CountsAsync(count), cancellationToken);
        await ExecuteAsync(connection, Done("tally"), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    string Part(string link, int part) => $"(uuid_hash({link}) & 2147483647) % {_options.Workers} = {part}";

    /// <summary>A step that is done page by page: adoption/{step}.sql, with the first page, the one after the last, and the report. It answers how many rows escaped it.</summary>
    async Task PagesAsync(string step, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        var reportId = await ScalarAsync<Guid>(connection, "SELECT report_id FROM paymentsync.adoption", cancellationToken);
        var tenants = await ScalarAsync<bool>(connection, AdoptionChecks.HasConnectionsSql, cancellationToken)
            ? "public.xero_connections"
            : "(SELECT NULL::uuid AS organization_id, NULL::text AS tenant_id WHERE false)";
        var batch = SqlFile.Read($"adoption/{step}.sql").Replace("{tenants}", tenants, StringComparison.Ordinal).Replace("{other_columns}", await OtherColumnsAsync(connection, cancellationToken), StringComparison.Ordinal);
        var ranges = new List<(int Range, long Next, long End)>();
        await using (var read = new NpgsqlCommand("SELECT range, next_page, end_page FROM paymentsync.adoption_ranges WHERE step = $1 AND next_page < end_page ORDER BY range", connection) { Parameters = { new() { Value = step } } })
        await using (var reader = await read.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
                ranges.Add((reader.GetInt32(0), reader.GetInt64(1), reader.GetInt64(2)));
        }
        var total = ranges.Sum(range => range.End - range.Next);
        var done = 0L;
        // When one fails, the others end after the batch they are at; each has recorded how far it is.
        await Parallel.ForEachAsync(ranges, new ParallelOptions { MaxDegreeOfParallelism = _options.Workers, CancellationToken = cancellationToken }, async (range, stop) =>
            await RangeAsync(step, range.Range, range.Next, range.End, batch, reportId, pages => _options.Progress?.Invoke(new AdoptionProgress(step, Interlocked.Add(ref done, pages), total)), stop));
    }

    /// <summary>What the row x has in columns that are neither ours nor required of every host, as an expression: null when there are none.</summary>
    static async Task<string> OtherColumnsAsync(NpgsqlConnection connection, CancellationToken cancellationToken) => (await ScalarAsync<string>(connection, """
        SELECT coalesce('(SELECT to_jsonb(host) FROM (SELECT ' || string_agg(format('x.%I', c.attname), ', ' ORDER BY c.attnum) || ') host)', 'NULL::jsonb') FROM pg_attribute c
         WHERE c.attrelid = 'public.xero_syncs'::regclass AND c.attnum > 0 AND NOT c.attisdropped
           AND c.attname <> ALL ('{id,payment_link_id,sync_type,status,xero_invoice_id,xero_payment_id,request_payload,response_payload,error_message,retry_count,next_retry_at,created_at,updated_at}')
           AND c.attname <> ALL ('{organization_id,provider,provider_payment_id,amount,currency,document_number,tenant_id,open_request_id,absent_since,released,shared_id,failure_kind,failure_code,due_because,attempt,lease_owner,lease_expires_at}')
        """, cancellationToken))!;

    /// <summary>The same statement, finding what it changes by id alone: slower, but a row that the host moves meanwhile is waited for and followed. Else a busy host could undo a batch again and again.</summary>
    static string ById(string batch) => batch.Replace("s.ctid = k.lies_at AND ", "", StringComparison.Ordinal);

    async Task RangeAsync(string step, int range, long next, long end, string batch, Guid reportId, Action<long> progress, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        // The batch is small, the tables are not: only by index, whatever the statistics say. A crash may lose the last batches whole, and their record with them.
        await ExecuteAsync(connection, "SET enable_seqscan = off; SET enable_mergejoin = off; SET enable_memoize = off; SET plan_cache_mode = force_generic_plan; SET synchronous_commit = off", cancellationToken);
        // The rows that stay grow, into the place of those that went: reading a page frees what was removed from it, and tells nobody else that there is room.
        await using var makeRoom = new NpgsqlCommand("SELECT count(*) FROM public.xero_syncs WHERE ctid >= $1 AND ctid < $2", connection) { Parameters = { new() { NpgsqlDbType = NpgsqlDbType.Tid }, new() { NpgsqlDbType = NpgsqlDbType.Tid } } };
        await using var byPlace = await PreparedAsync(connection, batch, reportId, cancellationToken);
        await using var byId = await PreparedAsync(connection, ById(batch), reportId, cancellationToken);
        await using var record = new NpgsqlCommand("UPDATE paymentsync.adoption_ranges SET next_page = $3 WHERE step = $1 AND range = $2 AND next_page = $4", connection);
        for (var size = FirstBatch; next < end;)
        {
            var to = Math.Min(next + size, end);
            var took = TimeSpan.Zero;
            var apply = byPlace;
            await _locks.RetryAsync(async () =>
            {
                var began = Stopwatch.GetTimestamp();
                makeRoom.Parameters[0].Value = new NpgsqlTid((uint)next, 0);
                makeRoom.Parameters[1].Value = new NpgsqlTid((uint)to, 0);
                await makeRoom.ExecuteNonQueryAsync(CancellationToken.None);
                apply.Parameters[0].Value = new NpgsqlTid((uint)next, 0);
                apply.Parameters[1].Value = new NpgsqlTid((uint)to, 0);
                await using var transaction = await connection.BeginTransactionAsync(CancellationToken.None);
                if ((long)(await apply.ExecuteScalarAsync(CancellationToken.None))! != 0)
                {
                    apply = byId;
                    throw new RowsMovedException();
                }
                record.Parameters.Clear();
                record.Parameters.AddWithValue(step);
                record.Parameters.AddWithValue(range);
                record.Parameters.AddWithValue(to);
                record.Parameters.AddWithValue(next);
                if (await record.ExecuteNonQueryAsync(CancellationToken.None) != 1)
                    throw new InvalidOperationException($"Range {range} of the adoption was moved by somebody else.");
                progress(to - next);
                await transaction.CommitAsync(CancellationToken.None);
                took = Stopwatch.GetElapsedTime(began);
            }, "the clean-up of xero_syncs", cancellationToken);
            next = to;
            size = took > LongBatch ? Math.Max(size / 2, 1) : Math.Min(took < LongBatch / 2 ? size * 2 : size, LargestBatch);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    static async Task<NpgsqlCommand> PreparedAsync(NpgsqlConnection connection, string batch, Guid reportId, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(batch, connection);
        command.Parameters.Add(new() { NpgsqlDbType = NpgsqlDbType.Tid });
        command.Parameters.Add(new() { NpgsqlDbType = NpgsqlDbType.Tid });
        command.Parameters.Add(new() { NpgsqlDbType = NpgsqlDbType.Uuid, Value = reportId });
        await command.PrepareAsync(cancellationToken);
        return command;
    }

    static async Task AddTallyAsync(NpgsqlConnection connection, Dictionary<string, long> counted, CancellationToken cancellationToken)
    {
        await using var record = new NpgsqlCommand("UPDATE paymentsync.adoption SET tally = paymentsync.add_tally(tally, $1)", connection);
        record.Parameters.Add(new() { Value = JsonSerializer.Serialize(counted), NpgsqlDbType = NpgsqlDbType.Jsonb });
        await record.ExecuteNonQueryAsync(cancellationToken);
    }

    internal static async Task<Dictionary<string, long>> CountsAsync(NpgsqlCommand command)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        while (await reader.ReadAsync(CancellationToken.None))
            counts[reader.GetString(0)] = reader.GetInt64(1);
        return counts;
    }
}
