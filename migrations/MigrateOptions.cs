namespace PaymentSync.Migrations;

/// <summary>What <see cref="Migrator"/> may do, and whom it tells.</summary>
public sealed record MigrateOptions
{
    /// <summary>The operator says that the worker of the host application, the former caller of Xero, is stopped. Asked for once, when an existing installation is adopted.</summary>
    public bool HostWorkerStopped { get; init; }

    /// <summary>Prints the whole report and changes nothing.</summary>
    public bool DryRun { get; init; }

    /// <summary>Connections that clean up at the same time, each its own part of the table.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>Told at the beginning of each step and, before it is committed, of each batch. What it throws ends the run, as a kill would.</summary>
    public Action<AdoptionProgress>? Progress { get; init; }
}

/// <param name="Step">columns, plan, duplicates, rows, tally, archive, totals, constraint, indexes, checks, guards or report.</param>
/// <param name="Done">Pages of the step that are done; both are 0 where a step has no parts.</param>
public sealed record AdoptionProgress(string Step, long Done, long Total);

/// <param name="Applied">The migrations that were applied, in order; empty when the database was up to date.</param>
/// <param name="Adoption">Where an existing installation was adopted by this run or, with <see cref="MigrateOptions.DryRun"/>, would be.</param>
public sealed record MigrateResult(IReadOnlyList<string> Applied, AdoptionReport? Adoption);

/// <summary>Nothing was changed; the message is for the operator and says what to do.</summary>
public sealed class MigrationRefusedException(string message) : Exception(message);
