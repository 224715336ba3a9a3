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
        await ExecuteAsync(connection, "SET TRANSACTION READ ONLY; SET LOCAL enable_nestloop = off; SET LOCAL enable_hashagg = off; SET LOCAL enable_hashjoin = off", cancellationToken);
        if (await AdoptionChecks.BusySinceAsync(connection, cancellationToken) is { } busy)
            await _log.WriteLineAsync($"{busy} The adoption itself would be refused until ten minutes after that.");
        await using var count = new NpgsqlCommand($"""
            WITH {Decide("true", "true")}, {SqlFile.Read("adoption/shared.sql")},
            marked AS (
              SELECT d.*, coalesce(d.invoice_id IN (SELECT t.id FROM twice t WHERE t.kind = 'INVOICE'), false) AS shared_invoice, coalesce(d.payment_id IN (SELECT t.id FROM twice t WHERE t.kind = 'PAYMENT'), false) AS shared_payment FROM decided d
            ),
            {SqlFile.Read("adoption/count.sql")}
            """, connection);
        var tally = await CountsAsync(count);
        var constraint = await ScalarAsync<bool>(connection, "SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'xero_syncs_payment_link_sync_type_unique' AND conrelid = 'public.xero_syncs'::regclass)", cancellationToken);
        await transaction.RollbackAsync(cancellationToken);
        return AdoptionReport.Of(tally, constraint, dryRun: true);
    }
}
