using Npgsql;
using PaymentSync.Migrations;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Database;

public sealed class SearchPathTests(PostgresServer server)
{
    [Fact]
    public async Task The_tables_are_made_in_public_although_the_user_would_look_in_a_schema_of_its_own_name_first()
    {
        await using var database = await server.CreateEmptyDatabaseAsync();
        await database.ExecuteAsync("CREATE SCHEMA paymentsync");
        // What "$user", public comes to for a user named paymentsync.
        var connectionString = new NpgsqlConnectionStringBuilder(database.ConnectionString) { SearchPath = "paymentsync, public" }.ConnectionString;

        await Migrator.RunAsync(connectionString, TextWriter.Null);

        (await database.ScalarAsync<string>("SELECT schemaname::text FROM pg_tables WHERE tablename = 'xero_syncs'")).ShouldBe("public");
    }
}
