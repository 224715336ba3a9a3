using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;

namespace PaymentSync.Xero;

/// <summary>Reads what Xero organisations are set to, and shares it between nodes.</summary>
sealed partial class SettingsReader(NpgsqlDataSource database, XeroReads reads, IOptions<XeroOptions> options, ILogger<SettingsReader> log)
{
    /// <summary>As last read, by whatever node.</summary>
    public async Task<TenantSettings> KnownAsync(Guid organisation, string tenant, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT part, content::text, paymentsync.now() - read_at, paymentsync.now() - asked_at, changed_at FROM paymentsync.tenant_settings WHERE tenant_id = $1")
        {
            Parameters = { new() { Value = tenant } },
        });
        batch.BatchCommands.Add(new NpgsqlBatchCommand("""
            SELECT o.lock_date_policy = 'FirstOpenDay', (paymentsync.now() AT TIME ZONE coalesce(o.time_zone, 'UTC'))::date
              FROM (SELECT $1::uuid AS id) i LEFT JOIN paymentsync.organization_settings o ON o.organization_id = i.id
            """)
        { Parameters = { new() { Value = organisation } } });
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var parts = new Dictionary<SettingsPart, KnownPart>();
        while (await reader.ReadAsync(cancellationToken))
        {
            JsonElement? content = reader.Nullable<string>(1) is { } text ? JsonElement.Parse(text) : null;
            parts[Enum.Parse<SettingsPart>(reader.GetString(0))] = new KnownPart(content, reader.NullableValue<TimeSpan>(2), reader.NullableValue<TimeSpan>(3), reader.NullableValue<DateTime>(4));
        }
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        // Only the pre-flight moves documents; without it the policy lets nothing go on.
        return new TenantSettings(parts, options.Value.PreFlight && (reader.NullableValue<bool>(0) ?? false), reader.GetFieldValue<DateOnly>(1));
    }

    /// <summary>One call for each part, one after the other, since lanes hold most of the calls in flight; what cannot be read, or has no call in the budget, stays as it was.</summary>
    public async Task ReadAsync(XeroSession session, IEnumerable<SettingsPart> parts, CancellationToken stopping)
    {
        foreach (var part in parts)
        {
            if (await AskAsync(session, part, "", stopping) is { } answer)
                await StoreAsync(session.TenantId, part, answer.Content, CancellationToken.None);
        }
    }

    /// <summary>Of these names only, one call for each. Xero's filter has no way to write a quotation mark: such names are left out.</summary>
    public async Task ReadContactsAsync(XeroSession session, IEnumerable<string> names, CancellationToken stopping)
    {
        var found = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var name in names.Where(name => !name.Contains('"') && !name.Contains('\\')))
        {
            var filter = Uri.EscapeDataString($"Name==\"{name}\"");
            if (await AskAsync(session, SettingsPart.Contacts, $"?where={filter}&includeArchived=true&page=1&pageSize=100", stopping) is { Content: { } answer })
                found[name] = JsonElement.Parse(answer).TryGetProperty(name, out var status) ? status.GetString() : null;
        }
        await StoreAsync(session.TenantId, SettingsPart.Contacts, JsonSerializer.Serialize(found), CancellationToken.None);
    }

    /// <summary>A refusal contradicts what was read: it is not believed any more.</summary>
    public async Task ForgetAsync(string tenant, IEnumerable<SettingsPart> parts, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("UPDATE paymentsync.tenant_settings SET read_at = NULL, asked_at = 'epoch' WHERE tenant_id = $1 AND part = ANY ($2)");
        command.Parameters.AddWithValue(tenant);
        command.Parameters.AddWithValue(parts.Select(part => part.ToString()).ToArray());
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <returns>Null: there was no call for it.</returns>
    async Task<Answer?> AskAsync(XeroSession session, SettingsPart part, string query, CancellationToken stopping)
    {
        if (stopping.IsCancellationRequested || await session.ReserveAsync(forLook: true, CancellationToken.None) is not { } slot)
            return null;
        if (await reads.GetAsync(session, part.ToString(), query, slot, stopping) is not { } reply)
            return null;
        var content = reply is XeroReply.Answered { Status: 200 } answered ? SettingsAnswer.Read(part, answered.Body) : null;
        if (content is null)
            LogNotRead(part, session.TenantId);
        return new Answer(content);
    }

    /// <param name="Content">Null: Xero gave no answer that can be read.</param>
    sealed record Answer(string? Content);

    async Task StoreAsync(string tenant, SettingsPart part, string? content, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT paymentsync.store_tenant_setting($1, $2, $3)");
        command.Parameters.AddWithValue(tenant);
        command.Parameters.AddWithValue(part.ToString());
        command.Parameters.Add(new NpgsqlParameter { Value = (object?)content ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Jsonb });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Part} of Xero tenant {Tenant} could not be read; documents are sent and Xero decides")]
    partial void LogNotRead(SettingsPart part, string tenant);
}
