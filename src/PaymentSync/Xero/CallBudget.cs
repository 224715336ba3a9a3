using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.Xero;

/// <summary>Slots for calls to one tenant, kept in PostgreSQL and shared by all nodes.</summary>
sealed class CallBudget(NpgsqlDataSource database, IOptions<XeroOptions> options)
{
    static readonly TimeSpan DayBlockedWithoutWord = TimeSpan.FromHours(1);

    /// <summary>A slot, or how long to wait and why. A slot is used for one call, then answered; unused, it is given back.</summary>
    public async Task<CallSlot> ReserveAsync(string tenant, string holder, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT slot, wait_until - paymentsync.now(), because FROM paymentsync.reserve_call($1, $2, $3, $4, $5)");
        command.Parameters.AddWithValue(tenant);
        command.Parameters.AddWithValue(holder);
        command.Parameters.AddWithValue(options.Value.SlotHold);
        command.Parameters.AddWithValue(options.Value.CallsInFlight);
        command.Parameters.AddWithValue(options.Value.CallsPerMinute);
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
        await using var command = database.CreateCommand("SELECT paymentsync.answer_call($1, $2, $3, $4)");
        command.Parameters.AddWithValue(slot.Id!.Value);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)headers?.RemainingToday ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Integer });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)blocked ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Interval });
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)why ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Nothing was called with it: it never counted.</summary>
    public async Task GiveBackAsync(CallSlot slot, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("DELETE FROM paymentsync.call_slots WHERE id = $1 AND answered_at IS NULL");
        command.Parameters.AddWithValue(slot.Id!.Value);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

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
