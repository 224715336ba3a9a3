using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>
/// Looks at the organisation's settings before a call is spent on a document that they must refuse. It never keeps a document back on
/// what was not read, or was read more than five minutes ago, and never one that an operator ordered to be tried.
/// </summary>
sealed partial class PreFlight(SettingsReader reader, SyncQueue queue, Outcomes outcomes, NpgsqlDataSource database, Telemetry.Metrics metrics, IOptions<XeroOptions> options, ILogger<PreFlight> log)
{
    /// <summary>What was read within it may refuse; a no costs a call for each part at most so often.</summary>
    static readonly TimeSpan SureFor = TimeSpan.FromMinutes(5);
    static readonly SettingsPart[] Parts = [SettingsPart.Organisation, SettingsPart.Currencies, SettingsPart.Accounts];

    /// <returns>The rows that may be sent, moved to the first open day where their organisation wants that; the others are completed.</returns>
    public async Task<List<ClaimedSync>> PassAsync(XeroSession session, IReadOnlyList<ClaimedSync> syncs, CancellationToken stopping)
    {
        if (!options.Value.PreFlight || syncs.Count == 0)
            return [.. syncs];
        var settings = await session.SettingsAsync(sure: false, () => ReadAsync(session, options.Value.SettingsAge, stopping));
        if (syncs.Any(sync => settings.Foresee(sync.SyncType, sync.Document, options.Value.SettingsAge) is not null))
            settings = await session.SettingsAsync(sure: true, () => ReadAsync(session, SureFor, stopping));

        var pass = new List<ClaimedSync>();
        var refused = new List<SyncResult>();
        var moves = new Dictionary<DateOnly, List<ClaimedSync>>();
        foreach (var sync in syncs)
        {
            switch (settings.Foresee(sync.SyncType, sync.Document, SureFor))
            {
                case { FirstOpenDay: { } day }:
                    (moves.TryGetValue(day, out var same) ? same : moves[day] = []).Add(sync);
                    break;
                case { } foreseen when sync.Trigger != "REPLAY":
                    refused.Add(outcomes.Failed(sync, "check", foreseen.Failure with { CountsAsRetry = false }, settles: false));
                    break;
                default:
                    pass.Add(sync);
                    break;
            }
        }
        foreach (var (day, moved) in moves)
            pass.AddRange(await MoveAsync(session, moved, day));
        if (refused.Count > 0)
        {
            LogRefused(refused.Count, session.Organisation, string.Join(", ", refused.Select(result => result.FailureCode).Distinct(StringComparer.Ordinal)));
            await queue.CompleteAsync(session.Organisation, refused, session.Owner, request: null, CancellationToken.None);
            metrics.Completed(refused);
        }
        return pass;
    }

    async Task<TenantSettings> ReadAsync(XeroSession session, TimeSpan notOlderThan, CancellationToken stopping)
    {
        var known = await reader.KnownAsync(session.Organisation, session.TenantId, CancellationToken.None);
        // What gave no answer a moment ago is not asked again by every drain.
        var stale = Parts.Where(part => !known.Knows(part, notOlderThan) && (known.Part(part)?.AskedAgo ?? TimeSpan.MaxValue) > SureFor).ToList();
        if (stale.Count == 0)
            return known;
        await reader.ReadAsync(session, stale, stopping);
        return await reader.KnownAsync(session.Organisation, session.TenantId, CancellationToken.None);
    }

    /// <summary>Nothing was ever sent for these, or it was refused: their documents are frozen anew, on the first open day.</summary>
    async Task<List<ClaimedSync>> MoveAsync(XeroSession session, List<ClaimedSync> syncs, DateOnly day)
    {
        await using var command = database.CreateCommand("SELECT sync, document::text FROM paymentsync.redate($1, $2, $3, $4)");
        command.Parameters.AddWithValue(syncs.Select(sync => sync.Id).ToArray());
        command.Parameters.AddWithValue(syncs.Select(sync => sync.Attempt).ToArray());
        command.Parameters.AddWithValue(session.Owner);
        command.Parameters.AddWithValue(day);
        var documents = new Dictionary<Guid, JsonElement>();
        await using (var answer = await command.ExecuteReaderAsync())
        {
            while (await answer.ReadAsync())
                documents[answer.GetGuid(0)] = JsonElement.Parse(answer.GetString(1));
        }
        LogMoved(documents.Count, session.Organisation, day);
        return [.. syncs.Where(sync => documents.ContainsKey(sync.Id)).Select(sync => sync with { Document = documents[sync.Id] })];
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Documents} documents of organisation {Organisation} are not sent, Xero would refuse them ({Codes}); they go on by themselves when that is mended")]
    partial void LogRefused(int documents, Guid organisation, string codes);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Documents} documents of organisation {Organisation} are dated in a locked period; sending them as of {Day}, the first open day")]
    partial void LogMoved(int documents, Guid organisation, DateOnly day);
}
