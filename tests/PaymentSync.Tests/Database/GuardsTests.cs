using Npgsql;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Database;

/// <summary>The database itself refuses what must not be, whoever asks. Set up by SQL, so that nothing of the service helps.</summary>
public sealed class GuardsTests(PostgresServer server)
{
    static readonly Guid Organisation = Guid.Parse("00000000-0000-0000-0000-00000000000a");

    async Task<(PostgresDatabase Database, Guid Link)> GivenAsync(string invoiceStatus = "PENDING")
    {
        var database = await server.CreateDatabaseAsync();
        var link = Guid.NewGuid();
        await database.ExecuteAsync("INSERT INTO organizations (id, clerk_org_id, name) VALUES ($1, 'org', 'Acme')", Organisation);
        await LinkAsync(database, link, "A");
        await SyncAsync(database, link, "INVOICE", invoiceStatus, "PL-A");
        return (database, link);
    }

    static Task<int> LinkAsync(PostgresDatabase database, Guid link, string shortCode) => database.ExecuteAsync(
        "INSERT INTO payment_links (id, organization_id, short_code, amount, currency, invoice_currency, description, updated_at) VALUES ($1, $2, $3, 120, 'GBP', 'GBP', 'Order', paymentsync.now())",
        link, Organisation, shortCode);

    static Task<int> SyncAsync(PostgresDatabase database, Guid link, string type, string status, string? number, string? xeroId = null) => database.ExecuteAsWriterAsync("""
        INSERT INTO xero_syncs (id, payment_link_id, sync_type, status, provider, provider_payment_id, amount, currency, document_number, request_payload, xero_invoice_id, xero_payment_id, failure_kind, failure_code, error_message, updated_at)
        VALUES (gen_random_uuid(), $1, $2::text::"XeroSyncType", $3::text::"XeroSyncStatus", 'STRIPE', 'pi_1', 120, 'GBP', $4, '{}', CASE WHEN $2 = 'INVOICE' THEN $5 END, CASE WHEN $2 = 'PAYMENT' THEN $5 END,
                CASE WHEN $3 = 'FAILED' THEN 'PERMANENT' END, CASE WHEN $3 = 'FAILED' THEN 'xero.refused' END, CASE WHEN $3 = 'FAILED' THEN 'No.' END, paymentsync.now())
        """, link, type, status, number, xeroId ?? (status == "SUCCESS" ? Guid.NewGuid().ToString() : null));

    static async Task<string> RefusalAsync(Func<Task> act) => (await Should.ThrowAsync<PostgresException>(act)).SqlState;

    [Fact]
    public async Task A_second_row_for_a_link_and_type_is_refused()
    {
        var (database, link) = await GivenAsync();
        await using var _ = database;
        var refused = await Should.ThrowAsync<PostgresException>(() => SyncAsync(database, link, "INVOICE", "PENDING", "PL-B"));
        refused.ConstraintName.ShouldBe("xero_syncs_payment_link_sync_type_unique");
    }

    [Theory]
    [InlineData("UPDATE xero_syncs SET status = 'PENDING'", "PS011")]
    [InlineData("UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'PERMANENT', failure_code = 'x'", "PS011")]
    [InlineData("UPDATE xero_syncs SET xero_invoice_id = NULL", "PS012")]
    [InlineData("UPDATE xero_syncs SET xero_invoice_id = 'another'", "PS012")]
    [InlineData("UPDATE xero_syncs SET amount = 121", "PS014")]
    [InlineData("UPDATE xero_syncs SET provider_payment_id = 'pi_2'", "PS014")]
    [InlineData("UPDATE xero_syncs SET document_number = 'PL-Z'", "PS015")]
    [InlineData("UPDATE xero_syncs SET request_payload = '{\"total\": \"1.00\"}'", "PS015")]
    [InlineData("UPDATE xero_syncs SET sync_type = 'PAYMENT'", "PS010")]
    [InlineData("UPDATE xero_syncs SET payment_link_id = gen_random_uuid()", "PS010")]
    [InlineData("UPDATE xero_syncs SET attempt = attempt - 1", "PS017")]
    [InlineData("UPDATE xero_syncs SET next_retry_at = paymentsync.now()", "23514")]
    [InlineData("DELETE FROM xero_syncs", "PS019")]
    [InlineData("TRUNCATE xero_syncs", "PS019")]
    [InlineData("DELETE FROM payment_links", "PS019")]
    [InlineData("DELETE FROM organizations", "PS019")]
    public async Task A_row_that_is_done_stays_as_it_is(string sql, string sqlState)
    {
        var (database, _) = await GivenAsync("SUCCESS");
        await using var owned = database;
        (await RefusalAsync(() => database.ExecuteAsWriterAsync(sql))).ShouldBe(sqlState);
        (await database.ScalarAsync<string>("SELECT status::text FROM xero_syncs")).ShouldBe("SUCCESS");
    }

