using System.Globalization;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Confirmation;

/// <summary>A document bears the organisation's calendar day, as .NET's own time zone tables compute it.</summary>
public sealed class DocumentDayTests(PostgresServer server)
{
    /// <summary>East and west of everything, half and quarter hours, summer time that begins at midnight or is two hours, a day that never was (Apia).</summary>
    static readonly string[] Zones =
    [
        "UTC", "Europe/London", "Europe/Dublin", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Los_Angeles", "America/Sao_Paulo", "America/Havana", "Pacific/Auckland",
        "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Pacific/Apia", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Tokyo", "Asia/Amman", "Australia/Lord_Howe", "Australia/Adelaide",
        "Antarctica/Troll", "Atlantic/Azores", "Etc/GMT+12", "Etc/GMT-14",
    ];

    [Fact]
    public async Task The_day_is_that_of_the_organisations_zone_around_every_midnight_and_change_of_the_clocks()
    {
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var database = await server.CreateDatabaseAsync();
        var (organisation, link) = (Guid.NewGuid(), Guid.NewGuid());
        await database.ExecuteAsync("INSERT INTO organizations (id, clerk_org_id, name) VALUES ($1, 'o', 'O')", organisation);
        await database.ExecuteAsync("INSERT INTO payment_links (id, organization_id, short_code, amount, currency, invoice_currency, description, updated_at) VALUES ($1, $2, 'A', 120, 'GBP', 'GBP', 'Order', paymentsync.now())", link, organisation);
        foreach (var name in Zones)
        {
            await database.ExecuteAsync("""
                INSERT INTO paymentsync.organization_settings (organization_id, time_zone, sales_account_code, tax_type, line_amount_types, clearing_accounts, invoice_prefix, contacts, shared_contact, amount_policy, lock_date_policy)
                VALUES ($1, $2, '200', 'NONE', 'NoTax', '{"STRIPE": {"GBP": "090"}}', 'PL-', 'Shared', 'Online payments', 'AsCharged', 'Hold') ON CONFLICT (organization_id) DO UPDATE SET time_zone = excluded.time_zone
                """, organisation, name);
            var zone = TimeZoneInfo.FindSystemTimeZoneById(name);
            var instants = Instants(random, zone).ToArray();

            var days = await database.QueryAsync("""
                SELECT d.payload ->> 'date' FROM unnest($1::timestamptz[]) WITH ORDINALITY AS told (at, number)
                  CROSS JOIN LATERAL paymentsync.documents($2, 'STRIPE', 'pi_1', 120, 'GBP', told.at) d ORDER BY told.number, d.sync_type
                """, reader => reader.GetString(0), instants, link);

            days.Count.ShouldBe(2 * instants.Length);
            for (var at = 0; at < instants.Length; at++)
            {
                var day = TimeZoneInfo.ConvertTime(new DateTimeOffset(instants[at]), zone).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
                (days[2 * at], days[(2 * at) + 1]).ShouldBe((day, day), $"seed {seed}: {instants[at]:O} in {name}");
            }
        }
    }

    [Theory]
    [InlineData("Mars/Olympus_Mons")]
    [InlineData("Europe/Lundon")]
    [InlineData("CET")]
    [InlineData("MET")]
    [InlineData("EST")]
    [InlineData("BST")]
    [InlineData("+02:00")]
    [InlineData("UTC+2")]
    [InlineData("GMT Standard Time")]
    [InlineData("../../etc/passwd")]
    [InlineData("Europe/London'; --")]
    [InlineData(" ")]
    [InlineData("")]
    public async Task A_zone_that_is_unknown_or_means_different_things_to_different_programs_is_refused(string zone)
    {
        await using var world = await World.StartAsync(server, connected: false);
        var body = (await world.GetAsync($"/api/organizations/{world.Organisation}")).AsObject();
        body.Remove("id");
        body["timeZone"] = zone;

        var refused = await world.SendAsync(HttpMethod.Put, $"/api/organizations/{world.Organisation}", body, expect: 400);

        refused["code"]!.GetValue<string>().ShouldBe("organization.invalid");
        refused["detail"]!.GetValue<string>().ShouldContain("timeZone");
    }

    /// <summary>Any time, the seconds around a local midnight, and those around a change of the offset.</summary>
    static IEnumerable<DateTime> Instants(Random random, TimeZoneInfo zone)
    {
        var from = new DateTime(2005, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        for (var round = 0; round < 12; round++)
            yield return from.AddSeconds(random.NextInt64(20L * 365 * 86_400));
        for (var round = 0; round < 6; round++)
        {
            var midnight = from.AddDays(random.Next(20 * 365));
            midnight -= zone.GetUtcOffset(midnight);
            foreach (var seconds in new[] { -1, 0, 1 })
                yield return midnight.AddSeconds(seconds);
        }
        var first = from.AddYears(random.Next(20));
        for (var hour = first; hour < first.AddYears(1); hour = hour.AddHours(1))
        {
            if (zone.GetUtcOffset(hour) == zone.GetUtcOffset(hour.AddHours(-1)))
                continue;
            foreach (var minutes in new[] { -121, -61, -31, -1, 0, 1, 31, 61, 121 })
                yield return hour.AddMinutes(minutes);
        }
    }
}
