using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;
using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.Adoption;

/// <summary>A host application's database before its adoption, dirty in every way there is; the same seed makes the same dirt.</summary>
sealed class LegacyDatabase
{
    public static readonly DateTime Start = new(2025, 7, 1, 9, 0, 0, DateTimeKind.Utc);
    static readonly string[] Statuses = ["PENDING", "RETRYING", "FAILED", "FAILED", "SUCCESS", "SUCCESS"];
    static readonly string[] Errors = ["Xero API 500", "No active Xero connection for organization", "unauthorized", "A validation exception occurred"];

    Random _chance = new(0);

    public List<LegacyLink> Links { get; } = [];
    public List<LegacyRow> Rows { get; } = [];
    public Guid Organisation { get; private set; }

    /// <summary>One dirty table for each seed, side by side: their links have nothing to do with each other, so one database serves them all.</summary>
    public static LegacyDatabase Random(int firstSeed, int seeds, int linksEach)
    {
        var made = new LegacyDatabase();
        for (var seed = firstSeed; seed < firstSeed + seeds; seed++)
        {
            made._chance = new Random(seed);
            made.Organisation = made.Guid();
            var organisations = new[] { made.Organisation, made.Guid(), made.Guid() };
            for (var number = 0; number < linksEach; number++)
                made.AddLink((seed * linksEach) + number, organisations[made._chance.Next(3)]);
        }
        return made;
    }

    /// <summary>Nothing but what is then added by hand.</summary>
    public static LegacyDatabase Of(Guid organisation) => new() { Organisation = organisation };

    /// <summary>A paid link over 120.00 GBP.</summary>
    public Guid Link(string status = "PAID")
    {
        Links.Add(new LegacyLink(Guid(), Organisation, $"{Links.Count:X8}", status, "STRIPE", 120, "GBP", "GBP"));
        return Links[^1].Id;
    }

    public Guid Row(Guid link, string type, string status, string? invoiceId = null, string? paymentId = null, string? error = null, int retries = 0)
    {
        Rows.Add(new LegacyRow(Guid(), link, type, status, invoiceId, paymentId, error, retries, Start.AddSeconds(Rows.Count)));
        return Rows[^1].Id;
    }

    void AddLink(int number, Guid organisation)
    {
        var link = new LegacyLink(Guid(), organisation, $"{number:X8}", Pick("PAID", "PAID", "PAID", "PAID", "REFUNDED", "CANCELED", "OPEN"),
            Pick("STRIPE", "STRIPE", "STRIPE", "HEDERA", "MANUAL", null), _chance.Next(30) == 0 ? 0 : _chance.Next(1, 500000) / 100m, "GBP", _chance.Next(20) == 0 ? "EUR" : "GBP");
        Links.Add(link);
        foreach (var type in Pick<string[]>(["INVOICE"], ["INVOICE"], ["INVOICE", "PAYMENT"], ["INVOICE", "PAYMENT"], ["PAYMENT"]))
        {
            // Groups that were never tried are rare by chance alone.
            var untried = _chance.Next(3) == 0;
            var copies = _chance.Next(5) < 3 ? 1 : _chance.Next(1, 9);
            for (var copy = 0; copy < copies; copy++)
                Rows.Add(Row(link, number, type, copy, untried));
        }
    }

    LegacyRow Row(LegacyLink link, int number, string type, int copy, bool untried)
    {
        var status = untried ? Pick("PENDING", "PENDING", "FAILED") : Statuses[_chance.Next(Statuses.Length)];
        var done = status == "SUCCESS" || (status == "FAILED" && !untried && _chance.Next(10) == 0);
        // Now and then one document of a link is named by the next link, too; and now and then SUCCESS names nothing.
        var of = _chance.Next(40) == 0 ? number + 1 : number;
        var variant = _chance.Next(7) == 0 ? copy : 0;
        return new LegacyRow(Guid(), link.Id, type, status,
            !done || _chance.Next(25) == 0 ? Pick(null, null, null, "", "  ") : $"xinv-{of}-{variant}",
            status == "SUCCESS" && (type == "PAYMENT" || _chance.Next(2) == 0) && _chance.Next(25) > 0 ? $"xpay-{of}-{variant}" : null,
            status == "FAILED" ? untried ? Errors[1] : Errors[_chance.Next(Errors.Length)] : null,
            status == "FAILED" ? _chance.Next(untried ? 2 : 6) : status == "RETRYING" ? _chance.Next(6) : _chance.Next(20) == 0 && !untried ? 1 : 0,
            // A fifth of the duplicates share their created_at.
            Start.AddMinutes(7 * (number % 10000)).AddSeconds(_chance.Next(5) == 0 ? 0 : 11 * copy));
    }

    Guid Guid()
    {
        var bytes = new byte[16];
        _chance.NextBytes(bytes);
        return new Guid(bytes);
    }

    T Pick<T>(params T[] choices) => choices[_chance.Next(choices.Length)];

