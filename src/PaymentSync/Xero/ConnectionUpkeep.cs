using System.Diagnostics;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Jobs;

namespace PaymentSync.Xero;

/// <summary>
/// What connections need while nobody uses them: a refresh now and then, another try where Xero was silent, a warning in time, and
/// rows that a lost race left waiting for a connection that is there.
/// </summary>
sealed partial class ConnectionUpkeep(NpgsqlDataSource database, XeroConnections connections, XeroTokens tokens, ConnectionMetrics metrics, Wakes wakes,
    TimeProvider time, ILogger<ConnectionUpkeep> log)
{
    /// <summary>Leaves 53 days in which the whole installation may be switched off.</summary>
    static readonly TimeSpan RefreshAfter = TimeSpan.FromDays(7);

    static readonly TimeSpan LongestRun = TimeSpan.FromMinutes(2);

    /// <returns>A sentence that says what it did.</returns>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        var refreshed = await RefreshAsync(await connections.ListIdleAsync(RefreshAfter, cancellationToken), cancellationToken);
        var back = await RefreshAsync(await connections.ListUnansweredAsync(cancellationToken), cancellationToken);
        var warned = await WarnAsync(cancellationToken);
        var woken = await WakeStrandedAsync(cancellationToken);
        return $"{refreshed} idle connections were renewed, {back} that had got no answer are back, {warned} warnings were given, {woken} waiting syncs were woken.";
    }

    async Task<int> RefreshAsync(List<XeroConnection> idle, CancellationToken cancellationToken)
    {
        var renewed = 0;
        var started = Stopwatch.GetTimestamp();
        // While Xero is silent each takes a call's whole time-out; the rest is for the next run, the most urgent first.
        foreach (var connection in idle.TakeWhile(_ => Stopwatch.GetElapsedTime(started) < LongestRun))
        {
            if (await tokens.GetAsync(connection, notThis: null, cancellationToken) is not XeroTokens.Answer.Granted)
                continue;
            renewed++;
            wakes.Wake(connection.OrganisationId);
        }
        return renewed;
    }

    async Task<int> WarnAsync(CancellationToken cancellationToken)
    {
        var dying = new List<(Guid Organisation, DateTimeOffset By)>();
        await using (var read = database.CreateCommand(
            "SELECT organization_id, reconnect_by FROM paymentsync.connections WHERE status = 'ACTIVE' AND reconnect_by IS NOT NULL ORDER BY reconnect_by"))
        {
            await using var reader = await read.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
                dying.Add((reader.GetGuid(0), reader.GetFieldValue<DateTimeOffset>(1)));
        }
        var now = time.GetUtcNow();
        var warned = 0;
        foreach (var (organisation, by) in dying)
        {
            if (ReconnectWarning.Of(by - now) is not { } days || !await NoteAsync(organisation, by, days, cancellationToken))
                continue;
            warned++;
            metrics.Warned(days);
            LogDies(organisation, days, by);
        }
        return warned;
    }

    /// <returns>False when this warning was given already.</returns>
    async Task<bool> NoteAsync(Guid organisation, DateTimeOffset by, int days, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "UPDATE paymentsync.connections SET warned_days = $3 WHERE organization_id = $1 AND reconnect_by = $2 AND (warned_days IS NULL OR warned_days > $3)");
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(by);
        command.Parameters.AddWithValue(days);
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <summary>A sweep that began before a connection was made may refuse rows after it: they would wait for ever.</summary>
    async Task<int> WakeStrandedAsync(CancellationToken cancellationToken)
    {
        var stranded = new List<Guid>();
        await using var connected = await database.OpenConnectionAsync(cancellationToken);
        await using (var read = new NpgsqlCommand("""
            SELECT c.organization_id FROM paymentsync.connections c
             WHERE c.status = 'ACTIVE' AND EXISTS (
               SELECT 1 FROM xero_syncs s WHERE s.organization_id = c.organization_id AND s.status = 'FAILED' AND s.failure_code = 'xero.no_connection' AND s.next_retry_at IS NULL)
            """, connected))
        {
            await using var reader = await read.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
                stranded.Add(reader.GetGuid(0));
        }
        var woken = 0;
        foreach (var organisation in stranded)
        {
            woken += await ConnectionRows.WakeAsync(connected, organisation, connections.Slice, onlyUnconnected: true, cancellationToken);
            wakes.Wake(organisation);
        }
        return woken;
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The Xero token of organisation {Organisation} dies within {Days} days, on {By:u}, and could not be renewed; connect the organisation again before")]
    partial void LogDies(Guid organisation, int days, DateTimeOffset by);
}
