using System.Diagnostics;
using Microsoft.Extensions.Options;
using Npgsql;

namespace PaymentSync.Confirmation;

/// <summary>
/// Builds the documents of rows that waited for their organisation's settings, a slice of rows in a transaction of its own: each keeps the
/// organisation's confirmations waiting only so long, and broken off anywhere it goes on where it stopped. The request that saved the
/// settings begins it, the sweep goes on with what that left.
/// </summary>
sealed partial class WaitingDocuments(NpgsqlDataSource database, IOptions<WaitingDocumentsOptions> options, ILogger<WaitingDocuments> log)
{
    /// <summary>In the transaction that saves the settings: from its commit on, all rows of the organisation that have no document are to be looked at.</summary>
    public static async Task BeginAsync(NpgsqlConnection connection, Guid organisation, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            INSERT INTO paymentsync.freezing AS f (organization_id, began_at) VALUES ($1, paymentsync.now())
            ON CONFLICT (organization_id) DO UPDATE SET began_at = excluded.began_at, built = excluded.built, after_created_at = excluded.after_created_at, after_id = excluded.after_id
            """, connection) { Parameters = { new() { Value = organisation } } };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>As many slices as the time of a request allows, one at least.</summary>
    public async Task BuildAsync(Guid organisation, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        while (await BuildSliceAsync(organisation, cancellationToken) && clock.Elapsed < options.Value.RequestTime)
        {
        }
    }

    /// <returns>False: nothing is left, somebody else is at it, or the database broke it off; the next sweep tries again.</returns>
    public async Task<bool> BuildSliceAsync(Guid organisation, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT paymentsync.freeze_slice($1, $2)");
        command.Parameters.AddWithValue(organisation);
        command.Parameters.AddWithValue(options.Value.Slice);
        try
        {
            return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
        }
        catch (NpgsqlException problem)
        {
            // The settings are saved all the same, and other organisations' rows must not wait for these.
            LogBrokenOff(problem, organisation);
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Documents that waited for the settings of organisation {OrganizationId} could not be built; the next sweep tries again")]
    partial void LogBrokenOff(Exception problem, Guid organizationId);
}
