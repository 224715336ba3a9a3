using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>
/// Who waits for a lock on a busy table makes everybody behind him wait too. So we wait a moment only, step back, and come again: the
/// host application's statements go first.
/// </summary>
static class PatientLocks
{
    /// <summary>Well below the second in which PostgreSQL looks for deadlocks: of two that wait for each other we give up, never the host.</summary>
    static readonly TimeSpan LockTimeout = TimeSpan.FromMilliseconds(300);
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);
    static readonly TimeSpan TellAfter = TimeSpan.FromSeconds(10);

    /// <summary>For a connection's options.</summary>
    public static string Setting => $"-c lock_timeout={(int)LockTimeout.TotalMilliseconds}";

    /// <summary>Runs something that can be repeated as a whole until it gets its locks.</summary>
    /// <exception cref="PostgresException">It did not get them in a quarter of an hour, or failed for another reason.</exception>
    public static async Task RetryAsync(Func<Task> run, string what, TextWriter log, CancellationToken cancellationToken)
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
            }
        }
    }
}

/// <summary>The host moved a row between our looking and our changing it. The transaction is rolled back; again, it is where it is found.</summary>
sealed class RowsMovedException() : Exception("Rows of xero_syncs were moved while they were being cleaned up.");
