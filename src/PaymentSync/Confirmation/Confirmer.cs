using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;
using PaymentSync.Jobs;

namespace PaymentSync.Confirmation;

/// <summary>One fact about one payment, whoever tells it.</summary>
/// <param name="Provider">STRIPE, HEDERA, … in capitals, as in the clearing accounts.</param>
/// <param name="Account">The provider's account it happened on, or "self".</param>
/// <param name="Fact">paid, unpaid, failed or expired.</param>
/// <param name="Amount">Major units; at most two decimals.</param>
/// <param name="Currency">Three capital letters; null when a fact without money names none.</param>
/// <param name="LinkReference">Our link's id as the provider repeats it; null when it names none.</param>
/// <param name="StripePaymentLink">plink_…, or null.</param>
/// <param name="Body">The bytes as received; kept only while somebody may still need them.</param>
/// <param name="ByPerson">A person named the link, not the provider: which account told it does not matter then.</param>
sealed record Fact(string Provider, string Account, string SourceEventId, string EventType, string Told, string ProviderPaymentId, decimal Amount, string? Currency,
    DateTimeOffset OccurredAt, string? LinkReference, string? StripePaymentLink, ReadOnlyMemory<byte> Body, bool ByPerson = false);

/// <summary>What became of a fact.</summary>
/// <param name="Outcome">COMPLETED, DUPLICATE, SUPERSEDED, UNMATCHED, IGNORED or NEEDS_ACTION.</param>
/// <param name="Reason">A stable code, or null.</param>
sealed record Heard(string Outcome, string? Reason, string? Message, Guid? EventId, Guid? PaymentLinkId, Guid? OrganisationId, IReadOnlyList<Guid> QueuedSyncs)
{
    public bool NeedsAction => Outcome == "NEEDS_ACTION";
}

/// <summary>Makes sure: claims the fact, upserts the two sync rows, and wakes whoever tells Xero. One round trip, one transaction, nothing else inside it.</summary>
sealed partial class Confirmer(NpgsqlDataSource database, Wakes wakes, IJobEngine engine, Microsoft.Extensions.Options.IOptions<WorkerOptions> worker, ILogger<Confirmer> log)
{
    /// <exception cref="PostgresException">SQLSTATE PS503: the fact could not be recorded and no rows hold this payment; the provider must tell it again.</exception>
    public async Task<Heard> HearAsync(Fact fact, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT * FROM paymentsync.confirm($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)");
        command.Parameters.AddWithValue(fact.Provider);
        command.Parameters.AddWithValue(fact.Account);
        command.Parameters.AddWithValue(fact.SourceEventId);
        command.Parameters.AddWithValue(fact.EventType);
        command.Parameters.AddWithValue(fact.Told);
        command.Parameters.AddWithValue(fact.ProviderPaymentId);
        command.Parameters.AddWithValue(fact.Amount);
        command.Parameters.Add(Text(fact.Currency));
        command.Parameters.AddWithValue(fact.OccurredAt.UtcDateTime);
        var named = Guid.TryParse(fact.LinkReference, out var link);
        command.Parameters.Add(new NpgsqlParameter { Value = named ? link : DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        // However it was written, it is kept in the form that the registration of the link looks for.
        command.Parameters.Add(Text(named ? link.ToString() : fact.LinkReference));
        command.Parameters.Add(Text(fact.StripePaymentLink));
        command.Parameters.Add(new NpgsqlParameter { Value = fact.Body, NpgsqlDbType = NpgsqlDbType.Bytea });
        command.Parameters.AddWithValue(fact.ByPerson);
        return await TellAsync(command, fact.ProviderPaymentId, cancellationToken);
    }

    /// <summary>The ordinary road once more for a kept event.</summary>
    /// <param name="link">The link a person attached it to; null: the one it names.</param>
    /// <returns>Null when there is no such event, or it is not one that can be heard again.</returns>
    public async Task<Heard?> HearAgainAsync(Guid eventId, Guid? link, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT * FROM paymentsync.hear_again($1, $2)");
        command.Parameters.AddWithValue(eventId);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)link ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        var heard = await TellAsync(command, eventId.ToString(), cancellationToken);
        return heard.Outcome.Length == 0 ? null : heard;
    }

    /// <summary>A link became known: the events that waited for it are heard again.</summary>
    /// <returns>How many found it.</returns>
    public async Task<int> HearWaitingAsync(Guid link, string? stripePaymentLink, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "SELECT id FROM paymentsync.events WHERE status = 'UNMATCHED' AND (link_reference = $1 OR stripe_payment_link = $2) ORDER BY received_at, id");
        command.Parameters.AddWithValue(link.ToString());
        command.Parameters.Add(Text(stripePaymentLink));
        var waiting = new List<Guid>();
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
                waiting.Add(reader.GetGuid(0));
        }
        var found = 0;
        foreach (var waits in waiting)
        {
            if (await HearAgainAsync(waits, link: null, cancellationToken) is { Outcome: not "UNMATCHED" })
                found++;
        }
        return found;
    }

    async Task<Heard> TellAsync(NpgsqlCommand command, string payment, CancellationToken cancellationToken)
    {
        Heard heard;
        string? claimError;
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            await reader.ReadAsync(cancellationToken);
            heard = new Heard(reader.Nullable<string>(0) ?? "", reader.Nullable<string>(1), reader.Nullable<string>(2), reader.NullableValue<Guid>(3), reader.NullableValue<Guid>(4),
                reader.NullableValue<Guid>(5), Queued(reader, 6));
            claimError = reader.Nullable<string>(7);
        }
        if (claimError is not null)
            LogNotRecorded(payment, claimError);
        if (heard.Outcome == "DUPLICATE" && heard.Reason is null && heard.PaymentLinkId is not null)
            LogIdempotent(payment, heard.PaymentLinkId.Value);
        else if (heard.NeedsAction)
            LogNeedsAction(payment, heard.Reason!, heard.PaymentLinkId);
        if (heard is { QueuedSyncs.Count: > 0, OrganisationId: { } organisation })
            await WakeAsync(organisation, cancellationToken);
        return heard;
    }

    async Task WakeAsync(Guid organisation, CancellationToken cancellationToken)
    {
        if (worker.Value.Enabled)
        {
            wakes.Wake(organisation);
            return;
        }
        try
        {
            await engine.WakeAsync(organisation, cancellationToken);
        }
        catch (Exception problem) when (problem is not OperationCanceledException)
        {
            // Whatever it is that an engine throws: the rows are committed, and the sweep of a worker finds them.
            LogNotWoken(organisation, problem.Message);
        }
    }

    static Guid[] Queued(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? [] : reader.GetFieldValue<Guid[]>(column);

    static NpgsqlParameter Text(string? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };

    [LoggerMessage(Level = LogLevel.Information, Message = "Xero sync queued (idempotent): payment {Payment} of link {PaymentLinkId} was confirmed before; its rows stay as they are unless they failed")]
    partial void LogIdempotent(string payment, Guid paymentLinkId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Payment {Payment} needs a person ({Reason}); link {PaymentLinkId} is unchanged")]
    partial void LogNeedsAction(string payment, string reason, Guid? paymentLinkId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The event of payment {Payment} could not be recorded ({Problem}); its sync rows hold the payment, going on")]
    partial void LogNotRecorded(string payment, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The job engine did not wake organisation {Organisation} ({Problem}); a sweep will")]
    partial void LogNotWoken(Guid organisation, string problem);
}
