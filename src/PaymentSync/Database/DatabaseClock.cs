using System.Diagnostics;
using Npgsql;

namespace PaymentSync.Database;

/// <summary>
/// The node's clock: its monotonic clock plus an offset sampled from the database, so that a skewed wall clock on one
/// node changes neither webhook tolerance nor token expiry. Before the first sample it is the system's clock.
/// </summary>
sealed partial class DatabaseClock(NpgsqlDataSource database, ILogger<DatabaseClock> log) : TimeProvider, IHostedService, IDisposable
{
    static readonly TimeSpan SampleEvery = TimeSpan.FromSeconds(10);
    readonly CancellationTokenSource _stopping = new();
    Task _sampling = Task.CompletedTask;
    Sample _sample = new(System.GetUtcNow(), Stopwatch.GetTimestamp());

    sealed record Sample(DateTimeOffset Time, long Timestamp);

    public override DateTimeOffset GetUtcNow()
    {
        var sample = Volatile.Read(ref _sample);
        return sample.Time + Stopwatch.GetElapsedTime(sample.Timestamp);
    }

    /// <summary>Asks the database once. The error is at most half the round trip.</summary>
    public async Task SampleAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT paymentsync.now()");
        var before = Stopwatch.GetTimestamp();
        var time = (DateTime)(await command.ExecuteScalarAsync(cancellationToken))!;
        var middle = before + ((Stopwatch.GetTimestamp() - before) / 2);
        Volatile.Write(ref _sample, new Sample(new DateTimeOffset(time, TimeSpan.Zero), middle));
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await TrySampleAsync(cancellationToken);
        _sampling = KeepSamplingAsync();
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await _sampling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _stopping.Dispose();

    async Task KeepSamplingAsync()
    {
        using var timer = new PeriodicTimer(SampleEvery);
        while (await timer.WaitForNextTickAsync(_stopping.Token))
            await TrySampleAsync(_stopping.Token);
    }

    async Task TrySampleAsync(CancellationToken cancellationToken)
    {
        try
        {
            await SampleAsync(cancellationToken);
        }
        catch (Exception problem) when (DatabaseSetup.IsUnavailable(problem) || problem is PostgresException)
        {
            LogNotSampled(problem.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database did not tell the time ({Problem}); going on with the last sample")]
    partial void LogNotSampled(string problem);
}
