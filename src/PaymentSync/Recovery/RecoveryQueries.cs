using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using PaymentSync.Database;

namespace PaymentSync.Recovery;

/// <summary>Reads reports and items.</summary>
sealed class RecoveryQueries(NpgsqlDataSource database)
{
    const string ReportColumns = "id, trigger, node, started_at, ended_at, found, done, left_to_a_person, summary::text";
    const string ItemColumns = "id, report_id, kind, subject, sync_id, payment_link_id, event_id, organization_id, decision, status, message, details::text, created_at, resolved_at, resolution, resolved_by, reason";

    /// <summary>What items are asked for; null means any.</summary>
    internal sealed record ItemFilter(string? Status, string? Kind, string? Decision, Guid? OrganizationId, Guid? ReportId, Guid? SyncId);

    public async Task<List<RecoveryReport>> ReportsAsync((DateTime At, Guid Id)? after, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT {ReportColumns} FROM paymentsync.recovery_reports WHERE $1::timestamptz IS NULL OR (started_at, id) < ($1, $2) ORDER BY started_at DESC, id DESC LIMIT $3
            """);
        After(command, after);
        command.Parameters.AddWithValue(limit);
        return await ReadAsync(command, Report, cancellationToken);
    }

    public async Task<RecoveryReport?> ReportAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"SELECT {ReportColumns} FROM paymentsync.recovery_reports WHERE id = $1");
        command.Parameters.AddWithValue(id);
        return (await ReadAsync(command, Report, cancellationToken)).FirstOrDefault();
    }

    public async Task<List<RecoveryItem>> ItemsAsync(ItemFilter filter, (DateTime At, Guid Id)? after, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT {ItemColumns} FROM paymentsync.recovery_items
             WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2)) AND ($3::text IS NULL OR status = $3) AND ($4::text IS NULL OR kind = $4) AND ($5::text IS NULL OR decision = $5)
               AND ($6::uuid IS NULL OR organization_id = $6) AND ($7::uuid IS NULL OR report_id = $7) AND ($8::uuid IS NULL OR sync_id = $8)
             ORDER BY created_at DESC, id DESC LIMIT $9
            """);
        After(command, after);
        foreach (var text in new[] { filter.Status, filter.Kind, filter.Decision })
            command.Parameters.Add(new NpgsqlParameter { Value = (object?)text ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        foreach (var id in new[] { filter.OrganizationId, filter.ReportId, filter.SyncId })
            command.Parameters.Add(new NpgsqlParameter { Value = (object?)id ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.AddWithValue(limit);
        return await ReadAsync(command, Item, cancellationToken);
    }

    public async Task<RecoveryItem?> ItemAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"SELECT {ItemColumns} FROM paymentsync.recovery_items WHERE id = $1");
        command.Parameters.AddWithValue(id);
        return (await ReadAsync(command, Item, cancellationToken)).FirstOrDefault();
    }

    static void After(NpgsqlCommand command, (DateTime At, Guid Id)? after)
    {
        command.Parameters.Add(new NpgsqlParameter { Value = after is { } point ? point.At : DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.AddWithValue(after?.Id ?? Guid.Empty);
    }

    static async Task<List<T>> ReadAsync<T>(NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        var rows = new List<T>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            rows.Add(read(reader));
        return rows;
    }

    static RecoveryReport Report(NpgsqlDataReader reader) => new(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetDateTime(3), reader.NullableValue<DateTime>(4), DryRun: false,
        reader.GetInt32(5), reader.GetInt32(6), reader.GetInt32(7), RecoveryReport.ReadSummary(reader.GetString(8)));

    static RecoveryItem Item(NpgsqlDataReader reader)
    {
        using var details = JsonDocument.Parse(reader.GetString(11));
        return new(reader.GetGuid(0), reader.NullableValue<Guid>(1), reader.GetString(2), reader.GetString(3), reader.NullableValue<Guid>(4), reader.NullableValue<Guid>(5), reader.NullableValue<Guid>(6),
            reader.NullableValue<Guid>(7), reader.GetString(8), reader.GetString(9), reader.GetString(10), details.RootElement.Clone(), reader.GetDateTime(12), reader.NullableValue<DateTime>(13),
            reader.Nullable<string>(14), reader.Nullable<string>(15), reader.Nullable<string>(16));
    }
}
