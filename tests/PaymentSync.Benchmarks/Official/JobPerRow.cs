using System.Diagnostics;
using Hangfire;
using Hangfire.AspNetCore;
using Hangfire.States;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PaymentSync.Jobs;
using PaymentSync.OfficialSdks;
using PaymentSync.OfficialSdks.Jobs;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Benchmarks;

static partial class DrainBenchmark
{
    // As many as Xero allows in flight.
    const int Workers = 5;

    static partial void MeasureJobPerRow(PostgresServer server, int rows, List<DrainFigures> all, ref Task measuring) => measuring = JobPerRowAsync(server, rows, all);

    static async Task JobPerRowAsync(PostgresServer server, int rows, List<DrainFigures> all)
    {
        await using var world = await PaidAsync(server, rows, "Hangfire");
        var hangfire = world.Service.Services.GetRequiredService<HangfireStorage>();
        await World.EventuallyAsync(async () => await world.Database.ScalarAsync<string>("SELECT to_regclass('hangfire.jobqueue')::text") is not null, "Hangfire has its tables", TimeSpan.FromSeconds(60));
        // The wakes of the payments: here it is one job for each row.
        await world.Database.ExecuteAsync("DELETE FROM hangfire.jobqueue; DELETE FROM hangfire.job");
        var organisation = world.Organisation.ToString();

        using var commands = new CommandCounter();
        var transactions = await TransactionsAsync(world);
        var calls = await CallsAsync(world);
        var queueing = Stopwatch.StartNew();
        await Parallel.ForAsync(0, rows / 2, new ParallelOptions { MaxDegreeOfParallelism = Workers }, (_, _) =>
        {
            hangfire.Client.Create<SyncOneRow>(job => job.RunAsync(organisation, nameof(XeroSyncType.INVOICE)), new EnqueuedState(HangfireStorage.Queue));
            return ValueTask.CompletedTask;
        });
        var queued = queueing.Elapsed;
        var clock = Stopwatch.StartNew();
        long looks = 0;
        using (new BackgroundJobServer(new BackgroundJobServerOptions
        {
            WorkerCount = Workers,
            FilterProvider = hangfire.Filters,
            Activator = new AspNetCoreJobActivator(world.Service.Services.GetRequiredService<IServiceScopeFactory>()),
        }, hangfire.Storage))
        {
            while (await LeftAsync(world) > 0)
            {
                looks++;
                if (clock.Elapsed > TimeSpan.FromMinutes(10))
                    throw new TimeoutException("One job for each row did not come to its end in ten minutes.");
                await Task.Delay(50);
            }
        }
        var took = clock.Elapsed;
        await ShouldBeBookedAsync(world, rows);
        all.Add(new("one Hangfire job per row", rows, queued, took, commands.Count - looks - 2, await TransactionsAsync(world) - transactions - looks, await CallsAsync(world) - calls));
    }
}

/// <summary>
/// The obvious design, with all of ours that keeps it safe: the same claim with its fence, the same slot of the call budget, the same journalled intent, the same
/// completion; only each for one row. The payment's job is queued by that of its invoice. It reads connection and token once for all, and takes no drain lease.
/// </summary>
sealed class SyncOneRow(SyncQueue queue, XeroWriter writer, XeroConnections connections, XeroTokens tokens, CallBudget budget, IOptions<WorkerOptions> worker, HangfireStorage hangfire)
{
    static readonly System.Collections.Concurrent.ConcurrentDictionary<Guid, Task<(XeroConnection Connection, string Token)>> Connected = new();

    public async Task RunAsync(string organisation, string type)
    {
        var id = Guid.Parse(organisation);
        var (connection, token) = await Connected.GetOrAdd(id, ConnectAsync);
        var session = new XeroSession(connection, $"job:{Guid.NewGuid():N}", token, tokens, budget);
        var sort = Enum.Parse<XeroSyncType>(type);
        CallSlot? slot;
        while ((slot = await session.ReserveAsync(CancellationToken.None)) is null)
            await Task.Delay(5);
        var claimed = await queue.ClaimAsync(id, sort, 1, session.Owner, worker.Value.RowLease, CancellationToken.None);
        if (claimed.Count == 0)
        {
            await session.GiveBackAsync(slot);
            return;
        }
        await writer.SendAsync(session, sort, claimed, slot, CancellationToken.None);
        if (sort == XeroSyncType.INVOICE)
            hangfire.Client.Create<SyncOneRow>(job => job.RunAsync(organisation, nameof(XeroSyncType.PAYMENT)), new EnqueuedState(HangfireStorage.Queue));
    }

    async Task<(XeroConnection Connection, string Token)> ConnectAsync(Guid organisation)
    {
        var connection = (await connections.FindActiveAsync(organisation, CancellationToken.None))!;
        return (connection, ((XeroTokens.Answer.Granted)await tokens.GetAsync(connection, notThis: null, CancellationToken.None)).AccessToken);
    }
}