    [Theory]
    [InlineData("UPDATE xero_syncs SET status = 'RETRYING'")]
    [InlineData("UPDATE xero_syncs SET lease_owner = 'me', lease_expires_at = paymentsync.now()")]
    [InlineData("UPDATE xero_syncs SET status = 'RETRYING', lease_owner = 'me'")]
    [InlineData("UPDATE xero_syncs SET status = 'RETRYING', lease_owner = 'me', lease_expires_at = paymentsync.now(), next_retry_at = paymentsync.now()")]
    [InlineData("UPDATE xero_syncs SET status = 'FAILED'")]
    [InlineData("UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = 'payment.amount_mismatch', next_retry_at = paymentsync.now()")]
    [InlineData("UPDATE xero_syncs SET failure_kind = 'UNLUCKY'")]
    [InlineData("UPDATE xero_syncs SET open_request_id = gen_random_uuid()")]
    [InlineData("UPDATE xero_syncs SET absent_since = paymentsync.now()")]
    public async Task A_state_that_means_nothing_is_refused(string sql)
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        (await RefusalAsync(() => database.ExecuteAsWriterAsync(sql))).ShouldBe(PostgresErrorCodes.CheckViolation);
    }

    [Fact]
    public async Task SUCCESS_needs_the_id_of_the_document()
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        (await RefusalAsync(() => database.ExecuteAsWriterAsync("UPDATE xero_syncs SET status = 'SUCCESS'"))).ShouldBe("PS013");
    }

    [Fact]
    public async Task An_open_request_is_settled_before_another_is_made()
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        await database.ExecuteAsWriterAsync("UPDATE xero_syncs SET open_request_id = gen_random_uuid(), tenant_id = 't'");
        (await RefusalAsync(() => database.ExecuteAsWriterAsync("UPDATE xero_syncs SET open_request_id = gen_random_uuid()"))).ShouldBe("PS016");
    }

    [Theory]
    [InlineData("tenant_id = 'b', open_request_id = gen_random_uuid()", "", null)]
    [InlineData("tenant_id = 'b'", "", "PS014")]
    [InlineData("tenant_id = NULL, open_request_id = gen_random_uuid()", "", "PS014")]
    [InlineData("tenant_id = 'b'", ", open_request_id = gen_random_uuid()", "PS014")]
    [InlineData("tenant_id = 'b', open_request_id = gen_random_uuid()", ", xero_invoice_id = 'made in a'", "PS014")]
    public async Task Another_tenant_is_named_by_a_new_request_only_and_only_while_nothing_may_be_in_the_former_one(string change, string before, string? sqlState)
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        await database.ExecuteAsWriterAsync($"UPDATE xero_syncs SET tenant_id = 'a'{before}");
        if (sqlState is null)
            await database.ExecuteAsWriterAsync($"UPDATE xero_syncs SET {change}");
        else
            (await RefusalAsync(() => database.ExecuteAsWriterAsync($"UPDATE xero_syncs SET {change}"))).ShouldBe(sqlState);
    }

    [Fact]
    public async Task A_held_row_is_released_by_naming_its_code_only()
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        await database.ExecuteAsWriterAsync("UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = 'payment.amount_mismatch', error_message = 'No.'");
        (await RefusalAsync(() => database.ExecuteAsWriterAsync("UPDATE xero_syncs SET status = 'PENDING', failure_code = NULL, next_retry_at = paymentsync.now()"))).ShouldBe("PS018");
        await database.ExecuteAsWriterAsync("UPDATE xero_syncs SET status = 'PENDING', failure_code = NULL, next_retry_at = paymentsync.now(), released = array_append(released, failure_code)");
    }

    [Theory]
    [InlineData("status = 'PENDING', next_retry_at = paymentsync.now()")]
    [InlineData("status = 'FAILED', failure_code = 'xero.tenant_changed'")]
    [InlineData("status = 'FAILED', failure_code = 'recovery.gave_up'")]
    public async Task A_held_row_that_is_claimed_for_a_look_comes_back_held_as_it_was(string change)
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        await database.ExecuteAsWriterAsync("UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = 'legacy.payment_unknown', error_message = 'Unknown.'");
        await database.ExecuteAsWriterAsync("UPDATE xero_syncs SET status = 'RETRYING', attempt = 1, lease_owner = 'a look', lease_expires_at = paymentsync.now()");
        (await RefusalAsync(() => database.ExecuteAsWriterAsync($"UPDATE xero_syncs SET lease_owner = NULL, lease_expires_at = NULL, {change}"))).ShouldBe("PS018");
        await database.ExecuteAsWriterAsync("UPDATE xero_syncs SET lease_owner = NULL, lease_expires_at = NULL, status = 'FAILED'");
    }

    [Theory]
    [InlineData("INVOICE")]
    [InlineData("PAYMENT")]
    public async Task Two_rows_never_point_to_one_document(string type)
    {
        var (database, link) = await GivenAsync();
        await using var _ = database;
        var other = Guid.NewGuid();
        await LinkAsync(database, other, "B");
        if (type == "INVOICE")
            await database.ExecuteAsWriterAsync("UPDATE xero_syncs SET xero_invoice_id = 'same'");
        else
            await SyncAsync(database, link, type, "SUCCESS", "pi_1", "same");
        (await Should.ThrowAsync<PostgresException>(() => SyncAsync(database, other, type, "SUCCESS", "other", "same"))).ConstraintName.ShouldBe("xero_syncs_own_id_unique");
    }

    [Fact]
    public async Task Two_rows_of_an_organisation_never_share_a_number()
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        var other = Guid.NewGuid();
        await LinkAsync(database, other, "B");
        (await Should.ThrowAsync<PostgresException>(() => SyncAsync(database, other, "INVOICE", "PENDING", "PL-A"))).ConstraintName.ShouldBe("xero_syncs_document_number_unique");
    }

    [Theory]
    [InlineData("UPDATE xero_syncs SET status = 'PENDING'")]
    [InlineData("UPDATE xero_syncs SET xero_invoice_id = NULL, status = 'FAILED', error_message = 'oops'")]
    [InlineData("UPDATE xero_syncs SET payment_link_id = gen_random_uuid(), request_payload = '{}', retry_count = 99")]
    public async Task Another_writers_update_fails_not_and_keeps_the_old_row_and_is_counted(string sql)
    {
        var (database, _) = await GivenAsync("SUCCESS");
        await using var owned = database;
        var before = await database.ScalarAsync<string>("SELECT xero_syncs::text FROM xero_syncs");
        (await database.ExecuteAsync(sql)).ShouldBe(1, "the host's statement believes it succeeded");
        (await database.ScalarAsync<string>("SELECT xero_syncs::text FROM xero_syncs")).ShouldBe(before);
        (await database.ScalarAsync<long>("SELECT sum(writes)::bigint FROM paymentsync.host_writes WHERE kind LIKE 'update%'")).ShouldBe(1);
    }

    [Theory]
    [InlineData("DELETE FROM xero_syncs")]
    [InlineData("DELETE FROM payment_links")]
    [InlineData("DELETE FROM organizations")]
    public async Task Another_writers_delete_is_refused_also_by_cascade(string sql)
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        (await RefusalAsync(() => database.ExecuteAsync(sql))).ShouldBe("PS019");
    }

    [Fact]
    public async Task Another_writers_requeue_of_a_failed_row_makes_it_due_and_changes_nothing_else()
    {
        var (database, _) = await GivenAsync("FAILED");
        await using var owned = database;
        await database.ExecuteAsync("UPDATE xero_syncs SET status = 'PENDING', error_message = NULL, xero_invoice_id = 'invented'");
        (await database.ScalarAsync<string>("SELECT concat_ws(',', status, error_message, xero_invoice_id, next_retry_at <= paymentsync.now()) FROM xero_syncs")).ShouldBe("FAILED,No.,t");
    }

    [Fact]
    public async Task Another_writers_requeue_of_a_held_row_is_kept_out()
    {
        var (database, _) = await GivenAsync();
        await using var owned = database;
        await database.ExecuteAsWriterAsync("UPDATE xero_syncs SET status = 'FAILED', failure_kind = 'NEEDS_ACTION', failure_code = 'link.cancelled', error_message = 'No.'");
        await database.ExecuteAsync("UPDATE xero_syncs SET status = 'PENDING'");
        (await database.ScalarAsync<bool>("SELECT status = 'FAILED' AND next_retry_at IS NULL FROM xero_syncs")).ShouldBeTrue();
    }

    [Theory]
    [InlineData("UPDATE paymentsync.audit_log SET actor = 'nobody'")]
    [InlineData("DELETE FROM paymentsync.audit_log")]
    public async Task The_audit_log_only_grows(string sql)
    {
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync("INSERT INTO paymentsync.audit_log (actor, role, action, target) VALUES ('a', 'admin', 'x', 'y')");
        (await RefusalAsync(() => database.ExecuteAsWriterAsync(sql))).ShouldBe("PS020");
    }
}
