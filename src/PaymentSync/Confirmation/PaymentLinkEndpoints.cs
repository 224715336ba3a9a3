using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Confirmation;

/// <summary><c>/api/payment-links/{id}</c>: registers links, cancels them, and takes confirmations of payments that came another way.</summary>
static partial class PaymentLinkEndpoints
{
    public static void MapPaymentLinks(this WebApplication app)
    {
        var links = app.MapGroup("/api/payment-links/{id:guid}").WithTags("Payment links");
        links.MapGet("/", ShowAsync).RequireAuthorization(Roles.Viewer);
        links.MapPut("/", PutAsync).RequireAuthorization(Roles.Operator);
        links.MapPost("/cancel", CancelAsync).RequireAuthorization(Roles.Operator);
        links.MapPost("/confirmations", ConfirmAsync).RequireAuthorization(Roles.Operator);
    }

    internal sealed record Customer(string? Name, string? Email);

    /// <param name="ShortCode">1 to 8 letters and digits, unique; null: made by us.</param>
    /// <param name="Amount">Major units, for example "120.00".</param>
    internal sealed record LinkBody(Guid OrganizationId, string? ShortCode, string Amount, string Currency, string Description, string? Reference, Customer? Customer, string? StripePaymentLink);

    internal sealed record LinkView(Guid Id, Guid OrganizationId, string ShortCode, string Status, string Amount, string Currency, string Description, string? Reference, Customer Customer,
        string? StripePaymentLink, IReadOnlyList<LinkSync> Syncs);

    internal sealed record LinkSync(Guid Id, string SyncType, string Status, string? FailureCode);

    internal sealed record ConfirmationBody(string Provider, string ProviderPaymentId, string Amount, string Currency, DateTimeOffset PaidAt, string Reason);

    internal sealed record ConfirmationView(string Outcome, string? Reason, string? Message, Guid? EventId, IReadOnlyList<LinkSync> Syncs);

    internal sealed record CancelBody(string? Reason);

    /// <summary>How far the payer's clock and day may be ahead of ours.</summary>
    static readonly TimeSpan OneDay = TimeSpan.FromDays(1);

    static async Task<Results<Ok<LinkView>, ProblemHttpResult>> ShowAsync(Guid id, NpgsqlDataSource database, PaymentSyncDbContext context, CancellationToken cancellationToken) =>
        await FindAsync(id, database, context, cancellationToken) is { } view ? TypedResults.Ok(view) : Unknown(id);

    static async Task<Results<Ok<LinkView>, ProblemHttpResult>> PutAsync(Guid id, LinkBody body, NpgsqlDataSource database, PaymentSyncDbContext context, Confirmer confirmer, AuditLog audit,
        HttpContext http, CancellationToken cancellationToken)
    {
        if (Invalid(body, out var amount) is { } problem)
            return problem;
        try
        {
            await using var connection = await database.OpenConnectionAsync(cancellationToken);
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            if (await RegisterAsync(connection, id, body, amount, cancellationToken) is { } refused)
                return refused;
            await audit.WriteAsync(http.User, "link.put", id.ToString(), reason: null, cancellationToken, body, transaction);
            await transaction.CommitAsync(cancellationToken);
        }
        catch (PostgresException refused) when (refused.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            return Problems.NotFound("organization.unknown", $"There is no organisation {body.OrganizationId}. PUT /api/organizations/{body.OrganizationId} first.");
        }
        catch (PostgresException refused) when (refused.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            return refused.ConstraintName == "payment_link_settings_stripe_payment_link_key"
                ? Problems.Conflict("link.stripe_link_taken", $"Another payment link stands for {body.StripePaymentLink} already.")
                : Problems.Conflict("link.short_code_taken", $"The short code {body.ShortCode} is taken; choose another or send null to have one made.");
        }
        // The link is known now: events that came before it find it.
        await confirmer.HearWaitingAsync(id, body.StripePaymentLink, cancellationToken);
        return TypedResults.Ok((await FindAsync(id, database, context, cancellationToken))!);
    }

