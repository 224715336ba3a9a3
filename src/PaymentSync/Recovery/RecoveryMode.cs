using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Recovery;

/// <summary>
/// While a large recovery is under way, webhooks are accepted and replays refused: what is due already goes first, and nobody queues the same
/// rows a second time. It is no switch: it is on exactly while more than <c>Recovery:ModeThreshold</c> recovered rows are not served yet.
/// </summary>
sealed class RecoveryMode(NpgsqlDataSource database, IOptions<RecoveryOptions> options)
{
    /// <param name="Recovering">Recovered rows that are not served yet, counted up to one more than the threshold.</param>
    internal sealed record State(bool On, int Recovering);

    public async Task<State> ReadAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT paymentsync.recovering($1)");
        command.Parameters.AddWithValue(options.Value.ModeThreshold + 1);
        var recovering = (int)(await command.ExecuteScalarAsync(cancellationToken))!;
        return new State(recovering > options.Value.ModeThreshold, recovering);
    }

    /// <returns>The refusal of a replay, single or in bulk; null: it may go on.</returns>
    public async Task<ProblemHttpResult?> RefuseReplayAsync(CancellationToken cancellationToken) => await ReadAsync(cancellationToken) is { On: true }
        ? Problems.Conflict("recovery.mode", $"PaymentSync is recovering more than {options.Value.ModeThreshold} syncs, this one perhaps among them. Replay when GET /api/status says that recovery mode is over.")
        : null;
}
