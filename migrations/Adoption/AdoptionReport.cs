using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Npgsql;

namespace PaymentSync.Migrations;

/// <summary>What an adoption found, removed, and left to a person. A dry run's is the same, but for the time and what only a real run can look at.</summary>
public sealed record AdoptionReport
{
    static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public required bool DryRun { get; init; }
    public required long RowsBefore { get; init; }
    public required long RowsAfter { get; init; }
    public required long Links { get; init; }
    public required long LinksWithDuplicates { get; init; }
    /// <summary>Groups: the rows of one payment link and type.</summary>
    public required long Groups { get; init; }
    public required long GroupsWithDuplicates { get; init; }
    /// <summary>Groups whose rows name several different documents: real duplicates in Xero.</summary>
    public required long GroupsWithSeveralXeroIds { get; init; }
    /// <summary>Rows moved to the archive, by the status they had.</summary>
    public required SortedDictionary<string, long> RemovedByStatus { get; init; }
    /// <summary>What became of the rows that were there, as "TYPE STATUS" or "TYPE failure.code".</summary>
    public required SortedDictionary<string, long> Kept { get; init; }
    /// <summary>Rows that were made, since a link has both or its document is known.</summary>
    public required SortedDictionary<string, long> Added { get; init; }
    /// <summary>Rows that took an id from another row of their link.</summary>
    public required SortedDictionary<string, long> IdsLearned { get; init; }
    /// <summary>Different Xero ids of all links before; as many are in the table and the archive afterwards.</summary>
    public required long XeroIds { get; init; }
    /// <summary>Open items of the work list, by kind.</summary>
    public required SortedDictionary<string, long> WorkList { get; init; }
    /// <summary>Of the work list, the first few.</summary>
    public required IReadOnlyList<string> WorkListExamples { get; init; }
    public required long InsertedMeanwhile { get; init; }
    public required string Constraint { get; init; }
    public required double Seconds { get; init; }
    /// <summary>How long each step took, in the order in which they ended; some were done side by side.</summary>
    public required IReadOnlyList<StepTime> Steps { get; init; }
    public required IReadOnlyList<Verification> Verifications { get; init; }

    public sealed record StepTime(string Name, double Seconds);

    /// <param name="Found">Null in a dry run.</param>
    public sealed record Verification(string Question, string Sql, long Expected, long? Found)
    {
        public bool Holds => Found == Expected;
    }

    public long Removed => RemovedByStatus.Values.Sum();
    public long WorkListItems => WorkList.Values.Sum();
    public bool Holds => DryRun || Verifications.All(verification => verification.Holds);

    public string ToJson() => JsonSerializer.Serialize(this, Format);

