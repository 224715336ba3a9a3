using System.Text;
using PaymentSync.OfficialSdks;
using PaymentSync.StripeWebhooks;
using PaymentSync.Tests.StripeWebhooks;
using PaymentSync.Tests.Testing;
using Shouldly;
using Stripe;
using Xunit;

namespace PaymentSync.Tests.OfficialSdks;

/// <summary>
/// Stripe's SDK as an oracle. Where it and we disagree is listed here with the reason; the list is exact, so that a new disagreement, or one
/// that is gone, fails. None of them is booked silently: with Stripe:Client=StripeNet such an event is QUARANTINED, and such a header is refused.
/// </summary>
public sealed class StripeOracleTests
{
    const string Secret = "whsec_first";
    const long Now = 1_785_400_000;
    static readonly byte[] Body = Encoding.UTF8.GetBytes(StripeBodies.PaidSession);

    [Fact]
    public void Both_readers_see_the_same_in_every_body_but_the_listed()
    {
        var differences = new List<string>();
        foreach (var (name, body) in StripeWebhooksContract.Corpus())
        {
            var (own, sdk) = (StripeEventReader.Read(body), StripeNetWebhooks.ReadBySdk(body));
            if (own == sdk || (own is Unusable && sdk is Unusable) || (own is NotOfInterest && sdk is NotOfInterest))
                continue;
            differences.Add($"{name.TrimEnd()} | we {own.GetType().Name}, Stripe.net {sdk.GetType().Name}");
            new StripeNetWebhooks([Secret]).Read(body).ShouldBeOfType<Unusable>(name);
        }
        differences.Order(StringComparer.Ordinal).ShouldBe(BodiesReadDifferently.SelectMany(group => group.Bodies.Select(body => $"{body.TrimEnd()} | {group.Verdicts}")).Order(StringComparer.Ordinal));
    }

    static readonly (string Why, string Verdicts, string[] Bodies)[] BodiesReadDifferently =
    [
        ("Stripe.net takes the last of two fields of one name. Two readers of the same bytes could see two amounts, so we take neither.",
            "we Unusable, Stripe.net StripeConfirmation",
        [
            "\"\\u00fcber\" → \"payment_link_id\"",
            "\"currency\": \"gbp\" → \"currency\": \"gbp\", \"currency\": \"jpy\"",
            "\"line_items\": → \"metadata\":",
            "\"mode\": \"payment\" → \"mode\": \"setup\", \"mode\": \"payment\"",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": \"pi_1\", \"payment_intent\": null",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": {\"id\":\"pi_1\",\"id\":\"pi_2\"}",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": {\"id\":\"pi_1\"}, \"payment_intent\": {}",
            "\"payment_status\": \"paid\" → \"payment_status\": \"unpaid\", \"payment_status\": \"paid\"",
            "amount_total: 12000, \"\\u0061mount_total\": 99",
            "amount_total: 12000, \"amount_total\": 12",
            "amount_total: 12000, \"amount_total\": 12000",
            "amount_total: null, \"amount_total\": 12000",
        ]),
        ("Stripe.net takes what is missing for 0, for the beginning of 1970, or for another field.",
            "we Unusable, Stripe.net StripeConfirmation",
        [
            "intent: \"amount\": 12000, \"amount_received\": 11500 → \"x\": 0",
            "\"created\": 1785400001, → ",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": {\"id\":null}",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": {}",
            "\"payment_link\": \"plink_1\" → \"payment_link\": {\"object\":\"payment_link\"}",
        ]),
        ("Stripe.net takes any Int64 for an amount and any time a DateTime holds; Stripe's own are 0 to 999999999999 minor units and seconds.",
            "we Unusable, Stripe.net StripeConfirmation",
        [
            "amount_total: -0",
            "amount_total: -12000",
            "amount_total: 1000000000000",
            "amount_total: 9223372036854775807",
            "intent: \"amount_received\": 11500 → \"amount_received\": -1",
            "\"created\": 1785400001 → \"created\": 1785400001000",
        ]),
        ("Stripe.net takes any text for a currency or an id: our columns, run keys and Xero's references cannot hold it.",
            "we Unusable, Stripe.net StripeConfirmation",
        [
            "\"8f14e45f-ceea-467f-a1d5-91c0a9b7b1aa\" → \"a\\u0000b\"",
            "\"api_version\": null → \"account\": \"\"",
            "\"api_version\": null → \"account\": \"acct:1\"",
            "\"currency\": \"gbp\" → \"currency\": \"\"",
            "\"currency\": \"gbp\" → \"currency\": \"g p\"",
            "\"currency\": \"gbp\" → \"currency\": \"usdc\"",
            "\"currency\": \"gbp\" → \"currency\": \"£££\"",
            "\"currency\": \"gbp\" → \"currency\": \"ıſk\"",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": \"\"",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": \"pi 1\"",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": \"pi_1:paid\"",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": \"pi_\\u0000\"",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": \"pi_\\u007f\"",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": \"pi_\\u009f\"",
            "\"payment_intent\": \"pi_1\" → \"payment_intent\": \"pi_é\"",
        ]),
        ("Stripe.net reads any JSON object as an event, and a session without a mode; an answer that is no event is none of no interest, but one that a person should see.",
            "we Unusable, Stripe.net NotOfInterest",
        [
            "{\"object\":\"event\"}",
            "{\"object\":null}",
            "{}",
            "\"mode\": \"payment\" → \"mode\": null",
        ]),
        ("Stripe.net reads every field of an object into its type and stops at the first that does not fit, or stands twice; we read few fields, and a payer's name costs nobody a payment.",
            "we StripeConfirmation, Stripe.net Unusable",
        [
            "\"\\u00fcber\": \"x\" → \"k\": 1, \"k\": 2",
            "\"pending_webhooks\": 1 → \"pending_webhooks\": 1e400",
            "O'Neil → \\ud800 \\u0000",
            "\"amount_received\": 11500, → \"amount_received\": null,",
        ]),
        ("What is not there is 0 for Stripe.net; we count what was asked for, as events of the first API versions mean it.",
            "we StripeConfirmation, Stripe.net StripeConfirmation",
        [
            "\"amount_received\": 11500, →",
        ]),
    ];

