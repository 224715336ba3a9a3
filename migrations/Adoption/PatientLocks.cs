using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>
/// Who waits for a lock on a busy table makes everybody behind him wait too. So we wait a moment only, step back, and come again: the
/// host application's statements go first.
/// </summary>
sealed class PatientLocks(string connectionString, TextWriter log)
{
    /// <summary>Well below the second in which PostgreSQL looks for deadlocks: of two that wait for each other we give up, never the host.</summary>
    static readonly TimeSpan LockTimeout = TimeSpan.FromMilliseconds(300);
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);
    static readonly TimeSpan TellAfter = TimeSpan.FromSeconds(10);

    /// <summary>For a connection's options.</summary>
    public static string Setting => $"-c lock_timeout={(int)LockTimeout.TotalMilliseconds}";

    /// <summary>Runs something that can be repeated as a whole until it gets its locks.</summary>
    /// <exception cref="PostgresException">It did not get them in a quarter of an hour, or failed for another reason.</exception>
    public async Task RetryAsync(Func<Task> run, string what, CancellationToken cancellationToken)
    {
        var began = System.Diagnostics.Stopwatch.StartNew();
        for (var (pause, told) = (100, false); ; pause = Math.Min(pause * 2, 1000))
        {
            try
            {
                await run();
                return;
            }
            catch (Exception busy) when (began.Elapsed < Patience
                                         && busy is RowsMovedException or PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected })
            {
                if (!told && began.Elapsed > TellAfter)
                {
                    told = true;
                    await log.WriteLineAsync($"Waiting for a moment in which no transaction of the host stands in the way of {what}.");
                }
                await Task.Delay(pause, cancellationToken);
                if (busy is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable })
                    await MakeVacuumsYieldAsync(cancellationToken);
            }
        }
    }

    /// <summary>
    /// The vacuum of a large table takes hours, but ends at once when PostgreSQL began it by itself and somebody waits for its lock longer than for a deadlock (a second).
    /// So wait that long once, for a lock that no statement of the host waits behind.
    /// </summary>
    async Task MakeVacuumsYieldAsync(CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var yield = new NpgsqlCommand("BEGIN; SET LOCAL lock_timeout = '3s'; LOCK TABLE public.xero_syncs, public.payment_links, public.organizations IN SHARE UPDATE EXCLUSIVE MODE; COMMIT", connection);
        try
        {
            await yield.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException stays) when (stays.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.UndefinedTable)
        {
            // A person began it, or it must not be put off any more: then it is waited for. (And the first of our own migrations makes these tables.)
        }
    }
}

/// <summary>The host moved a row between our looking and our changing it. The transaction is rolled back; again, it is where it is found.</summary>
sealed class RowsMovedException() : Exception("Rows of xero_syncs were moved while they were being cleaned up.");
