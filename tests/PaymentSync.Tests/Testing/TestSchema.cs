using System.Runtime.CompilerServices;
using Npgsql;
using PaymentSync.Migrations;

namespace PaymentSync.Tests.Testing;

/// <summary>The schema of test databases: the real one, with a clock that the harness can move together with the simulator's.</summary>
static class TestSchema
{
    [ModuleInitializer]
    internal static void Register() => PostgresServer.PrepareTemplate = PrepareAsync;

    static async Task PrepareAsync(string connectionString)
    {
        await Migrator.RunAsync(connectionString, TextWriter.Null);
        await MakeClockMoveableAsync(connectionString);
    }

    public static async Task MakeClockMoveableAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var clock = new NpgsqlCommand("""
            CREATE TABLE paymentsync.test_clock (ahead interval NOT NULL);
            INSERT INTO paymentsync.test_clock VALUES (interval '0');
            CREATE OR REPLACE FUNCTION paymentsync.now() RETURNS timestamptz LANGUAGE sql STABLE AS
              'SELECT statement_timestamp() + (SELECT ahead FROM paymentsync.test_clock)';
            """, connection);
        await clock.ExecuteNonQueryAsync();
    }
}