    [Fact]
    public void Both_judge_every_header_alike_but_the_listed()
    {
        var differences = new List<string>();
        foreach (var (name, header, body) in Headers())
        {
            var own = new StripeSignature([Secret]).Verify(header, body, DateTimeOffset.FromUnixTimeSeconds(Now));
            var sdk = new StripeNetWebhooks([Secret]).Verify(header, body, DateTimeOffset.FromUnixTimeSeconds(Now));
            // Stripe.net as it is sold, with its own clock arithmetic: it says yes or throws.
            var alone = false;
            try
            {
                EventUtility.ValidateSignature(Encoding.UTF8.GetString(body), header, Secret, 300, Now);
                alone = true;
            }
            catch (Exception)
            {
                // Of many types; each means no.
            }
            if (own != sdk)
                differences.Add($"{name} | we {own}, through Stripe.net {sdk}");
            if ((own == StripeSignatureResult.Valid) != alone)
                differences.Add($"{name} | we {own}, Stripe.net alone {(alone ? "yes" : "no")}");
        }
        differences.Order(StringComparer.Ordinal).ShouldBe(HeadersJudgedDifferently.SelectMany(group => group.Headers).Order(StringComparer.Ordinal));
    }

    static readonly (string Why, string[] Headers)[] HeadersJudgedDifferently =
    [
        ("Stripe.net compares text: hex in capitals is another. Stripe writes small letters.",
        [
            "upper-case hex | we Valid, Stripe.net alone no",
            "upper-case hex | we Valid, through Stripe.net NoMatch",
        ]),
        ("Stripe.net refuses a header with any entry that is no pair; we pass over what we do not know. Stripe writes none.",
        [
            "a comma at the end | we Valid, Stripe.net alone no",
            "a comma at the end | we Valid, through Stripe.net NoMatch",
            "an entry without = | we Valid, Stripe.net alone no",
            "an entry without = | we Valid, through Stripe.net NoMatch",
        ]),
        ("Stripe.net signs text; bytes that are none are judged by us in both cases, and quarantined.",
        [
            "bytes that are no text | we Valid, Stripe.net alone no",
        ]),
        ("Stripe.net reads the time as an Int32: both refuse, for another reason.",
        [
            "signed 3000000000 s from now | we InFuture, through Stripe.net NoMatch",
        ]),
        ("Stripe.net looks at every v1; we stop at sixteen, so that a header cannot make us work. It is signed by Stripe all the same.",
        [
            "the seventeenth v1 | we NoMatch, Stripe.net alone yes",
            "the seventeenth v1 | we NoMatch, through Stripe.net Valid",
        ]),
        ("Stripe.net alone takes headers of any length, the first of two times and a time with a sign; through it we are as strict as without.",
        [
            "5,000 characters | we Malformed, Stripe.net alone yes",
            "a sign, signed so | we Malformed, Stripe.net alone yes",
            "two times, alike | we Malformed, Stripe.net alone yes",
        ]),
    ];

