using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>One row for each link and type, from now on by constraint, built while the host goes on writing.</summary>
sealed partial class Adoption
{
    const int TriesAtConstraint = 50;

    async Task ConstraintAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (await ScalarAsync<bool>(connection, """
            SELECT EXISTS (SELECT 1 FROM pg_constraint c JOIN pg_index i ON i.indexrelid = c.conindid
                            WHERE c.conname = 'xero_syncs_payment_link_sync_type_unique' AND c.conrelid = 'public.xero_syncs'::regclass AND i.indisvalid)
            """, cancellationToken))
        {
            // Of the host's own clean-up; or ours, when the last run was killed between building it and saying so.
            await ExecuteAsync(connection, "UPDATE paymentsync.adoption SET constraint_was_there = NOT EXISTS (SELECT 1 FROM paymentsync.adoption_steps WHERE step = 'constraint begun')", cancellationToken);
            return;
        }
        await ExecuteAsync(connection, Done("constraint begun"), cancellationToken);
        // An interrupted building leaves an index that is of no use; so may the host's clean-up have done, under our name.
        await AloneAsync(connection, "DROP INDEX CONCURRENTLY IF EXISTS xero_syncs_payment_link_sync_type_unique", cancellationToken);
        await ExecuteAsync(connection, SqlFile.Read("adoption/no_more_duplicates.sql"), cancellationToken);
        for (var tried = 1; ; tried++)
        {
            await LateRowsAsync(connection, cancellationToken);
            Tell("constraint");
            try
            {
                await StatementsAsync(connection, "04_xero_syncs_constraint.sql", cancellationToken);
                break;
            }
            catch (PostgresException duplicate) when (duplicate.SqlState == PostgresErrorCodes.UniqueViolation && tried < TriesAtConstraint)
            {
                await _log.WriteLineAsync("A duplicate was inserted while the constraint was built; archiving it and building again.");
            }
        }
    }

    Task LateRowsAsync(NpgsqlConnection connection, CancellationToken cancellationToken) => _locks.RetryAsync(async () =>
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var late = await ScalarAsync<long>(connection, SqlFile.Read("adoption/late.sql").Replace("{other_columns}", await OtherColumnsAsync(connection, cancellationToken), StringComparison.Ordinal), cancellationToken);
        await AddTallyAsync(connection, new Dictionary<string, long>(StringComparer.Ordinal) { ["late"] = late }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }, "archiving late duplicates", cancellationToken);
}
