using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Confirmation;
using PaymentSync.Database;
using PaymentSync.OperatorConsole;
using PaymentSync.Telemetry;

namespace PaymentSync.StripeWebhooks;

/// <summary>Section "Stripe".</summary>
sealed class StripeOptions
{
    /// <summary>Signing secrets of the endpoint, whole (whsec_…); several while one is being rolled. At least one, none empty: an empty secret would accept forgeries.</summary>
    public string[] WebhookSecrets { get; set; } = [];
    /// <summary>Which mode's events are booked; those of the other mode are IGNORED.</summary>
    public bool Livemode { get; set; }
}

sealed class StripeOptionsRules : IValidateOptions<StripeOptions>
{
    public ValidateOptionsResult Validate(string? name, StripeOptions options)
    {
        try
        {
            _ = new StripeSignature(options.WebhookSecrets);
            return ValidateOptionsResult.Success;
        }
        catch (ArgumentException problem)
        {
            return ValidateOptionsResult.Fail($"Stripe:WebhookSecrets is not usable: {problem.Message} Set Stripe__WebhookSecrets__0 to the signing secret of the webhook endpoint (whsec_…).");
        }
    }
}

/// <summary>
/// <c>POST /webhooks/stripe</c>: raw bytes → signature → one transaction → 200. Nothing talks to Xero or Stripe inside the request.
/// </summary>
/// <remarks>Stripe repeats whatever is not answered 2xx for three days; so only a database that is away is worth a 503.</remarks>
static partial class StripeWebhookEndpoint
{
    const int LongestBody = 1024 * 1024;

    public static void AddStripeWebhooks(this WebApplicationBuilder builder, Parts parts)
    {
        builder.Services.AddOptions<StripeOptions>().BindConfiguration("Stripe").ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<StripeOptions>, StripeOptionsRules>();
        builder.Services.AddSingleton(services => new StripeSignature(services.GetRequiredService<IOptions<StripeOptions>>().Value.WebhookSecrets));
        Parts.Choose(parts.StripeClients, "Stripe:Client", builder.Configuration["Stripe:Client"] ?? "Own")(builder);
    }

    public static void MapStripeWebhooks(this WebApplication app) => app.MapPost("/webhooks/stripe", HearAsync).AllowAnonymous().WithTags("Webhooks");

    static async Task<IResult> HearAsync(HttpRequest request, IStripeWebhooks webhooks, Confirmer confirmer, NpgsqlDataSource database, IOptions<StripeOptions> options, TimeProvider time,
        Metrics metrics, ILogger<StripeSignature> log, CancellationToken cancellationToken)
    {
        var read = await request.BodyReader.ReadAtLeastAsync(LongestBody + 1, cancellationToken);
        if (read.Buffer.Length > LongestBody)
        {
            request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            return Refuse("request.too_large", Problems.TooLarge("request.too_large", "A webhook body has at most 1 MiB."), metrics);
        }
        var body = read.Buffer.IsSingleSegment ? read.Buffer.First : read.Buffer.ToArray();
        try
        {
            var verdict = webhooks.Verify(string.Join(',', request.Headers["Stripe-Signature"].ToArray()), body.Span, time.GetUtcNow());
            if (verdict != StripeSignatureResult.Valid)
            {
                LogRefused(log, verdict.Code());
                return Refuse(verdict.Code(), Problems.BadRequest(verdict.Code(), Sentence(verdict)), metrics);
            }
            var heard = await RecordAsync(body, webhooks, confirmer, database, options.Value, log, cancellationToken);
            metrics.Heard(heard.Outcome);
            return TypedResults.Ok(heard);
        }
        catch (Exception problem) when (DatabaseSetup.IsUnavailable(problem) || problem is PostgresException)
        {
            // Whatever the database refuses, the event is Stripe's and must not be lost: its retries are the time to mend what is wrong.
            LogUnavailable(log, problem.Message);
            return Refuse("database.unavailable", Problems.Unavailable("database.unavailable", "The event could not be recorded now; send it again."), metrics);
        }
        finally
        {
            request.BodyReader.AdvanceTo(read.Buffer.End);
        }
    }

    /// <summary>What Stripe's dashboard shows as our answer.</summary>
    sealed record Answer(string Outcome, string? Reason);