    /// <summary>Writes the link and its settings. The locks come in statements of their own, before anything is read: what a confirmation committed meanwhile is seen.</summary>
    static async Task<ProblemHttpResult?> RegisterAsync(NpgsqlConnection connection, Guid id, LinkBody body, decimal amount, CancellationToken cancellationToken)
    {
        await using (var locks = new NpgsqlBatch(connection))
        {
            locks.BatchCommands.Add(new NpgsqlBatchCommand("SELECT paymentsync.lock_link_names($1, $2)") { Parameters = { new() { Value = id }, Text(body.StripePaymentLink) } });
            locks.BatchCommands.Add(new NpgsqlBatchCommand("SELECT 1 FROM payment_links WHERE id = $1 FOR UPDATE") { Parameters = { new() { Value = id } } });
            await locks.ExecuteNonQueryAsync(cancellationToken);
        }
        await using var command = new NpgsqlCommand("""
            WITH known AS (SELECT l.id, (l.amount, l.currency, l.organization_id, l.short_code) IS DISTINCT FROM ($4::numeric(18,2), $5::char(3), $2, coalesce($3, l.short_code)) AS changes,
                                  EXISTS (SELECT 1 FROM xero_syncs s WHERE s.payment_link_id = l.id) AS has_syncs FROM payment_links l WHERE l.id = $1),
            allowed AS (SELECT host_owned, NOT coalesce((SELECT changes AND has_syncs FROM known), false) AS free FROM paymentsync.installation),
            written AS (
              INSERT INTO payment_links AS l (id, organization_id, short_code, status, amount, currency, invoice_currency, description, invoice_reference, customer_name, customer_email, created_at, updated_at)
              SELECT $1, $2, coalesce($3, $10), 'OPEN', $4, $5, $5, $6, $7, $8, $9, paymentsync.now(), paymentsync.now() FROM allowed WHERE free AND NOT host_owned
              ON CONFLICT (id) DO UPDATE SET organization_id = excluded.organization_id, short_code = coalesce($3, l.short_code), amount = excluded.amount, currency = excluded.currency,
                invoice_currency = excluded.invoice_currency, description = excluded.description, invoice_reference = excluded.invoice_reference, customer_name = excluded.customer_name,
                customer_email = excluded.customer_email, updated_at = excluded.updated_at
              RETURNING l.id)
            SELECT CASE WHEN NOT free THEN 'has_syncs' WHEN EXISTS (SELECT 1 FROM written) OR EXISTS (SELECT 1 FROM known) THEN 'ok' ELSE 'host' END FROM allowed
            """, connection);
        command.Parameters.AddWithValue(id);
        command.Parameters.AddWithValue(body.OrganizationId);
        command.Parameters.Add(Text(body.ShortCode));
        command.Parameters.AddWithValue(amount);
        command.Parameters.AddWithValue(body.Currency);
        command.Parameters.AddWithValue(body.Description);
        command.Parameters.Add(Text(body.Reference));
        command.Parameters.Add(Text(body.Customer?.Name));
        command.Parameters.Add(Text(body.Customer?.Email));
        command.Parameters.AddWithValue(RandomNumberGenerator.GetString("ABCDEFGHJKMNPQRSTUVWXYZ23456789", 8));
        switch ((string)(await command.ExecuteScalarAsync(cancellationToken))!)
        {
            case "has_syncs":
                return Problems.Conflict("link.has_syncs", "The link's payment is already being booked: its amount, currency, organisation and short code cannot change any more. Make another link.");
            case "host":
                return Problems.Conflict("owned_by_host", "This database belongs to a host application, which makes its payment links; only the settings of one that exists can be set.");
        }
        await using var settings = new NpgsqlCommand("""
            INSERT INTO paymentsync.payment_link_settings (payment_link_id, stripe_payment_link) VALUES ($1, $2)
            ON CONFLICT (payment_link_id) DO UPDATE SET stripe_payment_link = excluded.stripe_payment_link, updated_at = paymentsync.now()
            """, connection);
        settings.Parameters.AddWithValue(id);
        settings.Parameters.Add(Text(body.StripePaymentLink));
        await settings.ExecuteNonQueryAsync(cancellationToken);
        return null;
    }

