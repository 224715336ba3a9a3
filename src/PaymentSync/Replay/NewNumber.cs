using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Replay;

/// <summary>
/// The decision "requeue with a new number": the invoice under its number is voided, or a stranger's, so it is booked as -2, -3, … instead.
/// Nothing else ever changes a frozen number.
/// </summary>
static class NewNumber
{
    public const string Action = "requeueWithNewNumber";

    /// <summary>409 while a request is open, or while its document may still stand in Xero. The change and its audit are one transaction.</summary>
    public static async Task<Results<Accepted<ReplayEndpoints.ReplayView>, Ok<ReplayEndpoints.ReplayView>, ProblemHttpResult>> RequeueAsync(
        Guid sync, string reason, NpgsqlDataSource database, Wakes wakes, AuditLog audit, ClaimsPrincipal actor, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        Renumbered result;
        await using (var command = new NpgsqlCommand("SELECT verdict, organization, code, former_number, former_id, number FROM paymentsync.requeue_with_new_number($1)", connection, transaction))
        {
            command.Parameters.AddWithValue(sync);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            await reader.ReadAsync(cancellationToken);
            result = new Renumbered(reader.GetString(0), reader.NullableValue<Guid>(1), reader.Nullable<string>(2), reader.Nullable<string>(3), reader.Nullable<string>(4), reader.Nullable<string>(5));
        }
        if (result.Verdict != "done")
            return Refusal(sync, result);
        await audit.WriteAsync(actor, $"sync.{Action}", sync.ToString(), reason, cancellationToken,
            new { released = result.Code, formerNumber = result.FormerNumber, formerXeroId = result.FormerId, number = result.Number }, transaction);
        await transaction.CommitAsync(cancellationToken);
        wakes.Wake(result.Organisation!.Value);
        return TypedResults.Accepted($"/api/syncs/{sync}", new ReplayEndpoints.ReplayView(sync, "PENDING", null, null, $"It is booked as {result.Number}; {result.FormerNumber} is kept in the archive."));
    }

    static ProblemHttpResult Refusal(Guid sync, Renumbered result) => result.Verdict switch
    {
        "unknown" => Problems.NotFound("sync.unknown", "There is no such sync."),
        "no_invoice" => Problems.Conflict("sync.no_invoice", "A payment has no number of its own; requeue its invoice."),
        "final" => Problems.Conflict("sync.final", "It is SUCCESS, which is final. If its invoice was voided in Xero since, mark the payment failed and book the money by hand."),
        "running" => Problems.Conflict("sync.running", "A worker is at it right now; look again in a moment."),
        "request_open" => Problems.Conflict("sync.request_open", "A request of it is open: it is not known whether Xero has it under its number. It is looked up first, by itself."),
        "look_waits" => Problems.Conflict("sync.request_open", $"A request of it is open: it is not known whether Xero has it under its number, and it waits ({result.Code}). Do as its message says; Xero is asked first."),
        "not_gone" => Problems.Conflict("sync.document_stands", $"It has Xero invoice {result.FormerId}, and the last look did not find that VOIDED or DELETED. Void it in Xero, then requeue: the look-up says so."),
        "payment_there" => Problems.Conflict("sync.payment_there", "Its payment is in Xero, or may be; see the PAYMENT sync of the same link."),
        _ => Problems.Conflict("sync.not_resolvable", $"\"{Action}\" does not fit its state ({result.Code}); see GET /api/syncs/{sync}."),
    };

    /// <param name="Code">What it was held for.</param>
    sealed record Renumbered(string Verdict, Guid? Organisation, string? Code, string? FormerNumber, string? FormerId, string? Number);
}
