using Npgsql;

namespace PaymentSync.Confirmation;

/// <summary>Paid events that named no link, and whose payment no other event explained within an hour, become UNMATCHED: visible, and never purged without a person.</summary>
sealed class UnlinkedPayments(NpgsqlDataSource database)
{
    static readonly TimeSpan Patience = TimeSpan.FromHours(1);

    public async Task<long> MarkAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT paymentsync.mark_unlinked($1)");
        command.Parameters.AddWithValue(Patience);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
