using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>The same decisions over all rows at once, in one read-only transaction.</summary>
sealed partial class Adoption
{
    /// <exception cref="MigrationRefusedException">The database lacks what an adoption needs.</exception>
    internal async Task<AdoptionReport> DryRunAsync(CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        await AdoptionChecks.RequireShapeAsync(connection, cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellationToken);
        await ExecuteAsync(connection, "SET TRANSACTION READ ONLY; SET LOCAL enable_nestloop = off", cancellationToken);
        if (await AdoptionChecks.BusySinceAsync(connection, cancellationToken) is { } busy)
            await _log.WriteLineAsync($"{busy} The adoption itself would be refused until ten minutes after that.");
        await using var count = new NpgsqlCommand($"WITH {SqlFile.Read("adoption/member_all.sql")}{SqlFile.Read("adoption/decide.sql")}{SqlFile.Read("adoption/count.sql")}", connection);
        var tally = await CountsAsync(count);
        var constraint = await ScalarAsync<bool>(connection, "SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'xero_syncs_payment_link_sync_type_unique' AND conrelid = 'public.xero_syncs'::regclass)", cancellationToken);
        await transaction.RollbackAsync(cancellationToken);
        return AdoptionReport.Of(tally, constraint, dryRun: true);
    }
}
