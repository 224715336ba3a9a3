using System.Text.Json;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>
/// Rows that wait for something in Xero go on by themselves. Where Xero's settings show that it was mended, all rows it concerns are
/// due; of what no setting shows, one row is tried each day, and when it goes through the others follow.
/// </summary>
sealed partial class Causes(NpgsqlDataSource database, SettingsReader reader, XeroConnections connections, XeroTokens tokens, CallBudget budget, Wakes wakes, Random chance, ILogger<Causes> log)
{
    const int AtOnce = 1000;
    const int ContactsAtOnce = 5;
    static readonly TimeSpan Soonest = TimeSpan.FromMinutes(5);
    static readonly TimeSpan Latest = TimeSpan.FromHours(1);
    static readonly TimeSpan JustRead = TimeSpan.FromMinutes(1);

    /// <summary>Every five minutes: a few calls for an organisation that has such rows, none for any other.</summary>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        var (woken, organisations) = (0, 0);
        foreach (var (organisation, newest) in await ListAsync(cancellationToken))
        {
            var mended = await CheckAsync(organisation, Patience(newest), cancellationToken) + await ProbeAsync(organisation, cancellationToken);
            if (mended == 0)
                continue;
            (woken, organisations) = (woken + mended, organisations + 1);
            wakes.Wake(organisation);
        }
        return $"{woken} syncs of {organisations} organisations are due again: what they waited for in Xero is mended, or may be.";
    }

    /// <summary>Looks sooner after what happened lately: a quarter of the time that has passed since, between 5 minutes and an hour.</summary>
    public static TimeSpan Patience(TimeSpan since) => since / 4 < Soonest ? Soonest : since / 4 > Latest ? Latest : since / 4;

    /// <summary>What this drain learned: refusals that contradict what was read, and rows that went through what others wait for.</summary>
    /// <returns>Whether rows became due.</returns>
    public async Task<bool> AfterDrainAsync(XeroSession session, CancellationToken stopping)
    {
        var woken = session.Recovered.Count > 0 ? await WakeRecoveredAsync(session) : 0;
        if (session.Contradicted.Count > 0)
        {
            var known = await reader.KnownAsync(session.Organisation, session.TenantId, CancellationToken.None);
            var again = session.Contradicted.Where(part => !known.Knows(part, JustRead)).ToList();
            await reader.ForgetAsync(session.TenantId, again, CancellationToken.None);
            await reader.ReadAsync(session, again, stopping);
            woken += await WakeAsync(session.Organisation, session.TenantId, JustRead, onlyToMove: true);
        }
        return woken > 0;
    }

    async Task<List<(Guid Organisation, TimeSpan Newest)>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT s.organization_id, paymentsync.now() - max(s.updated_at) FROM xero_syncs s JOIN paymentsync.connections c ON c.organization_id = s.organization_id AND c.status = 'ACTIVE'
             WHERE s.status = 'FAILED' AND s.failure_kind = 'NEEDS_ACTION' AND s.failure_code = ANY ($1) AND s.next_retry_at IS NULL GROUP BY s.organization_id ORDER BY 1
            """);
        command.Parameters.AddWithValue(Refusals.WaitingCodes);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        var organisations = new List<(Guid, TimeSpan)>();
        while (await rows.ReadAsync(cancellationToken))
            organisations.Add((rows.GetGuid(0), rows.GetFieldValue<TimeSpan>(1)));
        return organisations;
    }

    async Task<int> CheckAsync(Guid organisation, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (await connections.FindActiveAsync(organisation, cancellationToken) is not { } connection)
            return 0;
        var waiting = await WaitingForAsync(organisation, cancellationToken);
        var known = await reader.KnownAsync(organisation, connection.TenantId, cancellationToken);
        var stale = waiting.Keys.Where(part => (known.Part(part)?.AskedAgo ?? TimeSpan.MaxValue) >= patience).ToList();
        if (stale.Count > 0 && await tokens.GetAsync(connection, notThis: null, cancellationToken) is XeroTokens.Answer.Granted granted)
        {
            var session = new XeroSession(connection, $"causes:{Guid.NewGuid():N}", granted.AccessToken, tokens, budget);
            await reader.ReadAsync(session, stale.Where(part => part != SettingsPart.Contacts), cancellationToken);
            // Of many archived contacts some are looked at each time: whichever, they all have their turn.
            if (stale.Contains(SettingsPart.Contacts))
                await reader.ReadContactsAsync(session, waiting[SettingsPart.Contacts].OrderBy(_ => chance.Next()).Take(ContactsAtOnce), cancellationToken);
        }
        return await WakeAsync(organisation, connection.TenantId, patience, onlyToMove: false);
    }

    /// <returns>The parts that rows of the organisation wait for; with Contacts, their names.</returns>
    async Task<Dictionary<SettingsPart, List<string>>> WaitingForAsync(Guid organisation, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT DISTINCT failure_code, CASE WHEN failure_code = 'xero.contact_archived' THEN request_payload ->> 'contact' END FROM xero_syncs
             WHERE organization_id = $1 AND status = 'FAILED' AND failure_kind = 'NEEDS_ACTION' AND failure_code = ANY ($2) AND next_retry_at IS NULL LIMIT 1000
            """);
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(Refusals.WaitingCodes);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        var parts = new Dictionary<SettingsPart, List<string>>();
        while (await rows.ReadAsync(cancellationToken))
        {
            foreach (var part in Refusals.SeenIn(rows.GetString(0)))
            {
                var names = parts.TryGetValue(part, out var there) ? there : parts[part] = [];
                if (rows.Nullable<string>(1) is { } name)
                    names.Add(name);
            }
        }
        return parts;
    }

    /// <summary>Makes due what Xero's settings refuse no longer. A row that was tried in vain although they seemed fine waits until they change.</summary>
    /// <param name="onlyToMove">Only documents that may move to the first open day: that the rest was refused a moment ago though nothing shows why, mends nothing.</param>
    async Task<int> WakeAsync(Guid organisation, string tenant, TimeSpan notOlderThan, bool onlyToMove)
    {
        var settings = await reader.KnownAsync(organisation, tenant, CancellationToken.None);
        var mended = new List<Guid>();
        for (Guid? after = Guid.Empty; after is { } last;)
        {
            await using var command = database.CreateCommand("""
                SELECT s.id, s.sync_type, s.request_payload::text, s.failure_code, s.updated_at,
                       coalesce((SELECT a.trigger = 'RESUME' FROM paymentsync.sync_attempts a WHERE a.sync_id = s.id ORDER BY a.attempt DESC LIMIT 1), false)
                  FROM xero_syncs s
                 WHERE s.organization_id = $1 AND s.status = 'FAILED' AND s.failure_kind = 'NEEDS_ACTION' AND s.failure_code = ANY ($2) AND s.next_retry_at IS NULL AND s.document_number IS NOT NULL AND s.id > $3
                 ORDER BY s.id LIMIT $4
                """);
            command.Parameters.AddWithValue(organisation);
            command.Parameters.AddWithValue(Refusals.WaitingCodes);
            command.Parameters.AddWithValue(last);
            command.Parameters.AddWithValue(AtOnce);
            await using var rows = await command.ExecuteReaderAsync();
            var read = 0;
            for (after = null; await rows.ReadAsync(); after = ++read == AtOnce ? rows.GetGuid(0) : null)
            {
                var row = new WaitingRow(rows.GetFieldValue<XeroSyncType>(1), JsonElement.Parse(rows.GetString(2)), rows.GetString(3), rows.GetDateTime(4), rows.GetBoolean(5));
                if (IsMended(row, settings, notOlderThan, onlyToMove))
                    mended.Add(rows.GetGuid(0));
            }
        }
        if (mended.Count == 0)
            return 0;
        LogMended(mended.Count, organisation);
        await using var wake = database.CreateCommand("""
            UPDATE xero_syncs s SET next_retry_at = (SELECT paymentsync.now()) + (w.place - 1) / $2 * interval '1 minute', due_because = 'RESUME'
              FROM unnest($1) WITH ORDINALITY AS w (id, place)
             WHERE s.id = w.id AND s.status = 'FAILED' AND s.failure_kind = 'NEEDS_ACTION' AND s.next_retry_at IS NULL AND NOT paymentsync.is_held(s.failure_code)
            """);
        wake.Parameters.AddWithValue(mended.ToArray());
        wake.Parameters.AddWithValue((long)connections.Slice);
        return await wake.ExecuteNonQueryAsync();
    }

    static bool IsMended(WaitingRow row, TenantSettings settings, TimeSpan notOlderThan, bool onlyToMove)
    {
        var parts = Refusals.SeenIn(row.Code);
        if (parts.Length == 0 || !parts.All(part => settings.Knows(part, notOlderThan)))
            return false;
        var mayBeMended = !onlyToMove && !(row.TriedInVain && parts.All(part => settings.Part(part)!.ChangedAt <= row.FailedAt));
        if (parts.Contains(SettingsPart.Contacts))
            return mayBeMended && settings.HasContact(XeroDocuments.Text(row.Document, "contact")!, notOlderThan);
        return settings.Foresee(row.Type, row.Document, notOlderThan) switch
        {
            null => mayBeMended,
            // Our own policy mends it, whatever was tried before: it moves, so what is sent then is another document.
            { FirstOpenDay: not null } => true,
            _ => false,
        };
    }

    /// <summary>The oldest row of each cause that has refused nothing for a day.</summary>
    async Task<int> ProbeAsync(Guid organisation, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH oldest AS (
              SELECT DISTINCT ON (s.failure_code) s.id, max(s.updated_at) OVER (PARTITION BY s.failure_code) AS refused_at FROM xero_syncs s
               WHERE s.organization_id = $1 AND s.status = 'FAILED' AND s.failure_kind = 'NEEDS_ACTION' AND s.failure_code = ANY ($2) AND s.next_retry_at IS NULL
               ORDER BY s.failure_code, s.created_at, s.id)
            UPDATE xero_syncs s SET next_retry_at = (SELECT paymentsync.now()), due_because = 'RESUME'
              FROM oldest o WHERE s.id = o.id AND o.refused_at < (SELECT paymentsync.now()) - interval '1 day' AND s.status = 'FAILED' AND s.next_retry_at IS NULL
            """);
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(Refusals.WaitingCodes);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    async Task<int> WakeRecoveredAsync(XeroSession session)
    {
        await using var command = database.CreateCommand("""
            UPDATE xero_syncs s SET next_retry_at = (SELECT paymentsync.now()), due_because = 'RESUME'
             WHERE s.organization_id = $1 AND s.status = 'FAILED' AND s.failure_kind = 'NEEDS_ACTION' AND s.failure_code = ANY ($2) AND s.next_retry_at IS NULL AND s.updated_at < $3
            """);
        command.Parameters.AddWithValue(session.Organisation);
        command.Parameters.AddWithValue(session.Recovered.ToArray());
        command.Parameters.AddWithValue(session.RecoveredAt);
        var woken = await command.ExecuteNonQueryAsync();
        if (woken > 0)
            LogRecovered(woken, session.Organisation);
        return woken;
    }

    /// <param name="TriedInVain">Its last try came of such a check and was refused.</param>
    sealed record WaitingRow(XeroSyncType Type, JsonElement Document, string Code, DateTime FailedAt, bool TriedInVain);

    [LoggerMessage(Level = LogLevel.Information, Message = "Xero's settings refuse {Syncs} syncs of organisation {Organisation} no longer; they are due again")]
    partial void LogMended(int syncs, Guid organisation);

    [LoggerMessage(Level = LogLevel.Information, Message = "A sync of organisation {Organisation} went through where {Syncs} others were refused; they are due again")]
    partial void LogRecovered(int syncs, Guid organisation);
}
