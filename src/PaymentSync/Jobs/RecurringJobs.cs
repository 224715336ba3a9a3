using PaymentSync.Confirmation;
using PaymentSync.Recovery;
using PaymentSync.Retention;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Jobs;

/// <param name="Run">Returns a sentence that says what it did.</param>
sealed record RecurringJob(string Name, string Description, TimeSpan Every, Func<CancellationToken, Task<string>> Run);

/// <summary>The named jobs. An engine runs them by name, and so does <c>POST /api/jobs/{name}/run</c>.</summary>
sealed class RecurringJobs
{
    public RecurringJobs(UnlinkedPayments unlinked, RecoveryRun recovery, Sweep sweep, ConnectionUpkeep connections, OAuthStates states, Causes causes, LegacyPayments legacy, OpenRequests open, RetentionJob retention, Wakes wakes)
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
            new("recovery", "Finds what crashes left behind or what contradicts itself, settles it or leaves it to a person.", TimeSpan.FromMinutes(1),
                async cancellationToken => await recovery.RunAsync("TIMER", dryRun: false, cancellationToken) is { } report
                    ? $"Found {report.Found}, done {report.Done}, left to a person {report.LeftToAPerson}."
                    : "Another run is at it."),
            new("sweep", "Wakes organisations that have due rows.", TimeSpan.FromMinutes(1),
                async cancellationToken => Wake(await sweep.RunAsync(cancellationToken), "have due rows")),
            new("xero-connections", "Renews idle Xero connections, tries again those that got no answer, and warns 7, 3 and 1 days before a refresh token dies.", TimeSpan.FromMinutes(5),
                connections.RunAsync),
            new("xero-causes", "Makes due what waited for something in Xero that is mended now.", TimeSpan.FromMinutes(5), causes.RunAsync),
            new("legacy-payments", "Looks up, once, the payments that the predecessor of an adopted database may have made.", TimeSpan.FromMinutes(5), legacy.RunAsync),
            new("open-requests", "Warns of requests to Xero whose outcome is unknown for more than an hour.", TimeSpan.FromMinutes(5), open.WarnAsync),
            new("oauth-states", "Removes authorisations that were begun and never came back.", TimeSpan.FromMinutes(10),
                async cancellationToken => $"{await states.CleanUpAsync(cancellationToken)} half-used authorisations were removed."),
            new("retention", "Deletes what is over and old: settled events, the journal of finished syncs, reports, counters.", TimeSpan.FromHours(1), retention.RunAsync),
        ];
    }

    public IReadOnlyList<RecurringJob> All { get; }

    public RecurringJob? Find(string name) => All.FirstOrDefault(job => job.Name == name);
}
