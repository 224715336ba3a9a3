using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Npgsql;
using PaymentSync.Confirmation;
using PaymentSync.Database;

namespace PaymentSync.XeroSyncs;

/// <summary>What was planned, sent and tried, as it was written down. Reads only; headers, and with them tokens, were never written down.</summary>
sealed class Journal(NpgsqlDataSource database)
{
    const int RowsAtOnce = 100;
    /// <summary>Their bodies and answers hold up to fifty documents each.</summary>
    const int RequestsAtOnce = 10;
    const string FirstUuid = "00000000-0000-0000-0000-000000000000";

    const string PlannedSql = """
        SELECT s.created_at, s.id::text, s.id, s.payment_link_id, s.organization_id, s.sync_type::text, s.document_number, s.amount, s.currency, s.provider, s.provider_payment_id, s.request_payload::text
          FROM public.xero_syncs s
        """;

    const string RequestedSql = """
        SELECT q.sent_at, q.id::text, q.id, q.organization_id, q.tenant_id, q.resource, q.idempotency_key, q.members, q.body_sha256, q.body, q.completed_at, q.outcome, q.http_status, q.correlation_id, q.answer
          FROM paymentsync.requests q
        """;

    const string AttemptedSql = """
        SELECT a.ended_at, a.id::text, a.sync_id, a.attempt, a.trigger, a.worker, a.stage, a.started_at, a.outcome, a.failure_kind, a.failure_code, a.message, a.http_status, a.correlation_id, a.request_id
          FROM paymentsync.sync_attempts a
        """;

    /// <summary>A line of the journal. <paramref name="At"/> orders it among the others.</summary>
    internal abstract record Line(string Kind, DateTime At);

    /// <param name="At">When the payment was confirmed.</param>
    /// <param name="Document">The frozen document: what Xero must be told.</param>
    internal sealed record Planned(DateTime At, Guid SyncId, Guid PaymentLinkId, Guid? OrganizationId, string SyncType, string? DocumentNumber, string? Amount, string? Currency, string? Provider,
        string? ProviderPaymentId, JsonElement Document) : Line("planned", At);

    /// <param name="At">When it was sent (the latest send of these bytes).</param>
    /// <param name="Sha256">Of the exact bytes that were sent, of which <paramref name="Body"/> is the reading.</param>
    /// <param name="Body">JSON as JSON, anything else as text; so is <paramref name="Answer"/>, which is null while none is known.</param>
    internal sealed record Requested(DateTime At, Guid RequestId, Guid OrganizationId, string TenantId, string Resource, string IdempotencyKey, IReadOnlyList<Guid> SyncIds, string Sha256, JsonElement? Body,
        DateTime? CompletedAt, string? Outcome, int? HttpStatus, string? CorrelationId, JsonElement? Answer, string Means) : Line("requested", At);

    /// <param name="At">When the try ended.</param>
    /// <param name="Result">succeeded, failed, unknown (it may have happened) or postponed.</param>
    internal sealed record Attempted(DateTime At, Guid SyncId, int Attempt, string Trigger, string Worker, string Stage, DateTime StartedAt, string Result, string Outcome, string? FailureKind,
        string? FailureCode, string? Message, int? HttpStatus, string? CorrelationId, Guid? RequestId, string Means) : Line("attempted", At);

    /// <summary>All lines of one sync, oldest first within each kind; null: there is no such sync.</summary>
    public async Task<(Planned Planned, IReadOnlyList<Requested> Requests, IReadOnlyList<Attempted> Attempts)?> OfSyncAsync(Guid sync, CancellationToken cancellationToken)
    {
        var planned = await AllAsync($"{PlannedSql} WHERE s.id = $1", sync, ReadPlanned, cancellationToken);
        if (planned is not [var plan])
            return null;
        var attempts = await AllAsync($"{AttemptedSql} WHERE a.sync_id = $1 ORDER BY a.attempt", sync, ReadAttempted, cancellationToken);
        // By those that its tries name and the one that is open: members have no index.
        var requests = await AllAsync($"""
            {RequestedSql} WHERE q.id IN (SELECT a.request_id FROM paymentsync.sync_attempts a WHERE a.sync_id = $1 UNION SELECT s.open_request_id FROM public.xero_syncs s WHERE s.id = $1) ORDER BY q.sent_at, q.id
            """, sync, ReadRequested, cancellationToken);
        return (plan, requests, attempts);
    }

