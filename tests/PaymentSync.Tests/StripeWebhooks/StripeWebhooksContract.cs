using System.Reflection;
using System.Text;
using PaymentSync.StripeWebhooks;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;
using static PaymentSync.Tests.StripeWebhooks.StripeBodies;

namespace PaymentSync.Tests.StripeWebhooks;

/// <summary>What everybody who hears Stripe owes us, whoever checks and reads: run over our own code, and over Stripe's SDK in the build that has it.</summary>
public abstract class StripeWebhooksContract
{
    private const string Secret = "whsec_first";
    private const string RolledSecret = "whsec_second";
    private const long Now = 1_785_400_000;
    // Without what no session of Stripe's has: an SDK that knows the types of all fields can read only what keeps to them.
    private static readonly string PaidSession = StripeBodies.PaidSession.With("[ { \"id\": \"li_1\", \"currency\": \"usd\" }, [ 1.5e3, null, true ] ]", "null");
    private static readonly byte[] Body = Encoding.UTF8.GetBytes(PaidSession);

    private protected abstract IStripeWebhooks Create(params string[] secrets);

    [Fact]
    public void What_Stripe_signed_just_now_is_let_in_under_the_old_secret_and_the_new()
    {
        Verify(SignedStripeEvent.Sign(Body, Secret, Now)).ShouldBe(StripeSignatureResult.Valid);
        Verify(SignedStripeEvent.Sign(Body, RolledSecret, Now)).ShouldBe(StripeSignatureResult.Valid);
        Verify($"{SignedStripeEvent.Sign(Body, "whsec_stranger", Now)},v1={SignedStripeEvent.V1(Body, RolledSecret, $"{Now}")},v0=abc").ShouldBe(StripeSignatureResult.Valid);
    }

    [Theory]
    [InlineData(-300, StripeSignatureResult.Valid)]
    [InlineData(300, StripeSignatureResult.Valid)]
    [InlineData(-301, StripeSignatureResult.TooOld)]
    [InlineData(301, StripeSignatureResult.InFuture)]
    [InlineData(-1_000_000_000, StripeSignatureResult.TooOld)]
    public void Age_is_judged_by_the_clock_that_is_given(int offset, StripeSignatureResult expected) =>
        Verify(SignedStripeEvent.Sign(Body, Secret, Now + offset)).ShouldBe(expected);

    [Fact]
    public void A_forgery_is_one_whatever_its_age()
    {
        Verify(SignedStripeEvent.Sign(Body, "whsec_stranger", Now)).ShouldBe(StripeSignatureResult.NoMatch);
        Verify(SignedStripeEvent.Sign(Body, "whsec_stranger", Now - 100_000)).ShouldBe(StripeSignatureResult.NoMatch);
        Verify($"t={Now + 1},v1={SignedStripeEvent.V1(Body, Secret, $"{Now}")}").ShouldBe(StripeSignatureResult.NoMatch);
        var changed = (byte[])Body.Clone();
        changed[^3] ^= 1;
        Create(Secret).Verify(SignedStripeEvent.Sign(Body, Secret, Now), changed, At(Now)).ShouldBe(StripeSignatureResult.NoMatch);
    }

    [Theory]
    [InlineData(null, StripeSignatureResult.MissingHeader)]
    [InlineData("", StripeSignatureResult.MissingHeader)]
    [InlineData(" ", StripeSignatureResult.MissingHeader)]
    [InlineData("v1=GOOD", StripeSignatureResult.Malformed)]
    [InlineData("t=,v1=GOOD", StripeSignatureResult.Malformed)]
    [InlineData("t=abc,v1=GOOD", StripeSignatureResult.Malformed)]
    [InlineData("t=-1785400000,v1=GOOD", StripeSignatureResult.Malformed)]
    [InlineData("t=99999999999999999999999999,v1=GOOD", StripeSignatureResult.Malformed)]
    [InlineData("t=1785400000,t=1785400000,v1=GOOD", StripeSignatureResult.Malformed)]
    [InlineData("t=1785400000", StripeSignatureResult.Malformed)]
    [InlineData("t=1785400000,v0=GOOD", StripeSignatureResult.Malformed)]
    [InlineData("t=1785400000,v1=", StripeSignatureResult.Malformed)]
    [InlineData("t=1785400000,v1=zz", StripeSignatureResult.Malformed)]
    [InlineData("GOOD", StripeSignatureResult.Malformed)]
    [InlineData(",", StripeSignatureResult.Malformed)]
    [InlineData("ключ=значение,подпись", StripeSignatureResult.Malformed)]
    public void A_header_that_is_none_is_told_apart(string? header, StripeSignatureResult expected) =>
        Verify(header?.Replace("GOOD", SignedStripeEvent.V1(Body, Secret, $"{Now}"), StringComparison.Ordinal)).ShouldBe(expected);

