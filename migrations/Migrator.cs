using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>Brings a database to the current schema. Safe to start on several nodes at once and to kill and run again.</summary>
public static class Migrator
{
    const long LockKey = 0x5041594d53594e43; // "PAYMSYNC"
    static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(200);

    /// <returns>The names of the migrations that were applied, in order; empty when the database was up to date.</returns>
    public static async Task<IReadOnlyList<string>> RunAsync(string connectionString, TextWriter log, CancellationToken cancellationToken = default)
    {
        // A polling try-lock on its own connection: a blocking advisory lock would be a transaction that
        // CREATE INDEX CONCURRENTLY of another migrator waits for, which is a deadlock.
        // Not pooled: a pooled connection keeps its locks until somebody uses it again.
        await using var guard = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await guard.OpenAsync(cancellationToken);
        var told = false;
        while (!await TryLockAsync(guard, cancellationToken))
        {
            if (!told)
                await log.WriteLineAsync("Another node is migrating this database; waiting for it.");
            told = true;
            await Task.Delay(LockPoll, cancellationToken);
        }

        await using var context = new MigrationsDbContext(Options(connectionString));
        var pending = (await context.Database.GetPendingMigrationsAsync(cancellationToken)).ToList();
        foreach (var migration in pending)
            await log.WriteLineAsync($"Applying {migration}");
        if (pending.Count > 0)
            await context.Database.MigrateAsync(cancellationToken);
        await log.WriteLineAsync(pending.Count == 0 ? "The database is up to date." : $"Applied {pending.Count} migrations.");
        return pending;
    }

    /// <summary>Which migrations the database lacks, without changing anything.</summary>
    public static async Task<IReadOnlyList<string>> PendingAsync(string connectionString, CancellationToken cancellationToken = default)
    {
        await using var context = new MigrationsDbContext(Options(connectionString));
        return [.. await context.Database.GetPendingMigrationsAsync(cancellationToken)];
    }

    static async Task<bool> TryLockAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock($1)", connection) { Parameters = { new() { Value = LockKey } } };
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    static DbContextOptions<MigrationsDbContext> Options(string connectionString) =>
        new DbContextOptionsBuilder<MigrationsDbContext>()
            .UseNpgsql(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, SearchPath = "public", Options = "-c paymentsync.writer=on" }.ConnectionString,
                npgsql => npgsql.MigrationsHistoryTable("migrations_history", "paymentsync").CommandTimeout(0))
            .ConfigureWarnings(warnings => warnings.Ignore(RelationalEventId.PendingModelChangesWarning, RelationalEventId.MigrationsNotFound))
            .Options;
}
