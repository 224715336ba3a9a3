using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Cli;

public sealed class CommandTests(PostgresServer server)
{
    [Fact]
    public async Task Status_counts_the_syncs_and_says_why_some_are_not_done()
    {
        await using var world = await World.StartAsync(server);
        await world.PayAsync(await world.LinkAsync(), "pi_booked");
        await world.DrainAsync();
        await world.PayAsync(await world.LinkAsync(), "pi_short", minor: 11000);

        var words = await Paymentsync.RunAsync(world, "status");
        var json = await Paymentsync.RunAsync(world, "status", "--json");

        words.ExitCode.ShouldBe(0, words.Error);
        var lines = words.Output.Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))).ToList();
        lines.ShouldContain("syncs SUCCESS 2");
        lines.ShouldContain("syncs FAILED 1");
        lines.ShouldContain("payment.amount_mismatch 1");
        JsonNode.Parse(json.Output)!["syncs"]!["SUCCESS"]!.GetValue<long>().ShouldBe(2);
    }

    [Fact]
    public async Task Lists_show_what_matches_with_whole_ids_and_reasons()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link, "pi_booked");
        await world.DrainAsync();
        await world.PayAsync(await world.LinkAsync(), "pi_short", minor: 11000);
        await world.PayAsync(link, "pi_again");
        var (invoice, payment) = await world.PairAsync(link);

        var booked = await Paymentsync.RunAsync(world, "syncs", "list", "--status", "success", "--type", "INVOICE", "--organization", world.Organisation.ToString(), "--limit", "10");
        var held = await Paymentsync.RunAsync(world, "syncs", "list", "--code", "payment.amount_mismatch");
        var found = await Paymentsync.RunAsync(world, "syncs", "list", "--q", "pi_booked", "--json");
        var events = await Paymentsync.RunAsync(world, "events", "list", "--status", "NEEDS_ACTION");

        booked.Output.ShouldContain(invoice.Id.ToString());
        booked.Output.ShouldContain("120.00 GBP");
        booked.Output.ShouldNotContain(payment.Id.ToString());
        held.Output.ShouldContain("The customer paid 110.00 GBP, but the link asks for 120.00 GBP.");
        JsonNode.Parse(found.Output)!["items"]!.AsArray().Count.ShouldBe(2);
        events.Output.ShouldContain("payment.second_payment: The link is already paid by pi_booked");
    }

    [Fact]
    public async Task A_sync_is_shown_with_its_attempts_and_replayed_without_being_sent_again()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.PayAsync(link, "pi_booked");
        await world.DrainAsync();
        var (_, payment) = await world.PairAsync(link);

        var shown = await Paymentsync.RunAsync(world, "syncs", "show", payment.Id.ToString());
        var replayed = await Paymentsync.RunAsync(world, "replay", payment.Id.ToString(), "--reason", "trying it out");

        shown.Output.ShouldContain(payment.PaymentId!);
        shown.Output.ShouldContain("FIRST");
        replayed.ExitCode.ShouldBe(0, replayed.Error);
        replayed.Output.ShouldStartWith("SUCCESS: It is in Xero already; nothing is sent again.");
    }

    [Fact]
    public async Task What_the_service_refuses_is_one_sentence_and_exit_code_1()
    {
        await using var world = await World.StartAsync(server);
        await world.PayAsync(await world.LinkAsync(), "pi_short", minor: 11000);
        var held = (await world.RowsAsync()).Single(row => row.Code == "payment.amount_mismatch");

        ShouldFail(await Paymentsync.RunAsync(world, "syncs", "show", Guid.Empty.ToString()), $"There is no sync {Guid.Empty}. (sync.unknown)");
        ShouldFail(await Paymentsync.RunAsync(world, "replay", held.Id.ToString(), "--reason", "why not"), $"It is held (payment.amount_mismatch) and a replay does not release it. Decide: POST /api/syncs/{held.Id}/resolve. (sync.held)");
        ShouldFail(await Paymentsync.RunAsync(world, "events", "resolve", Guid.Empty.ToString(), "ignore", "--reason", "nothing"), $"There is no event {Guid.Empty}. (event.unknown)");
        ShouldFail(await Paymentsync.RunAsync(world, "status", "--key", "not-a-key-of-anybody"), "PaymentSync does not know this operator key; check --key or PAYMENTSYNC_KEY. (operator_key.missing)");
        ShouldFail(await Paymentsync.RunAsync(world, "replay", held.Id.ToString(), "--reason", "why not", "--key", World.ViewerKey), "This key's role does not allow that. (operator_key.role)");

        var nobody = await Paymentsync.RunAsync(world, "status", "--url", "http://127.0.0.1:1");
        nobody.ExitCode.ShouldBe(1);
        nobody.Error.ShouldStartWith("PaymentSync does not answer at http://127.0.0.1:1/");
    }

    [Theory]
    [InlineData("status", "--key", "")]
    [InlineData("bogus")]
    [InlineData("syncs", "list", "--status", "LOST")]
    [InlineData("replay", "not-an-id", "--reason", "x")]
    [InlineData("replay", "00000000-0000-0000-0000-000000000000")]
    [InlineData("resolve", "00000000-0000-0000-0000-000000000000", "forget", "--reason", "x")]
    [InlineData("resolve", "00000000-0000-0000-0000-000000000000", "adopt", "--reason", "x")]
    [InlineData("resolve", "00000000-0000-0000-0000-000000000000", "requeue", "--xero-id", "x", "--reason", "x")]
    [InlineData("events", "resolve", "00000000-0000-0000-0000-000000000000", "attach", "--reason", "x")]
    [InlineData("status", "--url", "ftp://127.0.0.1")]
    public async Task Wrong_usage_is_exit_code_2_and_says_how_it_is_right(params string[] arguments)
    {
        var result = await Paymentsync.RunAsync(arguments);

        result.ExitCode.ShouldBe(2);
        result.Output.ShouldBeEmpty();
        result.Error.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task The_help_never_shows_a_secret_that_the_environment_holds()
    {
        Environment.SetEnvironmentVariable("PAYMENTSYNC_KEY", "a-key-that-nobody-may-see");
        try
        {
            (await Paymentsync.RunAsync("status", "--help")).Output.ShouldNotContain("a-key-that-nobody-may-see");
        }
        finally
        {
            Environment.SetEnvironmentVariable("PAYMENTSYNC_KEY", null);
        }
    }

    static void ShouldFail(Paymentsync.Result result, string sentence)
    {
        result.ExitCode.ShouldBe(1);
        result.Error.TrimEnd().ShouldBe(sentence);
        result.Output.ShouldBeEmpty();
    }
}