    [Fact]
    public void Garbage_never_throws_and_never_passes()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var webhooks = Create(Secret);
        const string alphabet = "tv10=,.abcdef \0é\ud800٣";
        for (var i = 0; i < 2_000; i++)
        {
            var header = new StringBuilder(random.Next(2) == 0 ? $"t={Now},v1=" : "");
            for (var length = random.Next(120); length > 0; length--)
                header.Append(alphabet[random.Next(alphabet.Length)]);
            Should.NotThrow(() => webhooks.Verify(header.ToString(), Body, At(Now)), $"seed {seed}, header {i}").ShouldNotBe(StripeSignatureResult.Valid, $"seed {seed}, header {i}");
            var bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            Should.NotThrow(() => webhooks.Read(bytes), $"seed {seed}, body {i}").ShouldBeOfType<Unusable>($"seed {seed}, body {i}");
        }
    }

    [Fact]
    public void Stripes_own_samples_old_and_new_are_verified_and_read_as_expected()
    {
        var folder = Path.Combine(SharedData.RequireFolder(), "stripe-events");
        var webhooks = Create(Secret);
        foreach (var row in StripeSampleTests.Samples)
        {
            var body = File.ReadAllBytes(Path.Combine(folder, row.Data.Item1));
            webhooks.Verify(SignedStripeEvent.Sign(body, Secret, Now), body, At(Now)).ShouldBe(StripeSignatureResult.Valid, row.Data.Item1);
            StripeSampleTests.Summary(webhooks.Read(body)).ShouldBe(row.Data.Item2, row.Data.Item1);
        }
    }

    [Fact]
    public void The_same_is_read_as_our_reader_reads_or_it_is_left_to_a_person()
    {
        var webhooks = Create(Secret);
        foreach (var (name, body) in Corpus())
        {
            var expected = StripeEventReader.Read(body);
            var reading = Should.NotThrow(() => webhooks.Read(body), name);
            if (reading is not Unusable || expected is not StripeConfirmation)
                reading.ShouldBe(expected, name);
        }
    }

    [Theory]
    [InlineData("checkout.session.completed", StripeFact.Paid)]
    [InlineData("checkout.session.async_payment_succeeded", StripeFact.Paid)]
    [InlineData("checkout.session.async_payment_failed", StripeFact.Failed)]
    [InlineData("checkout.session.expired", StripeFact.Expired)]
    public void A_session_is_read_whole(string type, StripeFact fact) =>
        Create(Secret).Read(Encoding.UTF8.GetBytes(PaidSession.With("\"checkout.session.completed\"", $"\"{type}\""))).ShouldBe(new StripeConfirmation("evt_session", type, "self", Livemode: false, At(1785400001), fact, "pi_1", 120.00m, "GBP",
            "8f14e45f-ceea-467f-a1d5-91c0a9b7b1aa", "plink_1"));

    [Fact]
    public void What_an_intent_received_counts_in_the_currencys_own_decimals()
    {
        var reading = Create(Secret).Read(Encoding.UTF8.GetBytes(SucceededIntent.With("\"gbp\"", "\"jpy\""))).ShouldBeOfType<StripeConfirmation>();
        (reading.Amount, reading.Currency, reading.Livemode, reading.ProviderPaymentId).ShouldBe((11500m, "JPY", true, "pi_1"));
    }

    /// <summary>Every body of the reader's own tests: sound, odd and broken.</summary>
    internal static IEnumerable<(string Name, byte[] Body)> Corpus()
    {
        yield return ("paid session", Body);
        yield return ("succeeded intent", Encoding.UTF8.GetBytes(SucceededIntent));
        foreach (var method in typeof(StripeEventReaderBadInputTests).GetMethods(BindingFlags.Public | BindingFlags.Instance))
        {
            foreach (var data in method.GetCustomAttributes<InlineDataAttribute>().Select(row => row.Data))
            {
                (string, string)? body = (method.Name, data) switch
                {
                    (nameof(StripeEventReaderBadInputTests.A_body_that_is_no_event_is_unusable), [string text, ..]) => (text, text),
                    (nameof(StripeEventReaderBadInputTests.An_amount_that_is_not_plain_minor_units_is_unusable), [string amount, ..]) => ($"amount_total: {amount}", PaidSession.With("\"amount_total\": 12000", $"\"amount_total\": {amount}")),
                    (nameof(StripeEventReaderBadInputTests.An_intent_is_held_to_the_same), [string piece, string replacement, ..]) => ($"intent: {Line(piece)} → {Line(replacement)}", SucceededIntent.With(piece, replacement)),
                    (nameof(StripeEventReaderBadInputTests.A_field_that_is_read_must_be_sound), [string piece, string replacement, ..]) => ($"{piece} → {replacement}", PaidSession.With(piece, replacement)),
                    _ => null,
                };
                if (body is var (name, json))
                    yield return (name, Encoding.UTF8.GetBytes(json));
            }
        }
        foreach (var row in StripeEventReaderBadInputTests.BytesThatAreNotUtf8)
            yield return ("not UTF-8", row.Data);
        foreach (var (piece, replacement) in OddPieces)
            yield return ($"{piece} → {replacement.Trim()}", Encoding.UTF8.GetBytes((PaidSession.Contains(piece, StringComparison.Ordinal) ? PaidSession : SucceededIntent).With(piece, replacement)));
    }

    /// <summary>What our reader takes although it is unusual.</summary>
    private static readonly (string Piece, string Replacement)[] OddPieces =
    [
        ("\"payment_intent\": \"pi_1\",", ""),
        ("\"payment_intent\": \"pi_1\"", """ "payment_intent": { "latest_charge": { "id": "ch_1" }, "id": "pi_expanded", "object": "payment_intent", "amount": 5 } """),
        ("\"paid\"", "\"unpaid\""),
        ("\"paid\"", "\"no_payment_required\""),
        ("\"mode\": \"payment\"", "\"mode\": \"subscription\""),
        ("\"api_version\": null", "\"api_version\": \"2020-08-27\""),
        ("\"api_version\": null", "\"account\": \"acct_1\""),
        ("\"request\": { \"id\": null, \"idempotency_key\": null }", "\"request\": \"req_1\""),
        ("\"gbp\"", "\"GBP\""),
        ("\"gbp\"", "\"kwd\""),
        ("\"amount_received\": 11500,", ""),
        ("\"amount_received\": 11500,", "\"amount_received\": null,"),
        ("O'Neil", """\ud800 \u0000"""),
        ("\"\\u00fcber\": \"x\"", """ "k": 1, "k": 2 """),
        ("\"pending_webhooks\": 1", "\"pending_webhooks\": 1e400"),
    ];

    private static string Line(string text) => string.Join(' ', text.Split((char[])['\n', ' '], StringSplitOptions.RemoveEmptyEntries));

    private StripeSignatureResult Verify(string? header) => Create(Secret, RolledSecret).Verify(header, Body, At(Now));

    private static DateTimeOffset At(long unixSeconds) => DateTimeOffset.FromUnixTimeSeconds(unixSeconds);
}

public sealed class OwnStripeWebhooksTests : StripeWebhooksContract
{
    private protected override IStripeWebhooks Create(params string[] secrets) => new OwnStripeWebhooks(new StripeSignature(secrets));
}
