using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;

namespace PaymentSync.Xero;

/// <summary>Slots for calls to one tenant, kept in PostgreSQL and shared by all nodes.</summary>
sealed class CallBudget(NpgsqlDataSource database, IOptions<XeroOptions> options)
{
    static readonly TimeSpan DayBlockedWithoutWord = TimeSpan.FromHours(1);

    /// <summary>A slot, or how long to wait and why. A slot is used for one call, then answered; unused, it is given back.</summary>
    /// <param name="forLook">A look-up or an operator's call: it may use the reserve of the minute and of the day.</param>
    public async Task<CallSlot> ReserveAsync(string tenant, string holder, bool forLook, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT slot, wait_until - paymentsync.now(), because FROM paymentsync.reserve_call($1, $2, $3, $4, $5, $6, $7, $8, $9)");
        command.Parameters.AddWithValue(tenant);
        command.Parameters.AddWithValue(holder);
        command.Parameters.AddWithValue(forLook);
        command.Parameters.AddWithValue(options.Value.SlotHold);
        command.Parameters.AddWithValue(options.Value.CallsInFlight);
        command.Parameters.AddWithValue(options.Value.CallsPerMinute);
        command.Parameters.AddWithValue(options.Value.MinuteReserve);
        command.Parameters.AddWithValue(options.Value.CallsPerDay);
        command.Parameters.AddWithValue(options.Value.DayReserve);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new CallSlot(reader.NullableValue<long>(0), reader.NullableValue<TimeSpan>(1), reader.Nullable<string>(2));
    }

    /// <summary>The call ended, one way or another: the slot frees 60 s from now, and what Xero said of its limits is obeyed.</summary>
    public async Task AnsweredAsync(CallSlot slot, XeroReply reply, CancellationToken cancellationToken)
    {
        if (reply is XeroReply.NotSent)
        {
            await GiveBackAsync(slot, cancellationToken);
            return;
        }
        var headers = reply switch { XeroReply.Answered answered => answered.Headers, XeroReply.Unknown unknown => unknown.Headers, _ => null };
        var (blocked, why) = Blocked(reply);
        await using var command = database.CreateCommand("SELECT paymentsync.answer_call($1, $2, $3, $4, $5)");
        command.Parameters.AddWithValue(slot.Id!.Value);
        command.Parameters.Add(Optional(headers?.RemainingToday, NpgsqlDbType.Integer));
        command.Parameters.Add(Optional(headers?.AppRemainingThisMinute, NpgsqlDbType.Integer));
        command.Parameters.Add(Optional(blocked, NpgsqlDbType.Interval));
        command.Parameters.Add(Optional(why, NpgsqlDbType.Text));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Nothing was called with it: it never counted.</summary>
    public async Task GiveBackAsync(CallSlot slot, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT paymentsync.give_back_call($1)");
        command.Parameters.AddWithValue(slot.Id!.Value);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Whether to wait for a fuller batch: the day's calls run short (less than a quarter is left), fewer rows are due than fill a call,
    /// and none of them has waited for long.
    /// </summary>
    public async Task<bool> ShouldLingerAsync(Guid organisation, string tenant, TimeSpan linger, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT paymentsync.calls_left_today($1, $2) < $2 / 4 AND d.rows > 0 AND d.rows < $3 AND d.oldest > (SELECT paymentsync.now()) - $5
              FROM (SELECT count(*) AS rows, min(next_retry_at) AS oldest FROM (
                SELECT s.next_retry_at FROM xero_syncs s WHERE s.organization_id = $4 AND s.status IN ('PENDING', 'FAILED') AND s.next_retry_at <= (SELECT paymentsync.now()) LIMIT $3) due) d
            """);
        command.Parameters.AddWithValue(tenant);
        command.Parameters.AddWithValue(options.Value.CallsPerDay);
        command.Parameters.AddWithValue(options.Value.BatchSize);
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(linger);
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    static NpgsqlParameter Optional(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };

    /// <summary>How long a 429 keeps everybody off this tenant. Xero names the seconds for minute and day, not for too many in flight.</summary>
    static (TimeSpan? For, string? Why) Blocked(XeroReply reply) => reply is not XeroReply.Answered { Status: 429, Headers: var headers }
        ? (null, null)
        : headers.LimitProblem?.ToUpperInvariant() switch
        {
            "DAY" => (headers.RetryAfter ?? DayBlockedWithoutWord, "day"),
            "CONCURRENT" => (headers.RetryAfter ?? TimeSpan.FromSeconds(1), "in flight"),
            _ => (headers.RetryAfter ?? TimeSpan.FromSeconds(60), "minute"),
        };
}

/// <param name="Id">Null: no call now.</param>
sealed record CallSlot(long? Id, TimeSpan? Wait, string? Because)
{
    public bool IsGranted => Id is not null;
}
