using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.EndToEnd;

/// <summary>What the operator of an existing installation types, in the order of migrations/README.md.</summary>
public sealed class MigrateVerbTests(PostgresServer server)
{
    const string Host = """
        CREATE TABLE xero_connections (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL UNIQUE REFERENCES organizations(id), tenant_id varchar(255) NOT NULL, access_token text NOT NULL,
          refresh_token text NOT NULL, expires_at timestamptz(6) NOT NULL);
        INSERT INTO organizations (id, clerk_org_id, name) VALUES ('00000000-0000-0000-0000-0000000000aa', 'org_host', 'Host');
        INSERT INTO payment_links (id, organization_id, short_code, status, payment_method, amount, currency, invoice_currency, description, updated_at)
          VALUES ('00000000-0000-0000-0000-00000000001a', '00000000-0000-0000-0000-0000000000aa', 'SHORT001', 'PAID', 'STRIPE', 120, 'GBP', 'GBP', 'Order', now() - interval '1 day');
        INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, xero_invoice_id, request_payload, created_at, updated_at)
          SELECT gen_random_uuid(), '00000000-0000-0000-0000-00000000001a', 'INVOICE', CASE n WHEN 1 THEN 'SUCCESS' ELSE 'FAILED' END::"XeroSyncStatus", CASE n WHEN 1 THEN 'the-invoice' END, '{}', now() - interval '1 day',
            now() - interval '1 day' FROM generate_series(1, 3) n;
        INSERT INTO xero_connections (organization_id, tenant_id, access_token, refresh_token, expires_at) VALUES ('00000000-0000-0000-0000-0000000000aa', 'tenant', 'sesame-access', 'sesame-refresh', now())
        """;

    static readonly (string, string)[] App = [("PAYMENTSYNC_MASTER_KEY", "a master key for tests"), ("Xero__ClientId", "app"), ("Xero__ClientSecret", "the app's secret")];

    [Fact]
    public async Task An_operator_looks_is_refused_without_the_word_adopts_and_has_nothing_more_to_do()
    {
        await using var database = await server.CreateEmptyDatabaseAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "migrations", "sql", "01_legacy_baseline.sql")));
        await database.ExecuteAsync(Host);
        var number = 0;
        async Task<(string Output, string Error)> MigrateAsync(int expect, (string, string)[] settings, params string[] arguments)
        {
            var logs = Directory.CreateTempSubdirectory("paymentsync-e2e-");
            try
            {
                await using var program = await RunningProgram.StartAsync("PaymentSync", $"migrate-{++number}", logs.FullName,
                    settings.Append(("ConnectionStrings__PaymentSync", database.ConnectionString)).ToDictionary(setting => setting.Item1, setting => setting.Item2, StringComparer.Ordinal), ["migrate", .. arguments]);
                (await program.ExitAsync(TimeSpan.FromMinutes(1))).ShouldBe(expect, program.Output + program.Error);
                (program.Output + program.Error).ShouldNotContain("sesame");
                return (program.Output, program.Error);
            }
            finally
            {
                logs.Delete(recursive: true);
            }
        }
        Task<long> RowsAsync() => database.ScalarAsync<long>("SELECT count(*) FROM xero_syncs");
        Task<string> TokensAsync() => database.ScalarAsync<string>("SELECT access_token || refresh_token FROM xero_connections")!;

        (await MigrateAsync(2, [], "--dryrun")).Error.ShouldContain("does not know \"--dryrun\"");
        var look = JsonNode.Parse((await MigrateAsync(0, [], "--dry-run", "--json")).Output)!;
        (look["adoption"]!["rowsBefore"]!.GetValue<int>(), look["adoption"]!["rowsAfter"]!.GetValue<int>(), look["hostConnections"]!["found"]!.GetValue<int>()).ShouldBe((3, 2, 1));
        (await RowsAsync()).ShouldBe(3);

        (await MigrateAsync(1, [])).Error.ShouldContain("--host-worker-stopped");
        (await MigrateAsync(1, [], "--host-worker-stopped", "--adopt-connections")).Error.ShouldContain("PAYMENTSYNC_MASTER_KEY");
        (await RowsAsync()).ShouldBe(3);

        var adopted = await MigrateAsync(0, App, "--host-worker-stopped", "--adopt-connections");

        adopted.Output.ShouldContain("1 of 1 Xero connections of the host application were taken over, encrypted");
        (await RowsAsync()).ShouldBe(2);
        (await database.ScalarAsync<long>("SELECT count(*) FROM paymentsync.xero_syncs_archive")).ShouldBe(2);
        (await TokensAsync()).ShouldBe("");
        (await database.ScalarAsync<string>("SELECT kind || ' ' || status || ' ' || tenant_id FROM paymentsync.connections")).ShouldBe("OAUTH ACTIVE tenant");
        (await MigrateAsync(0, [])).Output.ShouldContain("up to date");
    }
}
