using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Recovery;

namespace PaymentSync.Jobs;

/// <summary>Drains organisations as they are woken, many at once and each by one drain; sweeps for what no wake told.</summary>
sealed partial class Worker(Wakes wakes, Drain drain, Sweep sweep, RecoveryRun recovery, IHostApplicationLifetime lifetime, IOptions<WorkerOptions> options, ILogger<Worker> log)
    : BackgroundService
{
    readonly ConcurrentDictionary<Guid, Task> _draining = new();
    bool _recovered;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Value.Enabled)
            return;
        // From the signal on, not only when the web server has seen off its last client: nothing is claimed any more.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, lifetime.ApplicationStopping);
        using var places = new SemaphoreSlim(options.Value.MaxDrains);
        var sweeping = EveryAsync(options.Value.SweepInterval, SweepAsync, stop.Token);
        var recovering = EveryAsync(options.Value.RecoveryInterval, RecoverAsync, stop.Token);
        await DrainAsync(places, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        wakes.Stop();
        await Task.WhenAll([sweeping, recovering, .. _draining.Values]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    async Task DrainAsync(SemaphoreSlim places, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            var organisation = await wakes.NextAsync(stopping);
            var before = _draining.GetValueOrDefault(organisation, Task.CompletedTask);
            _draining[organisation] = DrainOneAsync(organisation, before, places, stopping);
        }
    }

    async Task DrainOneAsync(Guid organisation, Task before, SemaphoreSlim places, CancellationToken stopping)
    {
        // Payments that come together go to Xero together.
        await Task.WhenAll(before, Task.Delay(options.Value.WakeDelay, stopping)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await places.WaitAsync(stopping);
        var drained = wakes.Starting(organisation);
        try
        {
            var result = await drain.RunAsync(organisation, stopping);
            drained.SetResult(result);
            if (result.More)
                wakes.Wake(organisation);
            else if (result.Wait is { } wait)
                _ = WakeLaterAsync(organisation, wait, stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Stopping, before anything was claimed: from there on a drain is not broken off, it ends by itself.
            drained.TrySetCanceled(stopping);
        }
        catch (Exception problem)
        {
            // One organisation's trouble must not stop the others; its rows come back by their leases.
            drained.TrySetException(problem);
            LogDrainFailed(problem, organisation);
        }
        finally
        {
            places.Release();
        }
    }

    async Task WakeLaterAsync(Guid organisation, TimeSpan wait, CancellationToken stopping)
    {
        await Task.Delay(wait, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        wakes.Wake(organisation);
    }

    async Task SweepAsync(CancellationToken stopping)
    {
        foreach (var organisation in await sweep.RunAsync(stopping))
            wakes.Wake(organisation);
    }

    async Task RecoverAsync(CancellationToken stopping)
    {
        await recovery.RunAsync(_recovered ? "TIMER" : "START", dryRun: false, stopping);
        _recovered = true;
    }

    async Task EveryAsync(TimeSpan interval, Func<CancellationToken, Task> run, CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(interval);
        do
        {
            try
            {
                await run(stopping);
            }
            catch (Exception problem) when (DatabaseSetup.IsUnavailable(problem) || problem is PostgresException)
            {
                LogSweepFailed(problem.Message);
            }
            catch (Exception problem) when (!stopping.IsCancellationRequested)
            {
                // A defect, but the sweep is what every other wake may fail to: it must not end unseen while the node goes on.
                LogSweepBroke(problem);
            }
        }
        while (await timer.WaitForNextTickAsync(stopping));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Draining organisation {Organisation} failed; its rows come back when their leases run out")]
    partial void LogDrainFailed(Exception problem, Guid organisation);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database did not answer the sweep ({Problem}); trying again at the next one")]
    partial void LogSweepFailed(string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "A sweep failed; trying again at the next one")]
    partial void LogSweepBroke(Exception problem);
}