    /// <summary>The host's tables, filled.</summary>
    public async Task FillAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using (var schema = new NpgsqlCommand(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "migrations", "sql", "01_legacy_baseline.sql")), connection))
            await schema.ExecuteNonQueryAsync();
        await using (var organisations = new NpgsqlCommand("""
            CREATE TABLE xero_connections (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL UNIQUE REFERENCES organizations(id), tenant_id varchar(255) NOT NULL, access_token text NOT NULL,
              refresh_token text NOT NULL, expires_at timestamptz(6) NOT NULL, connected_at timestamptz(6) NOT NULL DEFAULT CURRENT_TIMESTAMP);
            INSERT INTO organizations (id, clerk_org_id, name) SELECT o, 'org_' || o, 'Organisation' FROM unnest($1) o
            """.Replace("$1", $"'{{{string.Join(',', Links.Select(link => link.Organisation).Append(Organisation).Distinct())}}}'::uuid[]", StringComparison.Ordinal), connection))
        {
            await organisations.ExecuteNonQueryAsync();
        }
        await using (var links = await connection.BeginTextImportAsync("COPY payment_links (id, organization_id, short_code, status, payment_method, amount, currency, invoice_currency, description, invoice_reference, customer_email, customer_name, created_at, updated_at) FROM STDIN"))
        {
            foreach (var link in Links)
            {
                await links.WriteAsync(string.Create(CultureInfo.InvariantCulture,
                    $"{link.Id}\t{link.Organisation}\t{link.ShortCode}\t{link.Status}\t{link.Method ?? "\\N"}\t{link.Amount}\t{link.Currency}\t{link.InvoiceCurrency}\tOrder\tREF\tann@example.com\tAnn Lee\t{Start:O}\t{Start:O}\n"));
            }
        }
        await using var rows = await connection.BeginTextImportAsync("COPY xero_syncs (id, payment_link_id, sync_type, status, xero_invoice_id, xero_payment_id, request_payload, error_message, retry_count, next_retry_at, created_at, updated_at) FROM STDIN");
        foreach (var row in Rows)
        {
            await rows.WriteAsync(string.Create(CultureInfo.InvariantCulture,
                $"{row.Id}\t{row.Link}\t{row.Type}\t{row.Status}\t{row.InvoiceId ?? "\\N"}\t{row.PaymentId ?? "\\N"}\t{{\"paymentLinkId\": \"{row.Link}\"}}\t{row.Error ?? "\\N"}\t{row.Retries}\t{(row.Status == "PENDING" ? Start.ToString("O") : "\\N")}\t{row.CreatedAt:O}\t{Start:O}\n"));
        }
    }

    public static Task<MigrateResult> AdoptAsync(PostgresDatabase database, Action<AdoptionProgress>? progress = null, bool dryRun = false) =>
        Migrator.RunAsync(database.ConnectionString, TextWriter.Null, new MigrateOptions { HostWorkerStopped = true, DryRun = dryRun, Progress = progress });

    /// <summary>What the rules say must be there now, and what is.</summary>
    public (IReadOnlyList<string> Expected, IReadOnlyList<LegacyRow> Removed) Expect()
    {
        var rows = Rows.ToLookup(row => row.Link);
        var fates = LegacyModel.Shared([.. Links.Where(link => rows.Contains(link.Id)).SelectMany(link => LegacyModel.Fates(link, [.. rows[link.Id]]))]);
        var kept = fates.Select(fate => fate.Id).OfType<Guid>().ToHashSet();
        return ([.. fates.Select(fate => $"{fate.Link} {fate.Type} {(fate.Id is { } id ? id : "made")} {fate.Becomes} {fate.XeroId}").Order(StringComparer.Ordinal)], [.. Rows.Where(row => !kept.Contains(row.Id))]);
    }

    public IReadOnlyList<string> ExpectedItems()
    {
        var rows = Rows.ToLookup(row => row.Link);
        return [.. Links.Where(link => rows.Contains(link.Id)).SelectMany(link => LegacyModel.Items(link, [.. rows[link.Id]])).Order(StringComparer.Ordinal)];
    }

    public static async Task<IReadOnlyList<string>> FoundAsync(PostgresDatabase database) => [.. (await database.QueryAsync("""
        SELECT s.payment_link_id, s.sync_type::text, CASE WHEN b.sync_id IS NOT NULL AND b.status IS NULL THEN 'made' ELSE s.id::text END, CASE WHEN s.status = 'SUCCESS' THEN 'SUCCESS' ELSE s.failure_code END,
               CASE s.sync_type WHEN 'INVOICE' THEN s.xero_invoice_id ELSE s.xero_payment_id END
          FROM xero_syncs s LEFT JOIN paymentsync.xero_syncs_before_adoption b ON b.sync_id = s.id
        """, reader => $"{reader.GetGuid(0)} {reader.GetString(1)} {reader.GetString(2)} {reader.Nullable<string>(3)} {reader.Nullable<string>(4)}")).Order(StringComparer.Ordinal)];
}