    static IEnumerable<(string Name, string Header, byte[] Body)> Headers()
    {
        var good = SignedStripeEvent.V1(Body, Secret, $"{Now}");
        string Of(long at, string secret = Secret) => SignedStripeEvent.Sign(Body, secret, at);
        foreach (var offset in new long[] { 0, -300, 300, -301, 301, -1_000_000, 1_000_000, 3_000_000_000 })
        {
            yield return ($"signed {offset} s from now", Of(Now + offset), Body);
            yield return ($"forged {offset} s from now", Of(Now + offset, "whsec_stranger"), Body);
        }
        yield return ("two v1, the second ours", $"{Of(Now, "whsec_stranger")},v1={good}", Body);
        yield return ("v0 of ours", $"t={Now},v0={good}", Body);
        yield return ("blanks", $" t={Now} , v1={good} ", Body);
        yield return ("entries the other way round", $"v1={good},t={Now}", Body);
        yield return ("upper-case hex", $"t={Now},v1={good.ToUpperInvariant()}", Body);
        yield return ("an entry without =", $"t={Now},junk,v1={good}", Body);
        yield return ("a comma at the end", $"t={Now},v1={good},", Body);
        yield return ("an unknown scheme", $"t={Now},v7=x,v1={good}", Body);
        yield return ("junk before the good v1", $"t={Now},v1=junk,v1={good}", Body);
        yield return ("two times, alike", $"t={Now},t={Now},v1={good}", Body);
        yield return ("two times, the second signed", $"t=1,t={Now},v1={good}", Body);
        yield return ("no time", $"v1={good}", Body);
        yield return ("no time, signed without", $"v1={SignedStripeEvent.V1(Body, Secret, "")}", Body);
        yield return ("a leading zero, signed so", $"t=0{Now},v1={SignedStripeEvent.V1(Body, Secret, $"0{Now}")}", Body);
        yield return ("a sign, signed so", $"t=+{Now},v1={SignedStripeEvent.V1(Body, Secret, $"+{Now}")}", Body);
        yield return ("the seventeenth v1", $"t={Now},{string.Concat(Enumerable.Repeat($"v1={new string('0', 64)},", 16))}v1={good}", Body);
        yield return ("5,000 characters", $"t={Now},v1={good},v0={new string('0', 5_000)}", Body);
        yield return ("empty", "", Body);
        yield return ("half a surrogate pair", $"t={Now},v1={new string('\ud800', 64)}", Body);
        byte[] noText = [0xFF, 0xFE, (byte)'{'];
        yield return ("bytes that are no text", SignedStripeEvent.Sign(noText, Secret, Now), noText);
        byte[] marked = [0xEF, 0xBB, 0xBF, .. Body];
        yield return ("a byte order mark", SignedStripeEvent.Sign(marked, Secret, Now), marked);
        yield return ("an empty body", SignedStripeEvent.Sign([], Secret, Now), []);
        yield return ("another body", Of(Now), marked);
    }

    [Fact]
    public void Both_read_the_samples_alike_and_Stripe_net_reads_the_same_envelope_in_all_of_them()
    {
        var folder = Path.Combine(SharedData.RequireFolder(), "stripe-events");
        foreach (var file in StripeSampleTests.Samples.Select(row => row.Data.Item1).Where(file => !file.Contains("/api/", StringComparison.Ordinal)))
        {
            var body = System.IO.File.ReadAllBytes(Path.Combine(folder, file));
            var told = EventUtility.ParseEvent(Encoding.UTF8.GetString(body), throwOnApiVersionMismatch: false);
            var own = StripeEventReader.Read(body);
            (told.Id, told.Type).ShouldBe(own is StripeConfirmation confirmation ? (confirmation.EventId, confirmation.EventType) : own.ShouldBeOfType<NotOfInterest>() is var other ? (other.EventId, other.EventType) : default, file);
            if (own is StripeConfirmation)
                StripeNetWebhooks.ReadBySdk(body).ShouldBe(own, file);
        }
    }
}
