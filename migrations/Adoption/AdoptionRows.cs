using System.Diagnostics;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace PaymentSync.Migrations;

/// <summary>The clean-up itself: ranges of links side by side, each in batches that are one statement and one short transaction.</summary>
sealed partial class Adoption
{
    const int FirstBatch = 200;
    const int LargestBatch = 4000;
    const int SharedAtOnce = 2000;
    // Rows of a batch are locked until it is committed, and a statement of the host may wait for one of them.
    static readonly TimeSpan LongBatch = TimeSpan.FromMilliseconds(300);

    /// <summary>What apply.sql counts when a row escaped it.</summary>
    const string Moved = "moved";

    string RangesSql => $"""
        DELETE FROM paymentsync.adoption_ranges;
        INSERT INTO paymentsync.adoption_ranges (range, next_seq, last_seq)
        SELECT r, (r - 1) * size + 1, least(r * size, n) FROM (SELECT count(*) AS n, (count(*) + {_options.Workers - 1}) / {_options.Workers} AS size FROM paymentsync.adoption_plan) p, generate_series(1, {_options.Workers}) r;
        """;

    async Task RowsAsync(CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        var reportId = await ScalarAsync<Guid>(connection, "SELECT report_id FROM paymentsync.adoption", cancellationToken);
        var tenants = await ScalarAsync<bool>(connection, AdoptionChecks.HasConnectionsSql, cancellationToken)
            ? "public.xero_connections"
            : "(SELECT NULL::uuid AS organization_id, NULL::text AS tenant_id WHERE false)";
        var batch = $"WITH {SqlFile.Read("adoption/member_batch.sql")}{SqlFile.Read("adoption/decide.sql")}{SqlFile.Read("adoption/apply.sql")}".Replace("{tenants}", tenants, StringComparison.Ordinal).Replace("{host_columns}", await HostColumnsAsync(connection, cancellationToken), StringComparison.Ordinal);
        var ranges = new List<(int Range, long Next, long Last)>();
        await using (var read = new NpgsqlCommand("SELECT range, next_seq, last_seq FROM paymentsync.adoption_ranges ORDER BY range", connection))
        await using (var reader = await read.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
                ranges.Add((reader.GetInt32(0), reader.GetInt64(1), reader.GetInt64(2)));
        }
        var total = ranges.Sum(range => Math.Max(0, range.Last - range.Next + 1));
        var done = 0L;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAll(ranges.Select(range => Task.Run(async () =>
        {
            try
            {
                await RangeAsync(range.Range, range.Next, range.Last, batch, reportId, links => _options.Progress?.Invoke(new AdoptionProgress("rows", Interlocked.Add(ref done, links), total)), stop.Token);
            }
            catch
            {
                // The other ranges end after the batch they are at; each has recorded how far it is.
                await stop.CancelAsync();
                throw;
            }
        }, CancellationToken.None)));
    }

    /// <summary>The columns of xero_syncs that are not ours, whatever the host's table has, of a row called x: what an archived row keeps and restore-legacy puts back.</summary>
    static async Task<string> HostColumnsAsync(NpgsqlConnection connection, CancellationToken cancellationToken) => (await ScalarAsync<string>(connection, """
        SELECT string_agg(format('x.%I', c.attname), ', ' ORDER BY c.attnum) FROM pg_attribute c
         WHERE c.attrelid = 'public.xero_syncs'::regclass AND c.attnum > 0 AND NOT c.attisdropped
           AND c.attname <> ALL ('{organization_id,provider,provider_payment_id,amount,currency,document_number,tenant_id,open_request_id,absent_since,released,shared_id,failure_kind,failure_code,due_because,attempt,lease_owner,lease_expires_at}')
        """, cancellationToken))!;

    /// <summary>The same statement, finding what it changes by id alone: slower, but a row that the host moves meanwhile is waited for and followed. Else a busy host could undo a batch again and again.</summary>
    static string ById(string batch) => batch.Replace("s.ctid = r.place AND ", "", StringComparison.Ordinal).Replace("s.ctid = t.place AND ", "", StringComparison.Ordinal);

