using Npgsql;

namespace PaymentSync.Confirmation;

/// <summary>
/// Paid events that named no link, and whose payment no other event explained within an hour, become UNMATCHED: visible, and never purged
/// without a person. So does, after a day, what a host application inserted and nobody confirmed.
/// </summary>
sealed class UnlinkedPayments(NpgsqlDataSource database)
{
    static readonly TimeSpan Patience = TimeSpan.FromHours(1);
    static readonly TimeSpan PatienceWithHost = TimeSpan.FromHours(24);

    public async Task<long> MarkAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT paymentsync.mark_unlinked($1), paymentsync.hold_unconfirmed($2)");
        command.Parameters.AddWithValue(Patience);
        command.Parameters.AddWithValue(PatienceWithHost);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
