using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;
using PaymentSync.Jobs;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Confirmation;

/// <summary><c>PUT/GET /api/organizations/{id}</c>: an organisation and how it books.</summary>
static partial class OrganisationEndpoints
{
    public static void MapOrganisations(this WebApplication app)
    {
        var organisations = app.MapGroup("/api/organizations").WithTags("Organisations");
        organisations.MapGet("/{id:guid}", ShowAsync).RequireAuthorization(Roles.Viewer);
        organisations.MapPut("/{id:guid}", PutAsync).RequireAuthorization(Roles.Admin);
    }

    /// <param name="ClearingAccounts">Provider → currency → Xero account code, for example {"STRIPE": {"GBP": "090"}}.</param>
    /// <param name="StripeAccount">The only Stripe account whose events may name the organisation's links: "self" (the platform's own) or acct_…; null: any.</param>
    internal sealed record Booking(string SalesAccountCode, string TaxType, string LineAmountTypes, Dictionary<string, Dictionary<string, string>> ClearingAccounts,
        string InvoicePrefix = "PL-", string Contacts = "PerCustomer", string SharedContact = "Online payments", string AmountPolicy = "MustEqualLink", string LockDatePolicy = "Hold", string? StripeAccount = null);

    internal sealed record OrganisationBody(string Name, string TimeZone, Booking Booking);

    internal sealed record OrganisationView(Guid Id, string Name, string? TimeZone, Booking? Booking);

    static async Task<Results<Ok<OrganisationView>, ProblemHttpResult>> ShowAsync(Guid id, PaymentSyncDbContext database, CancellationToken cancellationToken) =>
        await FindAsync(id, database, cancellationToken) is { } view ? TypedResults.Ok(view) : Problems.NotFound("organization.unknown", $"There is no organisation {id}.");

    static async Task<Results<Ok<OrganisationView>, ProblemHttpResult>> PutAsync(Guid id, OrganisationBody body, NpgsqlDataSource database, PaymentSyncDbContext context, WaitingDocuments waiting, Wakes wakes,
        AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        if (Invalid(body) is { } problem)
            return problem;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using (var alone = new NpgsqlCommand("SELECT paymentsync.lock_booking($1, true)", connection, transaction) { Parameters = { new() { Value = id } } })
            await alone.ExecuteNonQueryAsync(cancellationToken);
        if (!await UpsertOrganisationAsync(connection, id, body.Name, cancellationToken))
            return Problems.Conflict("owned_by_host", "This database belongs to a host application, which makes its organisations; only the settings of one that exists can be set.");
        if (!await KnowsZoneAsync(connection, body.TimeZone, cancellationToken))
            return Problems.BadRequest("organization.invalid", $"timeZone {body.TimeZone} is not known to the database, which dates the documents. Use a name such as Europe/London.");
        await UpsertSettingsAsync(connection, id, body, cancellationToken);
        await WaitingDocuments.BeginAsync(connection, id, cancellationToken);
        await audit.WriteAsync(http.User, "organization.put", id.ToString(), reason: null, cancellationToken, body, transaction);
        await transaction.CommitAsync(cancellationToken);
        await waiting.BuildAsync(id, cancellationToken);
        wakes.Wake(id);
        return TypedResults.Ok((await FindAsync(id, context, cancellationToken))!);
    }