    static async Task<Answer> RecordAsync(ReadOnlyMemory<byte> body, IStripeWebhooks webhooks, Confirmer confirmer, NpgsqlDataSource database, StripeOptions options, ILogger log, CancellationToken cancellationToken)
    {
        switch (webhooks.Read(body.Span))
        {
            case Unusable unusable:
                LogQuarantined(log, unusable.EventId, unusable.Reason);
                await QuarantineAsync(unusable, body, database, cancellationToken);
                return new Answer("QUARANTINED", unusable.Reason);
            case NotOfInterest other:
                return new Answer("IGNORED", other.Reason);
            case StripeConfirmation told when told.Livemode != options.Livemode:
                await IgnoreOtherModeAsync(told, database, cancellationToken);
                return new Answer("IGNORED", "event.other_mode");
            case StripeConfirmation told:
                var heard = await confirmer.HearAsync(new Fact("STRIPE", told.Account, told.EventId, told.EventType, Word(told.Fact), told.ProviderPaymentId, told.Amount, told.Currency,
                    told.Created, told.PaymentLinkId, told.StripePaymentLink, body), cancellationToken);
                return new Answer(heard.Outcome, heard.Reason);
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    static async Task QuarantineAsync(Unusable unusable, ReadOnlyMemory<byte> body, NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            INSERT INTO paymentsync.events (run_key, provider, account, source_event_id, event_type, status, reason, message, body)
            VALUES ($1, 'STRIPE', 'self', $2, $3, 'QUARANTINED', 'event.unusable', $4, $5) ON CONFLICT (run_key) DO NOTHING
            """);
        command.Parameters.AddWithValue($"stripe:quarantine:{Convert.ToHexStringLower(SHA256.HashData(body.Span))}");
        command.Parameters.AddWithValue(unusable.EventId ?? "");
        command.Parameters.AddWithValue(unusable.EventType ?? "");
        command.Parameters.AddWithValue(unusable.Reason);
        command.Parameters.Add(new NpgsqlParameter { Value = body, NpgsqlDbType = NpgsqlDbType.Bytea });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    static async Task IgnoreOtherModeAsync(StripeConfirmation told, NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            INSERT INTO paymentsync.events (provider, account, source_event_id, event_type, fact, provider_payment_id, status, reason, message, occurred_at)
            VALUES ('STRIPE', $1, $2, $3, $4, $5, 'IGNORED', 'event.other_mode', 'The event is of the other mode (test or live) than Stripe:Livemode says.', $6)
            ON CONFLICT (provider, account, source_event_id) WHERE run_key IS NULL DO NOTHING
            """);
        command.Parameters.AddWithValue(told.Account);
        command.Parameters.AddWithValue(told.EventId);
        command.Parameters.AddWithValue(told.EventType);
        command.Parameters.AddWithValue(Word(told.Fact));
        command.Parameters.AddWithValue(told.ProviderPaymentId);
        command.Parameters.AddWithValue(told.Created.UtcDateTime);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    static IResult Refuse(string code, IResult answer, Metrics metrics)
    {
        metrics.Heard(code);
        return answer;
    }

    static string Word(StripeFact fact) => fact switch
    {
        StripeFact.Paid => "paid",
        StripeFact.Unpaid => "unpaid",
        StripeFact.Failed => "failed",
        StripeFact.Expired => "expired",
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    static string Sentence(StripeSignatureResult verdict) => verdict switch
    {
        StripeSignatureResult.MissingHeader => "The Stripe-Signature header is missing.",
        StripeSignatureResult.Malformed => "The Stripe-Signature header cannot be read.",
        StripeSignatureResult.TooOld => "The signature is older than 300 seconds.",
        StripeSignatureResult.InFuture => "The signature is more than 300 seconds in the future.",
        _ => "No signature matches a configured secret. Compare Stripe:WebhookSecrets with the signing secret of this endpoint.",
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "A webhook was refused ({Code})")]
    static partial void LogRefused(ILogger log, string code);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Signed event {EventId} is not usable ({Problem}); it is kept in quarantine")]
    static partial void LogQuarantined(ILogger log, string? eventId, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "A webhook could not be recorded ({Problem}); answered 503, Stripe sends it again")]
    static partial void LogUnavailable(ILogger log, string problem);
}