    async Task RangeAsync(int range, long next, long last, string batch, Guid reportId, Action<long> progress, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        // The batch is small, the tables are not: only by index, whatever the statistics say. A crash may lose the last batches whole, and their record with them.
        await ExecuteAsync(connection, "SET enable_seqscan = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan; SET synchronous_commit = off", cancellationToken);
        await using var byPlace = await PreparedAsync(connection, batch, reportId, cancellationToken);
        await using var byId = await PreparedAsync(connection, ById(batch), reportId, cancellationToken);
        for (var size = FirstBatch; next <= last;)
        {
            var to = Math.Min(next + size - 1, last);
            var took = TimeSpan.Zero;
            var apply = byPlace;
            await PatientLocks.RetryAsync(async () =>
            {
                var began = Stopwatch.GetTimestamp();
                apply.Parameters[0].Value = next;
                apply.Parameters[1].Value = to;
                await using var transaction = await connection.BeginTransactionAsync(CancellationToken.None);
                var counted = await CountsAsync(apply);
                if (counted.ContainsKey(Moved))
                {
                    apply = byId;
                    throw new RowsMovedException();
                }
                await using var record = new NpgsqlCommand("UPDATE paymentsync.adoption_ranges SET next_seq = $2, tally = paymentsync.add_tally(tally, $3) WHERE range = $1 AND next_seq = $4", connection);
                record.Parameters.AddWithValue(range);
                record.Parameters.AddWithValue(to + 1);
                record.Parameters.Add(Json(counted));
                record.Parameters.AddWithValue(next);
                if (await record.ExecuteNonQueryAsync(CancellationToken.None) != 1)
                    throw new InvalidOperationException($"Range {range} of the adoption was moved by somebody else.");
                progress(to - next + 1);
                await transaction.CommitAsync(CancellationToken.None);
                took = Stopwatch.GetElapsedTime(began);
            }, "the clean-up of xero_syncs", _log, cancellationToken);
            next = to + 1;
            size = took > LongBatch ? Math.Max(size / 2, 20) : Math.Min(took < LongBatch / 2 ? size * 2 : size, LargestBatch);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    static async Task<NpgsqlCommand> PreparedAsync(NpgsqlConnection connection, string batch, Guid reportId, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(batch, connection);
        command.Parameters.Add(new() { NpgsqlDbType = NpgsqlDbType.Bigint });
        command.Parameters.Add(new() { NpgsqlDbType = NpgsqlDbType.Bigint });
        command.Parameters.Add(new() { NpgsqlDbType = NpgsqlDbType.Uuid, Value = reportId });
        await command.PrepareAsync(cancellationToken);
        return command;
    }

    async Task SharedAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var reportId = await ScalarAsync<Guid>(connection, "SELECT report_id FROM paymentsync.adoption", cancellationToken);
        if (!await ScalarAsync<bool>(connection, "SELECT EXISTS (SELECT 1 FROM paymentsync.adoption_steps WHERE step = 'shared list')", cancellationToken))
            await InTransactionAsync(connection, "the list of shared ids", cancellationToken, SqlFile.Read("adoption/shared_list.sql"), Done("shared list"));
        await using var mark = new NpgsqlCommand(SqlFile.Read("adoption/shared_mark.sql"), connection);
        mark.Parameters.AddWithValue(SharedAtOnce);
        mark.Parameters.AddWithValue(reportId);
        for (var more = true; more;)
        {
            await PatientLocks.RetryAsync(async () =>
            {
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
                var counted = await CountsAsync(mark);
                await AddTallyAsync(connection, counted, cancellationToken);
                _options.Progress?.Invoke(new AdoptionProgress("shared", 0, 0));
                await transaction.CommitAsync(cancellationToken);
                more = counted.Count > 0;
            }, "marking shared ids", _log, cancellationToken);
        }
    }

    static async Task AddTallyAsync(NpgsqlConnection connection, Dictionary<string, long> counted, CancellationToken cancellationToken)
    {
        await using var record = new NpgsqlCommand("UPDATE paymentsync.adoption SET tally = paymentsync.add_tally(tally, $1)", connection);
        record.Parameters.Add(Json(counted));
        await record.ExecuteNonQueryAsync(cancellationToken);
    }

    static NpgsqlParameter Json(Dictionary<string, long> counted) => new() { Value = JsonSerializer.Serialize(counted), NpgsqlDbType = NpgsqlDbType.Jsonb };

    internal static async Task<Dictionary<string, long>> CountsAsync(NpgsqlCommand command)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        while (await reader.ReadAsync(CancellationToken.None))
            counts[reader.GetString(0)] = reader.GetInt64(1);
        return counts;
    }
}
