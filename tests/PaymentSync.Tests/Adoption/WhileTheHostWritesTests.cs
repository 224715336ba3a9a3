using System.Collections.Concurrent;
using Npgsql;
using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Adoption;

/// <summary>The host application's webhook goes on inserting and re-queueing while its database is adopted, and notices nothing.</summary>
public sealed class WhileTheHostWritesTests(PostgresServer server)
{
    const string Insert = "INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, request_payload, retry_count, created_at, updated_at) VALUES (gen_random_uuid(), $1, $2::text::\"XeroSyncType\", 'PENDING', '{}', 0, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)";

    [Fact]
    public async Task None_of_its_statements_fails_or_waits_long_and_its_duplicates_are_archived()
    {
        var legacy = LegacyDatabase.Random(firstSeed: 4000, seeds: 30, linksEach: 40);
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        using var stop = new CancellationTokenSource();
        var (failures, longest, writes) = (new ConcurrentQueue<string>(), TimeSpan.Zero, 0L);
        var started = new TaskCompletionSource();
        var host = Enumerable.Range(0, 3).Select(number => Task.Run(async () =>
        {
            await started.Task;
            var chance = new Random(number);
            await using var connection = await OpenAsync(database, "host");
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await WriteAsync(connection, legacy.Links[chance.Next(legacy.Links.Count)].Id, chance);
                    Interlocked.Increment(ref writes);
                }
                catch (PostgresException failure)
                {
                    failures.Enqueue(failure.MessageText);
                }
            }
        })).ToList();
        var watch = Task.Run(async () =>
        {
            await started.Task;
            await using var connection = await OpenAsync(database, "watch");
            while (!stop.IsCancellationRequested)
            {
                // How long statements of the host wait for locks, by the server's own clock: a busy machine makes everything slow, but waits for nobody.
                await using var waits = new NpgsqlCommand("SELECT max(clock_timestamp() - l.waitstart) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.application_name = 'host'", connection);
                if (await waits.ExecuteScalarAsync() is TimeSpan waited && waited > longest)
                    longest = waited;
                await Task.Delay(10);
            }
        });

        var before = 0L;
        // From the moment on at which the look for a running worker is over.
        var report = (await LegacyDatabase.AdoptAsync(database, progress =>
        {
            started.TrySetResult();
            if (progress.Step is "plan" or "duplicates" or "rows" or "archive" or "constraint")
                SpinUntilWritten(() => Interlocked.Read(ref writes), before += 3);
        })).Adoption!;
        await stop.CancelAsync();
        await Task.WhenAll([.. host, watch]);

        failures.ShouldBeEmpty();
        longest.ShouldBeLessThan(TimeSpan.FromSeconds(1));
        writes.ShouldBeGreaterThan(20);
        report.Holds.ShouldBeTrue(report.ToText());
        report.InsertedMeanwhile.ShouldBeGreaterThan(0, "duplicates were inserted after their link had been cleaned up");
        var ids = await database.QueryAsync("""
            SELECT id FROM (SELECT xero_invoice_id AS id FROM xero_syncs UNION SELECT xero_payment_id FROM xero_syncs
              UNION SELECT xero_invoice_id FROM paymentsync.xero_syncs_archive UNION SELECT xero_payment_id FROM paymentsync.xero_syncs_archive) x WHERE btrim(id) <> ''
            """, reader => reader.GetString(0));
        ids.Order(StringComparer.Ordinal).ShouldBe(legacy.Rows.SelectMany(row => new[] { row.InvoiceId, row.PaymentId }).Select(LegacyModel.Id).OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        // No SUCCESS was set back by the host's re-queues.
        var successes = legacy.Rows.Where(row => row.Status == "SUCCESS").GroupBy(row => (row.Link, row.Type)).Count();
        (await database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs s WHERE status = 'SUCCESS' AND NOT EXISTS (SELECT 1 FROM paymentsync.xero_syncs_before_adoption b WHERE b.sync_id = s.id)")).ShouldBe(successes);
    }

    [Theory]
    [InlineData("duplicates")]
    [InlineData("rows")]
    public async Task A_row_that_the_host_moves_under_the_hands_of_a_batch_is_found_where_it_went(string step)
    {
        var legacy = LegacyDatabase.Of(Guid.NewGuid());
        var link = legacy.Link();
        var moved = new[] { legacy.Row(link, "INVOICE", "FAILED", error: "Xero API 500"), legacy.Row(link, "INVOICE", "SUCCESS", invoiceId: "xinv-1"), legacy.Row(link, "INVOICE", "FAILED", error: "Xero API 500") };
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        await using var host = await OpenAsync(database, "host");
        NpgsqlTransaction? transaction = null;
        var waited = Task.FromResult(false);

        var report = (await LegacyDatabase.AdoptAsync(database, progress =>
        {
            if (progress.Step != step || progress.Total > 0 || transaction is not null)
                return;
            // Every row that is still there is rewritten, and held until the batch stands before one of them.
            transaction = host.BeginTransaction();
            using var update = new NpgsqlCommand("UPDATE xero_syncs SET status = 'PENDING', updated_at = CURRENT_TIMESTAMP WHERE id = ANY ($1)", host, transaction);
            update.Parameters.AddWithValue(moved);
            update.ExecuteNonQuery();
            waited = Task.Run(() => CommitOnceWaitedForAsync(database, transaction));
        })).Adoption!;

        (await waited).ShouldBeTrue("the batch waited for the host");
        report.Holds.ShouldBeTrue(report.ToText());
        (await database.QueryAsync("SELECT id FROM xero_syncs WHERE sync_type = 'INVOICE'", reader => reader.GetGuid(0))).ShouldBe([moved[1]]);
        (await database.QueryAsync("SELECT sync_id FROM paymentsync.xero_syncs_archive", reader => reader.GetGuid(0))).ShouldBe([moved[0], moved[2]], ignoreOrder: true);
        (await database.ScalarAsync<decimal>("SELECT amount FROM xero_syncs WHERE id = $1", moved[1])).ShouldBe(120, "what stays was filled");
    }

    [Fact]
    public async Task A_host_with_a_role_of_its_own_needs_no_rights_on_tables_of_ours()
    {
        var legacy = LegacyDatabase.Of(Guid.NewGuid());
        var (known, added, late) = (legacy.Link(), legacy.Link(), legacy.Link());
        legacy.Row(known, "INVOICE", "FAILED", error: "Xero API 500");
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        var role = "host_" + Guid.NewGuid().ToString("N");
        await database.ExecuteAsync($"CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}");
        try
        {
            await using (var host = await OpenAsync(database, "host"))
            {
                async Task WriteAsync(Guid link)
                {
                    await using var insert = new NpgsqlCommand(Insert, host) { Parameters = { new() { Value = link }, new() { Value = "PAYMENT" } } };
                    await insert.ExecuteNonQueryAsync();
                    await using var requeue = new NpgsqlCommand("UPDATE xero_syncs SET status = 'PENDING', updated_at = CURRENT_TIMESTAMP", host);
                    await requeue.ExecuteNonQueryAsync();
                }
                await using (var become = new NpgsqlCommand($"SET ROLE {role}", host))
                    await become.ExecuteNonQueryAsync();

                var report = (await LegacyDatabase.AdoptAsync(database, progress =>
                {
                    if (progress is { Step: "duplicates", Total: 0 })
                        WriteAsync(added).GetAwaiter().GetResult();
                })).Adoption!;
                await WriteAsync(late);

                report.Holds.ShouldBeTrue(report.ToText());
                (await Should.ThrowAsync<PostgresException>(async () =>
                {
                    await using var read = new NpgsqlCommand("SELECT * FROM paymentsync.requests", host);
                    await read.ExecuteNonQueryAsync();
                })).SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
            }
            (await database.QueryAsync("SELECT failure_code FROM xero_syncs WHERE payment_link_id <> $1", reader => reader.GetString(0), known)).ShouldBe(["waiting.confirmation", "waiting.confirmation"]);
            (await database.ScalarAsync<long>("SELECT sum(writes)::bigint FROM paymentsync.host_writes WHERE kind LIKE 'update%'")).ShouldBe(6, "two rows first, then four, as one was made");
        }
        finally
        {
            await database.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
        }
    }

    [Fact]
    public async Task Transactions_that_stay_open_for_seconds_are_waited_for()
    {
        var legacy = LegacyDatabase.Of(Guid.NewGuid());
        legacy.Row(legacy.Link(), "INVOICE", "PENDING");
        await using var database = await server.CreateEmptyDatabaseAsync();
        await legacy.FillAsync(database.ConnectionString);
        // A foreign key to payment_links waits for its writer; an index that is built concurrently waits for whoever may still see the table without it, such as a backup.
        var holds = new List<Task>();
        void Hold(string what)
        {
            var begun = new TaskCompletionSource();
            holds.Add(HoldAsync(database, what, begun));
            begun.Task.GetAwaiter().GetResult();
        }
        Hold("LOCK TABLE payment_links IN ROW EXCLUSIVE MODE");

        var report = (await LegacyDatabase.AdoptAsync(database, progress =>
        {
            if (progress.Step is "constraint" or "guards")
                Hold("SELECT count(*) FROM organizations");
            // As a vacuum does, whoever began it.
            if (progress.Step == "report")
                Hold("LOCK TABLE xero_syncs IN SHARE UPDATE EXCLUSIVE MODE");
        })).Adoption!;

        report.Holds.ShouldBeTrue(report.ToText());
        holds.Count.ShouldBeGreaterThan(3);
        await Task.WhenAll(holds);
        (await LegacyDatabase.AdoptAsync(database)).Applied.ShouldBeEmpty();
    }

    /// <summary>Does something in a transaction that stays open for two seconds.</summary>
    static async Task HoldAsync(PostgresDatabase database, string what, TaskCompletionSource begun)
    {
        await using var connection = await OpenAsync(database, "backup");
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await using var command = new NpgsqlCommand(what, connection, transaction);
        await command.ExecuteNonQueryAsync();
        begun.SetResult();
        await Task.Delay(TimeSpan.FromSeconds(2));
        await transaction.CommitAsync();
    }

    static async Task<bool> CommitOnceWaitedForAsync(PostgresDatabase database, NpgsqlTransaction transaction)
    {
        for (var look = 0; look < 5000; look++)
        {
            if (await database.ScalarAsync<bool>("SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.application_name = 'PaymentSync migrate' AND a.datname = current_database())"))
            {
                await transaction.CommitAsync();
                return true;
            }
            await Task.Delay(2);
        }
        await transaction.RollbackAsync();
        return false;
    }

    /// <summary>As Prisma does without a constraint to name: look, then update or insert. Now and then two of them look at the same moment, and both insert.</summary>
    static async Task WriteAsync(NpgsqlConnection connection, Guid link, Random chance)
    {
        var type = chance.Next(2) == 0 ? "INVOICE" : "PAYMENT";
        await using var transaction = await connection.BeginTransactionAsync();
        await using var find = new NpgsqlCommand("SELECT id FROM xero_syncs WHERE payment_link_id = $1 AND sync_type = $2::text::\"XeroSyncType\" LIMIT 1", connection) { Parameters = { new() { Value = link }, new() { Value = type } } };
        var found = await find.ExecuteScalarAsync();
        if (found is Guid id && chance.Next(3) > 0)
        {
            await using var requeue = new NpgsqlCommand("UPDATE xero_syncs SET status = 'PENDING', retry_count = 0, error_message = NULL, next_retry_at = CURRENT_TIMESTAMP, updated_at = CURRENT_TIMESTAMP WHERE id = $1", connection) { Parameters = { new() { Value = id } } };
            await requeue.ExecuteNonQueryAsync();
        }
        else if (found is null || !await HasConstraintAsync(connection))
        {
            await using var insert = new NpgsqlCommand(Insert, connection) { Parameters = { new() { Value = link }, new() { Value = type } } };
            await insert.ExecuteNonQueryAsync();
        }
        else
        {
            await using var upsert = new NpgsqlCommand(Insert + " ON CONFLICT (payment_link_id, sync_type) DO UPDATE SET status = 'PENDING', updated_at = CURRENT_TIMESTAMP RETURNING id", connection)
            { Parameters = { new() { Value = link }, new() { Value = type } } };
            await upsert.ExecuteScalarAsync();
        }
        await transaction.CommitAsync();
    }

    static async Task<bool> HasConstraintAsync(NpgsqlConnection connection)
    {
        await using var look = new NpgsqlCommand("SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'xero_syncs_payment_link_sync_type_unique')", connection);
        return (bool)(await look.ExecuteScalarAsync())!;
    }

    static void SpinUntilWritten(Func<long> writes, long atLeast) => SpinWait.SpinUntil(() => writes() >= atLeast, TimeSpan.FromSeconds(5));

    static async Task<NpgsqlConnection> OpenAsync(PostgresDatabase database, string name)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Pooling = false, ApplicationName = name, CommandTimeout = 120 }.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }
}
