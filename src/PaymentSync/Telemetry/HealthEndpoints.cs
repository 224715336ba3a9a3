using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Migrations;
using PaymentSync.Recovery;

namespace PaymentSync.Telemetry;

/// <summary>
/// <c>/health/live</c>: the process answers. <c>/health/ready</c>: it can do its work, or what is missing. <c>degraded</c> is ready too (200): it
/// does its work, but something waits for a person.
/// </summary>
static class HealthEndpoints
{
    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/health/live", () => TypedResults.Ok(new Health("alive"))).ExcludeFromDescription();
        app.MapGet("/health/ready", ReadyAsync).ExcludeFromDescription();
    }

    static async Task<JsonHttpResult<Health>> ReadyAsync(NpgsqlDataSource database, IConfiguration configuration, RecoveryHealth recovery, CancellationToken cancellationToken)
    {
        try
        {
            if (await Migrator.PendingAsync(DatabaseSetup.ConnectionString(configuration), cancellationToken) is { Count: > 0 } pending)
                return NotReady($"{pending.Count} migrations are pending; run PaymentSync migrate.");
            await using var command = database.CreateCommand("""
                SELECT (SELECT count(*) FROM pg_constraint WHERE conname = 'xero_syncs_payment_link_sync_type_unique' AND conrelid = 'public.xero_syncs'::regclass AND convalidated)
                     + (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.xero_syncs'::regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A')
                           AND tgname IN ('paymentsync_insert', 'paymentsync_update', 'paymentsync_delete', 'paymentsync_truncate'))
                """);
            if ((long)(await command.ExecuteScalarAsync(cancellationToken))! != 5)
                return NotReady("The unique constraint or a guard trigger of xero_syncs is missing, and nothing is safe without them. Put back what migrations/sql/04 and 05 make.");
            var present = await recovery.PresentAsync(cancellationToken);
            return TypedResults.Json(new Health(present.WaitsForAPerson ? "degraded" : "ready", Problem: null, present, await recovery.FiguresAsync(cancellationToken)));
        }
        catch (Exception problem) when (DatabaseSetup.IsUnavailable(problem) || problem is PostgresException)
        {
            return NotReady($"The database cannot be used: {problem.Message}");
        }
    }

    /// <param name="Syncs">How many tries succeed, and what fails most.</param>
    internal sealed record Health(string Status, string? Problem = null, RecoveryHealth.Present? Recovery = null, RecoveryHealth.Figures? Syncs = null);

    static JsonHttpResult<Health> NotReady(string problem) => TypedResults.Json(new Health("not ready", problem), statusCode: StatusCodes.Status503ServiceUnavailable);
}