    static async Task<Results<Ok<LinkView>, ProblemHttpResult>> CancelAsync(Guid id, CancelBody body, NpgsqlDataSource database, PaymentSyncDbContext context, AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        await using (var connection = await database.OpenConnectionAsync(cancellationToken))
        await using (var transaction = await connection.BeginTransactionAsync(cancellationToken))
        await using (var command = new NpgsqlCommand("""
            WITH known AS (SELECT l.id FROM payment_links l WHERE l.id = $1),
            ours AS (UPDATE payment_links l SET status = 'CANCELED', updated_at = paymentsync.now() WHERE l.id = $1 AND NOT (SELECT i.host_owned FROM paymentsync.installation i)),
            noted AS (INSERT INTO paymentsync.payment_link_settings AS p (payment_link_id, cancelled_at) SELECT id, paymentsync.now() FROM known
                      ON CONFLICT (payment_link_id) DO UPDATE SET cancelled_at = coalesce(p.cancelled_at, excluded.cancelled_at), updated_at = excluded.cancelled_at)
            SELECT count(*) FROM known
            """, connection, transaction))
        {
            command.Parameters.AddWithValue(id);
            if ((long)(await command.ExecuteScalarAsync(cancellationToken))! == 0)
                return Unknown(id);
            await audit.WriteAsync(http.User, "link.cancel", id.ToString(), body.Reason, cancellationToken, transaction: transaction);
            await transaction.CommitAsync(cancellationToken);
        }
        return TypedResults.Ok((await FindAsync(id, database, context, cancellationToken))!);
    }

    static async Task<Results<Ok<ConfirmationView>, ProblemHttpResult>> ConfirmAsync(Guid id, ConfirmationBody body, PaymentSyncDbContext context, Confirmer confirmer, TimeProvider time, AuditLog audit,
        HttpContext http, CancellationToken cancellationToken)
    {
        if (!Money.TryParse(body.Amount, out var amount) || amount <= 0)
            return Problems.BadRequest("confirmation.invalid", "amount must be a positive amount of major units, for example \"120.00\".");
        if (!Money.IsCurrency(body.Currency))
            return Problems.BadRequest("confirmation.invalid", "currency must be three capital letters, for example GBP.");
        if (!OrganisationEndpoints.Provider().IsMatch(body.Provider ?? "") || !PaymentId().IsMatch(body.ProviderPaymentId ?? ""))
            return Problems.BadRequest("confirmation.invalid", "provider must be in capitals (for example HEDERA), and providerPaymentId 1 to 200 printable characters without spaces.");
        // A date that was left out is the year 1, and would be frozen into the documents.
        if (body.PaidAt.Year < 2000 || body.PaidAt > time.GetUtcNow() + OneDay)
            return Problems.BadRequest("confirmation.invalid", "paidAt must be the time of the payment, for example 2026-07-30T08:26:41Z, and not in the future.");
        if (string.IsNullOrWhiteSpace(body.Reason))
            return Problems.BadRequest("confirmation.invalid", "reason must say why this payment is confirmed by hand.");
        if (!await context.PaymentLinks.AnyAsync(link => link.Id == id, cancellationToken))
            return Unknown(id);
        await audit.WriteAsync(http.User, "link.confirm", id.ToString(), body.Reason, cancellationToken, body);
        var fact = new Fact(body.Provider!, "self", $"api:{body.ProviderPaymentId}", "api.confirmation", "paid", body.ProviderPaymentId!, amount, body.Currency, body.PaidAt, id.ToString(), StripePaymentLink: null, ReadOnlyMemory<byte>.Empty,
            ByPerson: true);
        var heard = await confirmer.HearAsync(fact, cancellationToken);
        return TypedResults.Ok(new ConfirmationView(heard.Outcome, heard.Reason, heard.Message, heard.EventId, await SyncsAsync(id, context, cancellationToken)));
    }