    internal static AdoptionReport Of(IReadOnlyDictionary<string, long> tally, bool constraintWasThere, bool dryRun)
    {
        long Count(string what) => tally.GetValueOrDefault(what);
        SortedDictionary<string, long> By(string prefix) =>
            new(tally.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal) && pair.Value > 0).ToDictionary(pair => pair.Key[prefix.Length..].Replace(':', ' '), pair => pair.Value), StringComparer.Ordinal);
        var (kept, added, items) = (By("kept:"), By("added:"), By("item:"));
        return new AdoptionReport
        {
            DryRun = dryRun,
            RowsBefore = Count("rows"),
            RowsAfter = kept.Values.Sum() + added.Values.Sum(),
            Links = Count("links"),
            LinksWithDuplicates = Count("linksWithDuplicates"),
            Groups = Count("groups"),
            GroupsWithDuplicates = Count("groupsWithDuplicates"),
            GroupsWithSeveralXeroIds = Count("groupsWithSeveralXeroIds"),
            RemovedByStatus = By("removed:"),
            Kept = kept,
            Added = added,
            IdsLearned = By("learned:"),
            XeroIds = Count("ids"),
            WorkList = items,
            WorkListExamples = [],
            InsertedMeanwhile = Count("late"),
            Constraint = constraintWasThere ? "was there already and is valid: taken over" : "built",
            Seconds = 0,
            Steps = [],
            Verifications = [],
        };
    }

    /// <summary>Of a clean-up that is done, with the answers of the verification queries.</summary>
    internal static async Task<AdoptionReport> OfAsync(NpgsqlConnection connection, string connectionString, CancellationToken cancellationToken)
    {
        await using var read = new NpgsqlCommand("""
            SELECT t.key, t.value::bigint FROM paymentsync.adoption a CROSS JOIN LATERAL jsonb_each_text(a.tally) t
            """, connection);
        var tally = await Adoption.CountsAsync(read);
        var report = Of(tally, await Adoption.ScalarAsync<bool>(connection, "SELECT constraint_was_there FROM paymentsync.adoption", cancellationToken), dryRun: false);
        var examples = new List<string>();
        await using (var items = new NpgsqlCommand("SELECT kind || ': ' || message FROM paymentsync.recovery_items i JOIN paymentsync.adoption a ON a.report_id = i.report_id WHERE i.kind <> 'legacy.unknown_outcome' ORDER BY i.kind, i.subject LIMIT 5", connection))
        await using (var reader = await items.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
                examples.Add(reader.GetString(0));
        }
        var verified = await Task.WhenAll(AdoptionVerifications.Of(report).Select(async verification =>
        {
            await using var own = new NpgsqlConnection(connectionString);
            await own.OpenAsync(cancellationToken);
            return verification with { Found = await Adoption.ScalarAsync<long>(own, verification.Sql, cancellationToken) };
        }));
        return report with
        {
            WorkListExamples = examples,
            Verifications = verified,
        };
    }

    /// <summary>For people.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        void Line(string what, long count) => text.AppendLine(CultureInfo.InvariantCulture, $"  {what,-58}{count,14:N0}");
        void Lines(string heading, SortedDictionary<string, long> counts)
        {
            if (counts.Count == 0)
                return;
            text.AppendLine(heading);
            foreach (var (what, count) in counts)
                Line("  " + what, count);
        }
        text.AppendLine(DryRun ? "Dry run: nothing was changed. This is what the adoption would do." : "Adoption of the existing installation");
        Line("rows of xero_syncs before", RowsBefore);
        Line("payment links with rows", Links);
        Line("payment links with duplicates", LinksWithDuplicates);
        Line("(link, type) groups with several different Xero ids", GroupsWithSeveralXeroIds);
        Line("different Xero ids, all kept", XeroIds);
        Lines("Rows moved to paymentsync.xero_syncs_archive, by status", RemovedByStatus);
        Lines("Rows kept, and what becomes of them", Kept);
        Lines("Rows made", Added);
        Lines("Rows that took an id from another row of their link", IdsLearned);
        Line("rows of xero_syncs afterwards", RowsAfter);
        if (InsertedMeanwhile > 0)
            Line("duplicates inserted by the host meanwhile, archived", InsertedMeanwhile);
        Lines("Work list (GET /api/recovery/items?status=OPEN)", WorkList);
        foreach (var example in WorkListExamples)
            text.AppendLine(CultureInfo.InvariantCulture, $"    {example}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Constraint xero_syncs_payment_link_sync_type_unique: {Constraint}.");
        if (!DryRun)
        {
            text.AppendLine("Verified");
            foreach (var verification in Verifications)
                text.AppendLine(CultureInfo.InvariantCulture, $"  {(verification.Holds ? "yes" : "NO ")}  {verification.Question}: {verification.Found:N0} of {verification.Expected:N0}\n       {verification.Sql}");
            text.AppendLine("Time, some of it side by side");
            foreach (var step in Steps)
                text.AppendLine(CultureInfo.InvariantCulture, $"    {step.Name,-56}{step.Seconds,14:0.0} s");
            text.AppendLine(CultureInfo.InvariantCulture, $"Done in {Seconds:0.0} s.");
        }
        return text.ToString();
    }
}
