using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using PaymentSync.OperatorConsole;

namespace PaymentSync.XeroSyncs;

/// <summary>
/// <c>GET /api/syncs/{id}/journal</c>, and <c>GET /api/journal?from=&amp;to=</c>: JSON lines of a time range. The export is an operator's and audited,
/// since it holds the names of all customers of that time.
/// </summary>
static class JournalEndpoints
{
    const string JsonLines = "application/x-ndjson";
    const int LinesToFlush = 100;

    public static void MapJournal(this WebApplication app)
    {
        app.MapGet("/api/syncs/{id:guid}/journal", ShowAsync).WithTags("Syncs").RequireAuthorization(Roles.Viewer);
        app.MapGet("/api/journal", ExportAsync).WithTags("Syncs").RequireAuthorization(Roles.Operator).Produces(StatusCodes.Status200OK, contentType: JsonLines);
    }

    internal sealed record SyncJournal(Journal.Planned Planned, IReadOnlyList<Journal.Requested> Requested, IReadOnlyList<Journal.Attempted> Attempted);

    /// <summary>The export's last line. Where it is missing, the export broke off.</summary>
    sealed record End(string Kind, long Lines);

    static async Task<Results<Ok<SyncJournal>, ProblemHttpResult>> ShowAsync(Guid id, Journal journal, CancellationToken cancellationToken) =>
        await journal.OfSyncAsync(id, cancellationToken) is { } found
            ? TypedResults.Ok(new SyncJournal(found.Planned, found.Requests, found.Attempts))
            : Problems.NotFound("sync.unknown", $"There is no sync {id}.");

    /// <param name="from">Included.</param>
    /// <param name="to">Not included; now where it is not given.</param>
    static async Task<IResult> ExportAsync(DateTimeOffset? from, DateTimeOffset? to, Journal journal, AuditLog audit, TimeProvider time, HttpContext http)
    {
        var end = to ?? time.GetUtcNow();
        if (from is not { } start || start >= end)
            return Problems.BadRequest("journal.range", "from must be given, before to: times like 2026-11-01T00:00:00Z.");
        await audit.WriteAsync(http.User, "journal.export", string.Create(CultureInfo.InvariantCulture, $"{start.UtcDateTime:O} to {end.UtcDateTime:O}"), reason: null, http.RequestAborted);
        return TypedResults.Stream(body => WriteAsync(body, journal, start.UtcDateTime, end.UtcDateTime, http.RequestAborted), JsonLines);
    }

    static async Task WriteAsync(Stream body, Journal journal, DateTime from, DateTime to, CancellationToken cancellationToken)
    {
        var lines = 0L;
        await foreach (var line in journal.BetweenAsync(from, to, cancellationToken))
        {
            await WriteLineAsync(body, line, cancellationToken);
            if (++lines % LinesToFlush == 0)
                await body.FlushAsync(cancellationToken);
        }
        await WriteLineAsync(body, new End("end", lines), cancellationToken);
    }

    static async Task WriteLineAsync(Stream body, object line, CancellationToken cancellationToken)
    {
        await JsonSerializer.SerializeAsync(body, line, line.GetType(), JsonSerializerOptions.Web, cancellationToken);
        await body.WriteAsync("\n"u8.ToArray(), cancellationToken);
    }
}
