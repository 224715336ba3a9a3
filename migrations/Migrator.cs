using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>Brings a database to the current schema. Safe to start on several nodes at once and to kill and run again.</summary>
public static class Migrator
{
    const long LockKey = 0x5041594d53594e43; // "PAYMSYNC"
    static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(200);

    /// <returns>The names of the migrations that were applied, in order; empty when the database was up to date.</returns>
    public static async Task<IReadOnlyList<string>> RunAsync(string connectionString, TextWriter log, CancellationToken cancellationToken = default) =>
        (await RunAsync(connectionString, log, new MigrateOptions(), cancellationToken)).Applied;

    /// <summary>The same for a database that may belong to a host application, whose rows are then adopted.</summary>
    /// <exception cref="MigrationRefusedException">An existing installation cannot be adopted as it is; nothing was changed.</exception>
    public static async Task<MigrateResult> RunAsync(string connectionString, TextWriter log, MigrateOptions options, CancellationToken cancellationToken = default)
    {
        await using var guard = await LockAsync(connectionString, log, cancellationToken);
        var adoption = new Adoption(connectionString, log, options);
        var state = await Adoption.StateAsync(guard, cancellationToken);
        if (options.DryRun)
            return new MigrateResult([], await DryRunAsync(connectionString, adoption, state, log, cancellationToken));

        if (state == AdoptionState.Legacy)
            await adoption.RecordBaselineAsync(CreateHistory(connectionString), cancellationToken);
        var before = await PendingAsync(connectionString, cancellationToken);
        if (state is AdoptionState.Legacy or AdoptionState.Begun)
        {
            // With a target EF would take back what is recorded beyond it, so only while nothing is.
            if (before.Contains(PaymentSyncSchema.Id, StringComparer.Ordinal))
                await ApplyAsync(connectionString, PaymentSyncSchema.Id, log, cancellationToken);
            await adoption.RunAsync(cancellationToken);
        }
        var pending = await PendingAsync(connectionString, cancellationToken);
        foreach (var migration in pending)
            await log.WriteLineAsync($"Applying {migration}");
        var began = Stopwatch.GetTimestamp();
        if (pending.Count > 0)
            await ApplyAsync(connectionString, target: null, log, cancellationToken);
        var report = state is AdoptionState.Legacy or AdoptionState.Begun ? await adoption.FinishAsync(Stopwatch.GetElapsedTime(began), cancellationToken) : null;
        await log.WriteLineAsync(before.Count == 0 ? "The database is up to date." : $"Applied {before.Count} migrations.");
        return new MigrateResult(before, report);
    }

    /// <summary>Which migrations the database lacks, without changing anything.</summary>
    public static async Task<IReadOnlyList<string>> PendingAsync(string connectionString, CancellationToken cancellationToken = default)
    {
        await using var context = new MigrationsDbContext(Options(connectionString));
        return [.. await context.Database.GetPendingMigrationsAsync(cancellationToken)];
    }

    /// <summary>Takes an adopted database back to what the host application had; see <see cref="LegacyRestore"/>.</summary>
    /// <exception cref="MigrationRefusedException">It was not adopted, or the service runs.</exception>
    public static async Task<RestoreResult> RestoreLegacyAsync(string connectionString, TextWriter log, CancellationToken cancellationToken = default)
    {
        await using var guard = await LockAsync(connectionString, log, cancellationToken);
        return await LegacyRestore.RunAsync(connectionString, guard, cancellationToken);
    }

    /// <summary>One migrator at a time, until the connection is closed.</summary>
    static async Task<NpgsqlConnection> LockAsync(string connectionString, TextWriter log, CancellationToken cancellationToken)
    {
        // A polling try-lock on its own connection: a blocking advisory lock would be a transaction that
        // CREATE INDEX CONCURRENTLY of another migrator waits for, which is a deadlock.
        // Not pooled: a pooled connection keeps its locks until somebody uses it again.
        var guard = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, ApplicationName = "PaymentSync migrate" }.ConnectionString);
        try
        {
            await guard.OpenAsync(cancellationToken);
            for (var told = false; !await TryLockAsync(guard, cancellationToken); told = true)
            {
                if (!told)
                    await log.WriteLineAsync("Another node is migrating this database; waiting for it.");
                await Task.Delay(LockPoll, cancellationToken);
            }
            return guard;
        }
        catch
        {
            await guard.DisposeAsync();
            throw;
        }
    }

    static async Task<AdoptionReport?> DryRunAsync(string connectionString, Adoption adoption, AdoptionState state, TextWriter log, CancellationToken cancellationToken)
    {
        if (state == AdoptionState.Legacy)
            return await adoption.DryRunAsync(cancellationToken);
        if (state == AdoptionState.Begun)
            throw new MigrationRefusedException("The adoption of this database has begun and was broken off; there is nothing left to try out. Run PaymentSync migrate to finish it.");
        foreach (var migration in await PendingAsync(connectionString, cancellationToken))
            await log.WriteLineAsync($"Would apply {migration}");
        return null;
    }

    static Task ApplyAsync(string connectionString, string? target, TextWriter log, CancellationToken cancellationToken) => new PatientLocks(connectionString, log).RetryAsync(async () =>
    {
        await using var context = new MigrationsDbContext(Options(connectionString, PatientLocks.Setting + " -c maintenance_work_mem=512MB"));
        try
        {
            await context.Database.MigrateAsync(target, cancellationToken);
        }
        catch (InvalidOperationException wrapped) when (wrapped.InnerException is NpgsqlException database)
        {
            // EF wraps what it takes for transient, a lock that was not to be had among it.
            ExceptionDispatchInfo.Throw(database);
        }
    }, "a migration", cancellationToken);

    static string CreateHistory(string connectionString)
    {
        using var context = new MigrationsDbContext(Options(connectionString));
        return context.GetService<IHistoryRepository>().GetCreateIfNotExistsScript();
    }

    static async Task<bool> TryLockAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock($1)", connection) { Parameters = { new() { Value = LockKey } } };
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    static DbContextOptions<MigrationsDbContext> Options(string connectionString, string setting = "") =>
        new DbContextOptionsBuilder<MigrationsDbContext>()
            .UseNpgsql(new NpgsqlConnectionStringBuilder(connectionString)
            {
                Pooling = false,
                SearchPath = "public",
                ApplicationName = "PaymentSync migrate",
                Options = $"-c paymentsync.writer=on {setting}".Trim(),
            }.ConnectionString,
                npgsql => npgsql.MigrationsHistoryTable("migrations_history", "paymentsync").CommandTimeout(0))
            .ConfigureWarnings(warnings => warnings.Ignore(RelationalEventId.PendingModelChangesWarning, RelationalEventId.MigrationsNotFound))
            .Options;
}
