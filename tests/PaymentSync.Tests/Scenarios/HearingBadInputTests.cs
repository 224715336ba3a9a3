using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using PaymentSync.Tests.StripeWebhooks;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Whatever is posted to the webhook: 400 unsigned, 413 too large, 200 and kept when Stripe signed it, and never a 5xx.</summary>
public sealed class HearingBadInputTests(PostgresServer server)
{
    /// <summary>Signed bodies that nobody can act upon.</summary>
    static IEnumerable<(string What, byte[] Body)> Unusable()
    {
        var sound = StripeEvents.Session(Guid.NewGuid(), "pi_bad", 12000);
        yield return ("empty", []);
        yield return ("null", "null"u8.ToArray());
        yield return ("array", "[]"u8.ToArray());
        yield return ("number", "5"u8.ToArray());
        yield return ("empty object", "{}"u8.ToArray());
        yield return ("only a BOM", [0xEF, 0xBB, 0xBF]);
        yield return ("HTML", "<!doctype html><title>502 Bad Gateway</title>"u8.ToArray());
        yield return ("half an event", Encoding.UTF8.GetBytes(sound[..(sound.Length / 2)]));
        yield return ("two events", Encoding.UTF8.GetBytes(sound + sound));
        yield return ("UTF-16", Encoding.Unicode.GetBytes(sound));
        yield return ("not UTF-8", [0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x3A, 0x31, 0x7D]);
        yield return ("zeros", new byte[64]);
        yield return ("deep", Encoding.UTF8.GetBytes(new string('[', 5000) + new string(']', 5000)));
        yield return ("amount twice", Body("\"amount_total\": 12000", "\"amount_total\": 1, \"amount_total\": 12000"));
        yield return ("type twice", Body("\"mode\": \"payment\"", "\"mode\": \"payment\", \"mode\": \"payment\""));
        yield return ("amount as text", Body("\"amount_total\": 12000", "\"amount_total\": \"12000\""));
        yield return ("amount as float", Body("\"amount_total\": 12000", "\"amount_total\": 12000.5"));
        yield return ("amount null", Body("\"amount_total\": 12000", "\"amount_total\": null"));
        yield return ("amount negative", Body("\"amount_total\": 12000", "\"amount_total\": -12000"));
        yield return ("amount beyond long", Body("\"amount_total\": 12000", "\"amount_total\": 99999999999999999999"));
        yield return ("amount beyond Stripe", Body("\"amount_total\": 12000", "\"amount_total\": 1000000000000"));
        yield return ("currency of four letters", Body("\"currency\": \"gbp\"", "\"currency\": \"gbpp\""));
        yield return ("lone surrogate as the link", Body("\"metadata\": {", "\"metadata\": { \"x\": 1, \"payment_link_id\": \"\\ud800\", \"y\": {}, \"z\": ["));
        yield return ("NUL as the payment", Body("\"pi_bad\"", "\"pi_\\u0000bad\""));
        yield return ("payment of 256 characters", Body("\"pi_bad\"", $"\"{new string('p', 256)}\""));
        yield return ("no event", Body("\"object\": \"event\"", "\"object\": \"charge\""));
        yield return ("thin event", Body("\"object\": \"event\"", "\"object\": \"v2.core.event\""));
        yield return ("created as text", Body("\"created\": 1785400001", "\"created\": \"2026-07-30T08:26:41Z\""));
        yield return ("livemode null", Body("\"livemode\": false, \"pending", "\"livemode\": null, \"pending"));
        yield return ("unknown payment status", Body("\"payment_status\": \"paid\"", "\"payment_status\": \"maybe\""));

        byte[] Body(string piece, string replacement) => Encoding.UTF8.GetBytes(sound.Replace(piece, replacement, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Signed_but_unusable_bodies_are_answered_200_and_quarantined_once_each()
    {
        await using var world = await World.StartAsync(server);
        var bodies = Unusable().ToList();
        var wrong = new List<string>();
        foreach (var (what, body) in bodies.Concat(bodies))
        {
            using var answer = await world.PostEventAsync(body);
            var text = await answer.Content.ReadAsStringAsync();
            if (answer.StatusCode != HttpStatusCode.OK || JsonNode.Parse(text)!["outcome"]!.GetValue<string>() != "QUARANTINED")
                wrong.Add($"{what}: {(int)answer.StatusCode} {text}");
        }

        wrong.ShouldBeEmpty();
        var kept = await world.EventsAsync();
        kept.Count.ShouldBe(bodies.Count, "one for each body, however often it comes");
        kept.ShouldAllBe(told => told.Status == "QUARANTINED" && told.Reason == "event.unusable" && !string.IsNullOrEmpty(told.Message) && told.HasBody);
        (await world.Database.QueryAsync("SELECT body FROM paymentsync.events", reader => Convert.ToHexString(reader.GetFieldValue<byte[]>(0)))).Order(StringComparer.Ordinal)
            .ShouldBe(bodies.Select(pair => Convert.ToHexString(pair.Body)).Order(StringComparer.Ordinal), "the bytes as received");
        (await world.RowsAsync()).ShouldBeEmpty();
        (await world.GetAsync("/api/status"))["eventsWaiting"]!.GetValue<int>().ShouldBe(bodies.Count, "a person must see them");
    }

    [Fact]
    public async Task The_same_bodies_unsigned_or_badly_signed_are_answered_400_and_leave_nothing()
    {
        await using var world = await World.StartAsync(server);
        var wrong = new List<string>();
        foreach (var (what, body) in Unusable().Append(("sound", Encoding.UTF8.GetBytes(StripeEvents.Session(Guid.NewGuid(), "pi_1", 12000)))))
        {
            var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
            var sound = SignedStripeEvent.Sign(body, World.WebhookSecret, now);
            foreach (var (how, header, code) in new (string, string?, string)[]
            {
                ("missing", null, "signature.missing"),
                ("blank", " ", "signature.missing"),
                ("another secret", SignedStripeEvent.Sign(body, "whsec_of_somebody_else", now), "signature.no_match"),
                ("an empty secret", SignedStripeEvent.Sign(body, "", now), "signature.no_match"),
                ("over another body", SignedStripeEvent.Sign([.. body, (byte)' '], World.WebhookSecret, now), "signature.no_match"),
                ("stale", SignedStripeEvent.Sign(body, World.WebhookSecret, now - 330), "signature.too_old"),
                ("future", SignedStripeEvent.Sign(body, World.WebhookSecret, now + 330), "signature.in_future"),
                ("time changed", sound.Replace("t=", "t=1", StringComparison.Ordinal), "signature.no_match"),
                ("v0 only", sound.Replace("v1=", "v0=", StringComparison.Ordinal), "signature.malformed"),
                ("no time", sound[sound.IndexOf("v1=", StringComparison.Ordinal)..], "signature.malformed"),
                ("two times", $"t={now},{sound}", "signature.malformed"),
                ("time is text", $"t=now,{sound[sound.IndexOf("v1=", StringComparison.Ordinal)..]}", "signature.malformed"),
                ("huge time", $"t={new string('9', 400)},v1={new string('0', 64)}", "signature.malformed"),
                ("garbage", "=,=,,;t", "signature.malformed"),
                ("long", new string('x', 20_000), "signature.malformed"),
            })
            {
                using var answer = await PostAsync(world, body, header);
                var problem = await answer.Content.ReadAsStringAsync();
                if ((int)answer.StatusCode != 400 || JsonNode.Parse(problem)!["code"]!.GetValue<string>() != code)
                    wrong.Add($"{what}, {how}: {(int)answer.StatusCode} {problem}");
            }
        }

        wrong.ShouldBeEmpty();
        (await world.EventsAsync()).ShouldBeEmpty();
        (await world.RowsAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(1024 * 1024, 200)]
    [InlineData((1024 * 1024) + 1, 413)]
    [InlineData(2 * 1024 * 1024, 413)]
    public async Task A_body_of_more_than_one_MiB_is_answered_413(int size, int status)
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        var body = Encoding.UTF8.GetBytes(StripeEvents.Session(link, "pi_1", 12000));
        byte[] padded = [.. body, .. Enumerable.Repeat((byte)' ', size - body.Length)];

        using var answer = await world.PostEventAsync(padded);
        ((int)answer.StatusCode).ShouldBe(status, await answer.Content.ReadAsStringAsync());
        // Without a length, as a proxy may pass it on.
        using var request = new HttpRequestMessage(HttpMethod.Post, "/webhooks/stripe") { Content = new StreamContent(new MemoryStream(padded)) };
        request.Headers.TransferEncodingChunked = true;
        request.Headers.Add("Stripe-Signature", SignedStripeEvent.Sign(padded, World.WebhookSecret, DateTimeOffset.UtcNow.ToUnixTimeSeconds()));
        using var chunked = await world.Api.SendAsync(request);
        ((int)chunked.StatusCode).ShouldBe(status, await chunked.Content.ReadAsStringAsync());

        (await world.RowsAsync(link)).Count.ShouldBe(status == 200 ? 2 : 0);
        (await world.EventsAsync()).Count.ShouldBe(status == 200 ? 1 : 0);
    }

    [Fact]
    public async Task A_secret_that_is_being_rolled_out_is_accepted_beside_the_new_one()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        var body = Encoding.UTF8.GetBytes(StripeEvents.Session(link, "pi_1", 12000));

        (await world.HearAsync(body, World.OldWebhookSecret)).ShouldBe("COMPLETED");
        (await world.HearAsync(body)).ShouldBe("DUPLICATE");
        // While a secret is rolled Stripe signs with both, in one header.
        var t = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        using var both = await PostAsync(world, body, $"{SignedStripeEvent.Sign(body, "whsec_gone", t)},{SignedStripeEvent.Sign(body, World.WebhookSecret, t).Split(',')[1]}");
        both.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task The_tolerance_is_judged_by_the_database_clock_so_that_a_skewed_node_refuses_nothing()
    {
        await using var world = await World.StartAsync(server);
        var link = await world.LinkAsync();
        await world.AdvanceAsync(TimeSpan.FromDays(40));

        (await world.HearAsync(StripeEvents.Session(link, "pi_1", 12000))).ShouldBe("COMPLETED");
        using var stale = await world.PostEventAsync(Encoding.UTF8.GetBytes(StripeEvents.Session(link, "pi_1", 12000)), signedAt: DateTimeOffset.UtcNow);
        (await stale.Content.ReadFromJsonAsync<JsonNode>())!["code"]!.GetValue<string>().ShouldBe("signature.too_old");
    }

    static async Task<HttpResponseMessage> PostAsync(World world, byte[] body, string? header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/webhooks/stripe") { Content = new ByteArrayContent(body) };
        if (header is not null)
            request.Headers.TryAddWithoutValidation("Stripe-Signature", header);
        return await world.Api.SendAsync(request);
    }
}
