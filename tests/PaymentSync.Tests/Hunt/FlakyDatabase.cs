using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.Hunt;

/// <summary>
/// A database that fails the service between any two statements, as a crash would: what was committed stays, what comes next does not happen. By the seed and the
/// ordinal of the statement, which no rollback takes back.
/// </summary>
static class FlakyDatabase
{
    public static Task<int> InstallAsync(PostgresDatabase database) => database.ExecuteAsync("""
        CREATE TABLE public.hunt_flaky (seed text NOT NULL, per_thousand int NOT NULL);
        INSERT INTO public.hunt_flaky VALUES ('', 0);
        CREATE SEQUENCE public.hunt_statement;
        CREATE FUNCTION public.hunt_flaky() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE chance public.hunt_flaky;
        BEGIN
          SELECT * INTO chance FROM public.hunt_flaky;
          IF chance.per_thousand > 0 AND current_setting('paymentsync.writer', true) = 'on'
             AND (hashtext(chance.seed || nextval('public.hunt_statement'))::bigint & 2147483647) % 1000 < chance.per_thousand THEN
            RAISE EXCEPTION 'the database goes away in the midst of %', TG_TABLE_NAME USING ERRCODE = '57P01';
          END IF;
          RETURN NULL;
        END $$;
        CREATE TRIGGER hunt_flaky BEFORE INSERT OR UPDATE ON xero_syncs FOR EACH STATEMENT EXECUTE FUNCTION public.hunt_flaky();
        CREATE TRIGGER hunt_flaky BEFORE INSERT OR UPDATE ON paymentsync.requests FOR EACH STATEMENT EXECUTE FUNCTION public.hunt_flaky();
        CREATE TRIGGER hunt_flaky BEFORE INSERT OR UPDATE ON paymentsync.call_slots FOR EACH STATEMENT EXECUTE FUNCTION public.hunt_flaky();
        CREATE TRIGGER hunt_flaky BEFORE INSERT OR UPDATE ON paymentsync.events FOR EACH STATEMENT EXECUTE FUNCTION public.hunt_flaky();
        """);

    public static async Task SetAsync(PostgresDatabase database, int seed, int perThousand)
    {
        await database.ExecuteAsync("UPDATE public.hunt_flaky SET seed = $1, per_thousand = $2", $"{seed} ", perThousand);
        if (perThousand > 0)
            await database.ExecuteAsync("SELECT setval('public.hunt_statement', 1)");
    }
}