    /// <returns>False where a host owns the organisations and there is none of this id.</returns>
    static async Task<bool> UpsertOrganisationAsync(NpgsqlConnection connection, Guid id, string name, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            WITH owned AS (SELECT host_owned FROM paymentsync.installation),
            made AS (INSERT INTO organizations AS o (id, clerk_org_id, name, created_at) SELECT $1, 'paymentsync:' || $1, $2, paymentsync.now() FROM owned WHERE NOT host_owned
                     ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id)
            SELECT EXISTS (SELECT 1 FROM made) OR EXISTS (SELECT 1 FROM organizations WHERE id = $1)
            """, connection);
        command.Parameters.AddWithValue(id);
        command.Parameters.AddWithValue(name.Trim());
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>The service and the database may have different time zone tables; a zone that only one of them has would fail every confirmation.</summary>
    static async Task<bool> KnowsZoneAsync(NpgsqlConnection connection, string zone, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = new NpgsqlCommand("SELECT paymentsync.now() AT TIME ZONE $1", connection) { Parameters = { new() { Value = zone } } };
            await command.ExecuteNonQueryAsync(cancellationToken);
            return true;
        }
        catch (PostgresException refused) when (refused.SqlState == PostgresErrorCodes.InvalidParameterValue)
        {
            return false;
        }
    }

    static async Task UpsertSettingsAsync(NpgsqlConnection connection, Guid id, OrganisationBody body, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            INSERT INTO paymentsync.organization_settings (organization_id, time_zone, sales_account_code, tax_type, line_amount_types, clearing_accounts, invoice_prefix, contacts, shared_contact, amount_policy, lock_date_policy, stripe_account)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (organization_id) DO UPDATE SET time_zone = excluded.time_zone, sales_account_code = excluded.sales_account_code, tax_type = excluded.tax_type,
              line_amount_types = excluded.line_amount_types, clearing_accounts = excluded.clearing_accounts, invoice_prefix = excluded.invoice_prefix, contacts = excluded.contacts,
              shared_contact = excluded.shared_contact, amount_policy = excluded.amount_policy, lock_date_policy = excluded.lock_date_policy, stripe_account = excluded.stripe_account, updated_at = paymentsync.now()
            """, connection);
        command.Parameters.AddWithValue(id);
        command.Parameters.AddWithValue(body.TimeZone);
        command.Parameters.AddWithValue(body.Booking.SalesAccountCode);
        command.Parameters.AddWithValue(body.Booking.TaxType);
        command.Parameters.AddWithValue(body.Booking.LineAmountTypes);
        command.Parameters.Add(new NpgsqlParameter { Value = JsonSerializer.Serialize(body.Booking.ClearingAccounts), NpgsqlDbType = NpgsqlDbType.Jsonb });
        command.Parameters.AddWithValue(body.Booking.InvoicePrefix);
        command.Parameters.AddWithValue(body.Booking.Contacts);
        command.Parameters.AddWithValue(body.Booking.SharedContact.Trim());
        command.Parameters.AddWithValue(body.Booking.AmountPolicy);
        command.Parameters.AddWithValue(body.Booking.LockDatePolicy);
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)body.Booking.StripeAccount ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    static async Task<OrganisationView?> FindAsync(Guid id, PaymentSyncDbContext database, CancellationToken cancellationToken)
    {
        var found = await (from organisation in database.Organisations
                           where organisation.Id == id
                           join settings in database.BookingSettings on organisation.Id equals settings.OrganizationId into all
                           from settings in all.DefaultIfEmpty()
                           select new { organisation.Name, Settings = settings }).FirstOrDefaultAsync(cancellationToken);
        return found is null ? null : new OrganisationView(id, found.Name, found.Settings?.TimeZone, found.Settings is not { } booking ? null : new Booking(
            booking.SalesAccountCode, booking.TaxType, booking.LineAmountTypes, JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(booking.ClearingAccounts)!,
            booking.InvoicePrefix, booking.Contacts, booking.SharedContact, booking.AmountPolicy, booking.LockDatePolicy, booking.StripeAccount));
    }

    static ProblemHttpResult? Invalid(OrganisationBody body)
    {
        static ProblemHttpResult Bad(string sentence) => Problems.BadRequest("organization.invalid", sentence);
        static bool Code(string? code) => !string.IsNullOrWhiteSpace(code) && code.Length <= 50 && !code.Any(char.IsControl);
        var booking = body.Booking;
        if (string.IsNullOrWhiteSpace(body.Name) || body.Name.Length > 255)
            return Bad("name must have 1 to 255 characters.");
        if (body.TimeZone is null || !TimeZoneInfo.TryFindSystemTimeZoneById(body.TimeZone, out var zone) || !zone.HasIanaId)
            return Bad("timeZone must be an IANA time zone, for example Europe/London.");
        // The database takes short names such as CET for offsets without summer time, and would date documents by them.
        if (!body.TimeZone.Contains('/') && body.TimeZone is not "UTC")
            return Bad("timeZone must name an area and a place, for example Europe/London, or be UTC: short names mean different things to different programs.");
        if (booking is null)
            return Bad("booking must say how the organisation books: salesAccountCode, taxType, lineAmountTypes and clearingAccounts.");
        if (!Code(booking.SalesAccountCode) || !Code(booking.TaxType))
            return Bad("booking.salesAccountCode and booking.taxType must be codes of the Xero organisation, for example 200 and NONE.");
        if (booking.LineAmountTypes == "Exclusive")
            return Bad("booking.lineAmountTypes must be Inclusive or NoTax: with Exclusive amounts and tax rounded by line, not every total that was charged can be reached.");
        if (booking.LineAmountTypes is not ("Inclusive" or "NoTax"))
            return Bad("booking.lineAmountTypes must be Inclusive or NoTax.");
        if (booking.ClearingAccounts is null || booking.ClearingAccounts.Any(provider => !Provider().IsMatch(provider.Key) || provider.Value is null || provider.Value.Any(account => !Money.IsCurrency(account.Key) || !Code(account.Value))))
            return Bad("booking.clearingAccounts must map a provider in capitals to currencies and account codes, for example {\"STRIPE\": {\"GBP\": \"090\"}}.");
        if (!Prefix().IsMatch(booking.InvoicePrefix ?? "<"))
            return Bad("booking.invoicePrefix must have at most 20 of the characters A-Z a-z 0-9 / _ . -");
        if (booking.Contacts is not ("PerCustomer" or "Shared"))
            return Bad("booking.contacts must be PerCustomer or Shared.");
        if (string.IsNullOrWhiteSpace(booking.SharedContact) || booking.SharedContact.Length > 255 || booking.SharedContact.Contains('<') || booking.SharedContact.Contains('>') || booking.SharedContact.Contains("  ", StringComparison.Ordinal) || booking.SharedContact.Any(char.IsControl) || booking.SharedContact.Any(character => char.GetUnicodeCategory(character) == System.Globalization.UnicodeCategory.Format))
            return Bad("booking.sharedContact must be a contact name of 1 to 255 characters without angle brackets, doubled spaces or invisible characters.");
        if (booking.StripeAccount is not null && !StripeAccount().IsMatch(booking.StripeAccount))
            return Bad("booking.stripeAccount must be self (your own account), the id of a connected account (acct_…), or null for any.");
        if (booking.AmountPolicy is not ("MustEqualLink" or "AsCharged"))
            return Bad("booking.amountPolicy must be MustEqualLink or AsCharged.");
        if (booking.LockDatePolicy is not ("Hold" or "FirstOpenDay"))
            return Bad("booking.lockDatePolicy must be Hold or FirstOpenDay.");
        return null;
    }

    [System.Text.RegularExpressions.GeneratedRegex("^[A-Z][A-Z0-9_]{0,31}$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)]
    internal static partial System.Text.RegularExpressions.Regex Provider();

    [System.Text.RegularExpressions.GeneratedRegex("^self$|^acct_[!-9;-~]{1,250}$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)]
    private static partial System.Text.RegularExpressions.Regex StripeAccount();

    [System.Text.RegularExpressions.GeneratedRegex("^[A-Za-z0-9/_.-]{0,20}$", System.Text.RegularExpressions.RegexOptions.NonBacktracking)]
    private static partial System.Text.RegularExpressions.Regex Prefix();
}