    /// <summary>Everything from <paramref name="from"/> to before <paramref name="to"/>, in the order in which it happened; a page of each kind in memory.</summary>
    public async IAsyncEnumerable<Line> BetweenAsync(DateTime from, DateTime to, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // At the same moment: planned before it was sent, sent before it ended.
        IAsyncEnumerator<Line>[] sources =
        [
            PagesAsync(PlannedSql, "s.created_at", "s.id", FirstUuid, "uuid", RowsAtOnce, from, to, ReadPlanned, cancellationToken).GetAsyncEnumerator(cancellationToken),
            PagesAsync(RequestedSql, "q.sent_at", "q.id", FirstUuid, "uuid", RequestsAtOnce, from, to, ReadRequested, cancellationToken).GetAsyncEnumerator(cancellationToken),
            PagesAsync(AttemptedSql, "a.ended_at", "a.id", "0", "bigint", RowsAtOnce, from, to, ReadAttempted, cancellationToken).GetAsyncEnumerator(cancellationToken),
        ];
        try
        {
            var open = new List<IAsyncEnumerator<Line>>();
            foreach (var source in sources)
            {
                if (await source.MoveNextAsync())
                    open.Add(source);
            }
            while (open.MinBy(source => source.Current.At) is { } next)
            {
                yield return next.Current;
                if (!await next.MoveNextAsync())
                    open.Remove(next);
            }
        }
        finally
        {
            foreach (var source in sources)
                await source.DisposeAsync();
        }
    }

    async IAsyncEnumerable<Line> PagesAsync(string sql, string at, string id, string firstId, string idType, int pageSize, DateTime from, DateTime to, Func<NpgsqlDataReader, Line> read,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (lastAt, lastId) = (from, firstId);
        for (var seen = pageSize; seen == pageSize;)
        {
            var page = new List<Line>();
            await using (var command = database.CreateCommand($"{sql} WHERE {at} < $2 AND ({at}, {id}) > ($1, $3::{idType}) ORDER BY {at}, {id} LIMIT $4"))
            {
                command.Parameters.AddWithValue(lastAt);
                command.Parameters.AddWithValue(to);
                command.Parameters.AddWithValue(lastId);
                command.Parameters.AddWithValue(pageSize);
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                while (await reader.ReadAsync(cancellationToken))
                {
                    (lastAt, lastId) = (reader.GetDateTime(0), reader.GetString(1));
                    page.Add(read(reader));
                }
            }
            seen = page.Count;
            foreach (var line in page)
                yield return line;
        }
    }

    async Task<List<T>> AllAsync<T>(string sql, Guid sync, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(sql);
        command.Parameters.AddWithValue(sync);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var lines = new List<T>();
        while (await reader.ReadAsync(cancellationToken))
            lines.Add(read(reader));
        return lines;
    }

    static Planned ReadPlanned(NpgsqlDataReader reader) => new(reader.GetDateTime(0), reader.GetGuid(2), reader.GetGuid(3), reader.NullableValue<Guid>(4), reader.GetString(5), reader.Nullable<string>(6),
        reader.NullableValue<decimal>(7) is { } amount ? Money.Format(amount) : null, reader.Nullable<string>(8), reader.Nullable<string>(9), reader.Nullable<string>(10), Json(reader.GetString(11)));

    static Requested ReadRequested(NpgsqlDataReader reader)
    {
        var outcome = reader.Nullable<string>(11);
        return new(reader.GetDateTime(0), reader.GetGuid(2), reader.GetGuid(3), reader.GetString(4), reader.GetString(5), reader.GetString(6), reader.GetFieldValue<Guid[]>(7),
            Convert.ToHexStringLower(reader.GetFieldValue<byte[]>(8)), Plain(reader.GetFieldValue<byte[]>(9)), reader.NullableValue<DateTime>(10), outcome, reader.NullableValue<int>(12),
            reader.Nullable<string>(13), reader.Nullable<byte[]>(14) is { } answer ? Plain(answer) : null, JournalWords.OfRequest(outcome));
    }

    static Attempted ReadAttempted(NpgsqlDataReader reader)
    {
        var outcome = reader.GetString(8);
        var (result, means) = JournalWords.OfAttempt(outcome);
        return new(reader.GetDateTime(0), reader.GetGuid(2), reader.GetInt32(3), reader.GetString(4), reader.GetString(5), reader.GetString(6), reader.GetDateTime(7), result, outcome,
            reader.Nullable<string>(9), reader.Nullable<string>(10), reader.Nullable<string>(11), reader.NullableValue<int>(12), reader.Nullable<string>(13), reader.NullableValue<Guid>(14), means);
    }

    /// <returns>Null where the bytes are not what we once compressed: recovery tells about that, an export goes on.</returns>
    static JsonElement? Plain(byte[] compressed)
    {
        try
        {
            return Json(Encoding.UTF8.GetString(Compression.Decompress(compressed)));
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    static JsonElement Json(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return JsonSerializer.SerializeToElement(text);
        }
    }
}
