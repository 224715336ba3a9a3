using System.Text;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Confirmation;

/// <summary>Whatever a payer is called, Xero takes the contact's name.</summary>
public sealed class ContactNameTests(PostgresServer server)
{
    static readonly string[] Pieces =
    [
        "Ann", "Lee", " ", "  ", "\t", "\r\n", "<", ">", "<script>", "&", "\"", "'", "😀", "👩‍👩‍👧", "مرحبا", "\u202E", "\u200F", "\u00A0", "\u2003", "\u2028", "\u0085", "\u0001", "\u007F", "\u200B", "\u3000", "\uFEFF",
        "é", "e\u0301", "李小龍", "O’Neil", "(", ")", ",", "𝔘𝔫𝔦", "\\", "%", "_", "\u1680", "\u205F", "\u180E",
    ];

    [Fact]
    public async Task A_contact_name_is_one_that_Xero_takes_whatever_the_customer_is_called()
    {
        await using var database = await server.CreateDatabaseAsync();
        var random = new Random(20260730);
        for (var round = 0; round < 800; round++)
        {
            var (name, email) = (Text(random, round % 5 == 0 ? 300 : 12), round % 3 == 0 ? null : Text(random, round % 7 == 0 ? 260 : 6));

            var contact = await database.ScalarAsync<string>("SELECT paymentsync.contact_name($1, $2, 'Online payments', 'PerCustomer')", name, email);

            Check(contact!, $"of \"{Escaped(name)}\" and \"{Escaped(email ?? "")}\"");
        }
    }

    [Theory]
    [InlineData("Ann Lee", "ann@example.com", "Ann Lee (ann@example.com)")]
    [InlineData("  Ann \t  Lee ", "ann@example.com", "Ann Lee (ann@example.com)")]
    [InlineData("<Ann> Lee", null, "Ann Lee")]
    [InlineData(null, "ann@example.com", "ann@example.com")]
    [InlineData("", " ", "Online payments")]
    [InlineData("\u00A0\u2003", "<>", "Online payments")]
    [InlineData("Ann\u00A0Lee", null, "Ann Lee")]
    [InlineData("😀", "ann@example.com", "😀 (ann@example.com)")]
    public async Task The_name_says_who_paid(string? name, string? email, string expected)
    {
        await using var database = await server.CreateDatabaseAsync();

        (await database.ScalarAsync<string>("SELECT paymentsync.contact_name($1, $2, 'Online payments', 'PerCustomer')", name, email)).ShouldBe(expected);
    }

    [Fact]
    public async Task A_name_that_is_too_long_loses_its_end_and_never_its_address()
    {
        await using var database = await server.CreateDatabaseAsync();

        var contact = await database.ScalarAsync<string>("SELECT paymentsync.contact_name($1, $2, 'Online payments', 'PerCustomer')", string.Concat(Enumerable.Repeat("😀", 255)), "ann@example.com");

        contact!.ShouldEndWith("😀 (ann@example.com)");
        contact!.Length.ShouldBeInRange(254, 255);
    }

    [Fact]
    public async Task What_is_cut_stays_another_customer_and_keeps_what_a_reader_sees_as_one()
    {
        await using var database = await server.CreateDatabaseAsync();
        Task<string?> Of(string? name, string? email) => database.ScalarAsync<string>("SELECT paymentsync.contact_name($1, $2, 'Online payments', 'PerCustomer')", name, email);
        foreach (var one in new[] { "n", "😀", "👩‍👩‍👧", "🇩🇪", "👍🏽", "❤\uFE0F", "x\u0301\u0323", "नि", "กำ", "שָׁ", "مُ" })
        {
            for (var shift = 0; shift < 5; shift++)
            {
                var customer = new string('a', shift) + string.Concat(Enumerable.Repeat(one, 300 / one.Length + 1));
                var (named, alone, alike) = (await Of(customer, "ann@example.com"), await Of(customer, null), await Of(customer + "b", null));

                alone.ShouldNotBe(alike, $"two customers, of {Escaped(one)}");
                foreach (var (cut, end) in new[] { (named!, " (ann@example.com)"), (alone!, alone![^9..]) })
                {
                    cut.Length.ShouldBeLessThanOrEqualTo(255);
                    cut.ShouldEndWith(end);
                    customer.Normalize().ShouldStartWith(cut[..^end.Length]);
                    Whole(customer.Normalize()).ShouldContain(cut.Length - end.Length, $"{Escaped(one)} after {shift}");
                }
            }
        }
    }

    /// <summary>Where a reader sees one character end and the next begin.</summary>
    static HashSet<int> Whole(string text) => [.. System.Globalization.StringInfo.ParseCombiningCharacters(text), text.Length];

    [Fact]
    public async Task Xero_takes_the_invoices_of_customers_with_strange_names()
    {
        await using var world = await World.StartAsync(server);
        var random = new Random(7);
        for (var number = 0; number < 50; number++)
        {
            var (name, email) = (Cut(Text(random, 120)), Cut(Text(random, 10)));
            var link = await world.LinkAsync(change: body => body["customer"] = new JsonObject { ["name"] = name, ["email"] = email });
            await world.PayAsync(link, $"pi_{number}");
        }
        await world.DrainAsync();

        (await world.RowsAsync()).Where(row => row.Status != "SUCCESS").Select(row => $"{row.Json} {row.Code} {row.Message}").ShouldBeEmpty();
    }

    static void Check(string contact, string of)
    {
        contact.Length.ShouldBeInRange(1, 255, of);
        contact.ShouldNotContain("<", customMessage: of);
        contact.ShouldNotContain(">", customMessage: of);
        contact.Contains("  ", StringComparison.Ordinal).ShouldBeFalse(of);
        contact.Trim().ShouldBe(contact, of);
        contact.Any(char.IsControl).ShouldBeFalse(of);
    }

    static string Text(Random random, int pieces) => string.Concat(Enumerable.Range(0, random.Next(pieces)).Select(_ => Pieces[random.Next(Pieces.Length)]));

    /// <summary>As much as the API takes. Half a surrogate pair is no text at all.</summary>
    static string Cut(string text)
    {
        var cut = text[..Math.Min(text.Length, 255)];
        return cut.Length > 0 && char.IsHighSurrogate(cut[^1]) ? cut[..^1] : cut;
    }

    static string Escaped(string text) => string.Concat(text.Select(character => char.IsAsciiLetterOrDigit(character) ? $"{character}" : $"\\u{(int)character:X4}"));
}
