using PaymentSync.Confirmation;
using PaymentSync.Recovery;
using PaymentSync.Retention;
using PaymentSync.Xero;

namespace PaymentSync.Jobs;

/// <param name="Run">Returns a sentence that says what it did.</param>
sealed record RecurringJob(string Name, string Description, TimeSpan Every, Func<CancellationToken, Task<string>> Run);

/// <summary>The named jobs. An engine runs them by name, and so does <c>POST /api/jobs/{name}/run</c>.</summary>
sealed class RecurringJobs
{
    public RecurringJobs(UnlinkedPayments unlinked, LostLeases lost, Sweep sweep, ConnectionUpkeep connections, OAuthStates states, RetentionJob retention, Wakes wakes)
    {
        string Wake(IReadOnlyCollection<Guid> organisations, string sentence)
        {
            foreach (var organisation in organisations)
                wakes.Wake(organisation);
            return $"{organisations.Count} organisations {sentence}.";
        }
        All =
        [
            new("unlinked-payments", "Makes money visible that named no payment link and that no other event explained within an hour.", TimeSpan.FromMinutes(5),
                async cancellationToken => $"{await unlinked.MarkAsync(cancellationToken)} payments without a link are now UNMATCHED."),
            new("recovery", "Gives back rows whose worker is gone.", TimeSpan.FromMinutes(1),
                async cancellationToken => Wake(await lost.GiveBackAsync(cancellationToken), "had rows of workers that are gone")),
            new("sweep", "Wakes organisations that have due rows.", TimeSpan.FromMinutes(1),
                async cancellationToken => Wake(await sweep.RunAsync(cancellationToken), "have due rows")),
            new("xero-connections", "Renews idle Xero connections, tries again those that got no answer, and warns 7, 3 and 1 days before a refresh token dies.", TimeSpan.FromMinutes(5),
                connections.RunAsync),
            new("oauth-states", "Removes authorisations that were begun and never came back.", TimeSpan.FromMinutes(10),
                async cancellationToken => $"{await states.CleanUpAsync(cancellationToken)} half-used authorisations were removed."),
            new("retention", "Deletes what is over and old: settled events, the journal of finished syncs, reports, counters.", TimeSpan.FromHours(1), retention.RunAsync),
        ];
    }

    public IReadOnlyList<RecurringJob> All { get; }

    public RecurringJob? Find(string name) => All.FirstOrDefault(job => job.Name == name);
}
