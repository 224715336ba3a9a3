using System.Globalization;
using System.Text;
using System.Text.Json;

namespace PaymentSync.Recovery;

/// <summary>What one run found of one kind, and what became of it.</summary>
/// <param name="Decided">Decision → how many.</param>
/// <param name="Done">Carried out. What is neither done nor left to a person had moved on by itself.</param>
/// <param name="More">There are more than one run looks at; the next run goes on.</param>
sealed record KindReport(string Kind, int Found, IReadOnlyDictionary<string, int> Decided, int Done, int LeftToAPerson, bool More);

/// <summary>What one run found, decided, did, and left to a person.</summary>
/// <param name="Id">Null: nothing was stored, since nothing was found or the run was a dry one.</param>
/// <param name="EndedAt">Null: it is still running, or its node is gone (the next run closes it).</param>
sealed record RecoveryReport(Guid? Id, string Trigger, string Node, DateTime StartedAt, DateTime? EndedAt, bool DryRun, int Found, int Done, int LeftToAPerson, IReadOnlyList<KindReport> Kinds)
{
    /// <summary>For a person at a terminal.</summary>
    public string AsText(IReadOnlyList<RecoveryItem> items)
    {
        var text = new StringBuilder();
        void Line(FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');

        Line($"Recovery {(DryRun ? "(dry run, nothing was changed)" : Id)} by {Node}, {Trigger.ToLowerInvariant()}, {StartedAt:yyyy-MM-dd HH:mm:ss'Z'}{(EndedAt is { } end ? $" to {end.ToString("HH:mm:ss'Z'", CultureInfo.InvariantCulture)}" : ", not ended")}");
        Line($"found {Found}, done {Done}, left to a person {LeftToAPerson}");
        foreach (var kind in Kinds)
            Line($"  {kind.Kind}: found {kind.Found}{(kind.More ? " or more" : "")}, decided {string.Join(", ", kind.Decided.Select(pair => $"{pair.Key} {pair.Value}"))}, done {kind.Done}, left to a person {kind.LeftToAPerson}");
        foreach (var item in items)
            Line($"  {item.Decision} {item.Kind} {item.Subject} ({item.Status}): {item.Message}");
        return text.ToString();
    }

    public string ToSummary() => JsonSerializer.Serialize(Kinds, JsonSerializerOptions.Web);

    public static IReadOnlyList<KindReport> ReadSummary(string json)
    {
        using var document = JsonDocument.Parse(json);
        // A report of another origin, as of the adoption of a database, has a summary of its own shape.
        return document.RootElement.ValueKind == JsonValueKind.Array ? document.RootElement.Deserialize<List<KindReport>>(JsonSerializerOptions.Web)! : [];
    }
}

/// <summary>One finding as it is kept: done, or open until a person resolves it.</summary>
sealed record RecoveryItem(Guid Id, Guid? ReportId, string Kind, string Subject, Guid? SyncId, Guid? PaymentLinkId, Guid? EventId, Guid? OrganizationId, string Decision, string Status, string Message,
    JsonElement Details, DateTime CreatedAt, DateTime? ResolvedAt, string? Resolution, string? ResolvedBy, string? Reason);