    static async Task<LinkView?> FindAsync(Guid id, NpgsqlDataSource database, PaymentSyncDbContext context, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT l.organization_id, l.short_code, CASE WHEN p.cancelled_at IS NOT NULL THEN 'CANCELED' ELSE l.status::text END, l.amount, l.currency, l.description, l.invoice_reference, l.customer_name, l.customer_email, p.stripe_payment_link
              FROM payment_links l LEFT JOIN paymentsync.payment_link_settings p ON p.payment_link_id = l.id WHERE l.id = $1
            """);
        command.Parameters.AddWithValue(id);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
            return null;
        return new LinkView(id, reader.GetGuid(0), reader.GetString(1), reader.GetString(2), Money.Format(reader.GetDecimal(3)), reader.GetString(4), reader.GetString(5),
            reader.Nullable<string>(6), new Customer(reader.Nullable<string>(7), reader.Nullable<string>(8)), reader.Nullable<string>(9), await SyncsAsync(id, context, cancellationToken));
    }

    static async Task<IReadOnlyList<LinkSync>> SyncsAsync(Guid link, PaymentSyncDbContext context, CancellationToken cancellationToken) =>
        await context.Syncs.Where(sync => sync.PaymentLinkId == link).OrderBy(sync => sync.SyncType)
            .Select(sync => new LinkSync(sync.Id, sync.SyncType.ToString(), sync.Status.ToString(), sync.FailureCode)).ToListAsync(cancellationToken);

    static ProblemHttpResult? Invalid(LinkBody body, out decimal amount)
    {
        static ProblemHttpResult Bad(string sentence) => Problems.BadRequest("link.invalid", sentence);
        if (!Money.TryParse(body.Amount, out amount) || amount <= 0)
            return Bad("amount must be a positive amount of major units, for example \"120.00\".");
        if (!Money.IsCurrency(body.Currency))
            return Bad("currency must be three capital letters, for example GBP.");
        if (body.ShortCode is not null && !ShortCode().IsMatch(body.ShortCode))
            return Bad("shortCode must have 1 to 8 of the characters A-Z a-z 0-9 _ . -, or be null to have one made.");
        if (string.IsNullOrWhiteSpace(body.Description) || body.Description.Length > 4000)
            return Bad("description must have 1 to 4000 characters: it becomes the invoice's line.");
        if (body.Reference?.Length > 255 || body.Customer?.Name?.Length > 255 || body.Customer?.Email?.Length > 255)
            return Bad("reference, customer.name and customer.email have at most 255 characters.");
        if (body.StripePaymentLink is not null && !PaymentId().IsMatch(body.StripePaymentLink))
            return Bad("stripePaymentLink must be Stripe's id of the link, plink_…, or null.");
        return new[] { body.Description, body.Reference, body.Customer?.Name, body.Customer?.Email }.Any(text => text?.Contains('\0') == true)
            ? Bad("Texts cannot contain the character NUL.")
            : null;
    }

    static ProblemHttpResult Unknown(Guid id) => Problems.NotFound("link.unknown", $"There is no payment link {id}.");

    static NpgsqlParameter Text(string? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };

    [System.Text.RegularExpressions.GeneratedRegex("^[A-Za-z0-9_.-]{1,8}$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)]
    private static partial System.Text.RegularExpressions.Regex ShortCode();

    [System.Text.RegularExpressions.GeneratedRegex("^[!-~]{1,200}$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)]
    private static partial System.Text.RegularExpressions.Regex PaymentId();
}
