using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using PaymentSync.Recovery;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;
using Shouldly;

namespace PaymentSync.Tests.Recovery;

/// <summary>Breaks a world on purpose, and recovers it.</summary>
static class Broken
{
    public const string Tenant = "c0ffee00-0000-4000-8000-00000000de30";

    /// <summary>What the guards refuse, as a restored backup, a disk or an old defect may leave it.</summary>
    public static async Task ForceAsync(this World world, FormattableString update)
    {
        await using var connection = new NpgsqlConnection(world.Database.ConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var guards = new NpgsqlCommand("SET LOCAL session_replication_role = replica", connection, transaction))
            await guards.ExecuteNonQueryAsync();
        await using var command = new NpgsqlCommand(string.Format(System.Globalization.CultureInfo.InvariantCulture, update.Format, [.. Enumerable.Range(1, update.ArgumentCount).Select(number => (object)$"${number}")]), connection, transaction);
        foreach (var argument in update.GetArguments())
            command.Parameters.Add(new NpgsqlParameter { Value = argument ?? DBNull.Value });
        (await command.ExecuteNonQueryAsync()).ShouldBeGreaterThan(0, "something was to be broken");
        await transaction.CommitAsync();
    }

    public static async Task<RecoveryReport> RecoverAsync(this World world, bool dryRun = false) =>
        (await world.Service.Services.GetRequiredService<RecoveryRun>().RunAsync("TIMER", dryRun, CancellationToken.None)).ShouldNotBeNull();

    /// <summary>As "kind decision status", oldest first.</summary>
    public static Task<IReadOnlyList<string>> ItemsAsync(this World world) =>
        world.Database.QueryAsync("SELECT kind || ' ' || decision || ' ' || status FROM paymentsync.recovery_items ORDER BY created_at, id", reader => reader.GetString(0));

    /// <summary>Claim, intent and Xero's yes, journalled; then the process is gone before it writes the rows.</summary>
    public static async Task DieBetweenJournalAndRowsAsync(this World world, XeroSyncType type)
    {
        var services = world.Service.Services;
        var members = await services.GetRequiredService<SyncQueue>().ClaimAsync(world.Organisation, type, 50, "dead", TimeSpan.FromMinutes(5), CancellationToken.None);
        members.ShouldNotBeEmpty();
        var (resource, body) = type == XeroSyncType.INVOICE ? ("Invoices", XeroDocuments.Invoices(members)) : ("Payments", XeroDocuments.Payments(members));
        var intent = new Intent(Guid.CreateVersion7(), world.Organisation, Tenant, $"PUT /{resource}", Guid.NewGuid().ToString("N"), body, members);
        (await services.GetRequiredService<IntentJournal>().CommitAsync(intent, "dead", TimeSpan.FromMinutes(5), services.GetRequiredService<IOptions<XeroOptions>>().Value.CallTimeout, CancellationToken.None)).ShouldBeTrue();
        var connection = await services.GetRequiredService<XeroConnections>().FindActiveAsync(world.Organisation, CancellationToken.None);
        var token = (XeroTokens.Answer.Granted)await services.GetRequiredService<XeroTokens>().GetAsync(connection!, notThis: null, CancellationToken.None);
        var reply = await services.GetRequiredService<XeroClient>().PutAsync(resource, body, intent.IdempotencyKey, System.Diagnostics.Stopwatch.GetTimestamp(), new XeroAccess(token.AccessToken, null), CancellationToken.None);
        var answer = reply.ShouldBeOfType<XeroReply.Answered>();
        await world.AsWriterAsync("UPDATE paymentsync.requests SET completed_at = paymentsync.now(), outcome = 'ANSWERED', http_status = $2, answer = $3 WHERE id = $1", intent.Id, answer.Status, Compression.Compress(answer.Body));
    }
}
