using System.Globalization;
using System.Text;
using PaymentSync.StripeWebhooks;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.StripeWebhooks;

public sealed class StripeSignatureTests
{
    private const string Secret = "whsec_first";
    private const string OtherSecret = "whsec_second";
    private const long Now = 1_700_000_000;
    private static readonly byte[] Body = """{"id":"evt_1","name":"Zoë"}"""u8.ToArray();
    private static readonly string NowText = Now.ToString(CultureInfo.InvariantCulture);
    private static readonly string GoodV1 = SignedStripeEvent.V1(Body, Secret, NowText);

    [Fact]
    public void A_body_that_Stripe_signed_just_now_is_valid() =>
        Verify(SignedStripeEvent.Sign(Body, Secret, Now)).ShouldBe(StripeSignatureResult.Valid);

    [Fact]
    public void A_signature_that_openssl_made_is_valid() =>
        new StripeSignature(["whsec_known_answer"])
            .Verify("t=1700000000,v1=ee9ded5251cc6f0934ca1240f4f3c70a3aa6928333032cf06c9a9ce7257616c0", Body, At(Now))
            .ShouldBe(StripeSignatureResult.Valid);

    [Fact]
    public void An_empty_body_can_be_signed_too() =>
        new StripeSignature([Secret]).Verify(SignedStripeEvent.Sign([], Secret, Now), [], At(Now)).ShouldBe(StripeSignatureResult.Valid);

    [Fact]
    public void A_signature_made_with_another_secret_does_not_match() =>
        Verify(SignedStripeEvent.Sign(Body, "whsec_stranger", Now)).ShouldBe(StripeSignatureResult.NoMatch);

    [Fact]
    public void Every_configured_secret_is_tried()
    {
        var header = SignedStripeEvent.Sign(Body, OtherSecret, Now);
        Verify(header).ShouldBe(StripeSignatureResult.NoMatch);
        Verify(header, Secret, OtherSecret).ShouldBe(StripeSignatureResult.Valid);
    }

    [Fact]
    public void While_a_secret_is_rolled_any_of_several_v1_entries_may_match()
    {
        var stranger = SignedStripeEvent.V1(Body, "whsec_stranger", NowText);
        Verify($"t={Now},v1={stranger},v1={GoodV1}").ShouldBe(StripeSignatureResult.Valid);
        Verify($"t={Now},v1={GoodV1},v1={stranger}").ShouldBe(StripeSignatureResult.Valid);
        Verify($"t={Now},v1=junk,v1={GoodV1}").ShouldBe(StripeSignatureResult.Valid);
        Verify($"t={Now},v1={stranger},v1={stranger}").ShouldBe(StripeSignatureResult.NoMatch);
    }

    [Fact]
    public void The_order_of_the_entries_and_blanks_between_them_do_not_matter() =>
        Verify($" v0=abc , v1={GoodV1}, t={Now} ").ShouldBe(StripeSignatureResult.Valid);

    [Fact]
    public void A_weaker_scheme_alone_is_no_signature() =>
        Verify($"t={Now},v0={GoodV1}").ShouldBe(StripeSignatureResult.Malformed);

    [Theory]
    [InlineData(-301, StripeSignatureResult.TooOld)]
    [InlineData(-300, StripeSignatureResult.Valid)]
    [InlineData(300, StripeSignatureResult.Valid)]
    [InlineData(301, StripeSignatureResult.InFuture)]
    [InlineData(-100_000, StripeSignatureResult.TooOld)]
    [InlineData(100_000, StripeSignatureResult.InFuture)]
    public void The_signed_time_may_be_300_seconds_off_and_no_more(int offset, StripeSignatureResult expected) =>
        Verify(SignedStripeEvent.Sign(Body, Secret, Now + offset)).ShouldBe(expected);

    [Fact]
    public void A_forged_signature_does_not_match_however_old_it_claims_to_be() =>
        Verify(SignedStripeEvent.Sign(Body, "whsec_stranger", Now - 100_000)).ShouldBe(StripeSignatureResult.NoMatch);

    [Fact]
    public void A_changed_time_does_not_match() =>
        Verify($"t={Now + 1},v1={GoodV1}").ShouldBe(StripeSignatureResult.NoMatch);

    [Fact]
    public void The_time_is_signed_as_it_is_written()
    {
        Verify($"t=0{Now},v1={GoodV1}").ShouldBe(StripeSignatureResult.NoMatch);
        Verify($"t=0{Now},v1={SignedStripeEvent.V1(Body, Secret, "0" + NowText)}").ShouldBe(StripeSignatureResult.Valid);
    }

    [Fact]
    public void A_single_changed_bit_anywhere_in_the_body_does_not_match()
    {
        var header = SignedStripeEvent.Sign(Body, Secret, Now);
        var signature = new StripeSignature([Secret]);
        for (var bit = 0; bit < Body.Length * 8; bit++)
        {
            var changed = (byte[])Body.Clone();
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            signature.Verify(header, changed, At(Now)).ShouldBe(StripeSignatureResult.NoMatch, $"bit {bit}");
        }
    }

    [Fact]
    public void A_single_changed_digit_anywhere_in_the_signature_does_not_match()
    {
        for (var i = 0; i < GoodV1.Length; i++)
        {
            var changed = GoodV1.ToCharArray();
            changed[i] = changed[i] == '0' ? '1' : '0';
            Verify($"t={Now},v1={new string(changed)}").ShouldBe(StripeSignatureResult.NoMatch, $"digit {i}");
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" \t ")]
    public void No_header_is_told_apart_from_a_bad_one(string? header) =>
        Verify(header).ShouldBe(StripeSignatureResult.MissingHeader);

    [Theory]
    [InlineData("v1=GOOD")]
    [InlineData("t=,v1=GOOD")]
    [InlineData("t,v1=GOOD")]
    [InlineData("t=abc,v1=GOOD")]
    [InlineData("t=-1700000000,v1=GOOD")]
    [InlineData("t=+1700000000,v1=GOOD")]
    [InlineData("t=1700000000.0,v1=GOOD")]
    [InlineData("t=1e9,v1=GOOD")]
    [InlineData("t=0x6553f100,v1=GOOD")]
    [InlineData("t=1700000000,t=1700000000,v1=GOOD")]
    [InlineData("t=1700000000,v1=GOOD,t=1")]
    [InlineData("t=9999999999999999999,v1=GOOD")]
    [InlineData("t=99999999999999999999999999999999999999999999999999,v1=GOOD")]
    [InlineData("t=١٧٠٠٠٠٠٠٠٠,v1=GOOD")]
    [InlineData("t=1700000000")]
    [InlineData("t=1700000000,v1=")]
    [InlineData("t=1700000000,v1")]
    [InlineData("t=1700000000,v1=GOOD00")]
    [InlineData("t=1700000000,v1=zz")]
    [InlineData("t=1700000000,v1 =GOOD")]
    [InlineData("t=1700000000,V1=GOOD")]
    [InlineData("t=1700000000,v11=GOOD")]
    [InlineData("t=1700000000;v1=GOOD")]
    [InlineData("GOOD")]
    [InlineData(",")]
    [InlineData(",,,,=,=,=")]
    [InlineData("ключ=значение,подпись")]
    [InlineData("t=1700000000,v1=😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀")]
    [InlineData("t=1700000000\0,v1=GOOD")]
    public void A_header_without_one_time_and_a_whole_v1_is_malformed(string header) =>
        Verify(header.Replace("GOOD", GoodV1, StringComparison.Ordinal)).ShouldBe(StripeSignatureResult.Malformed);

    [Fact]
    public void Half_a_surrogate_pair_in_the_header_is_malformed() =>
        Verify($"t={Now},v1={new string('\ud800', 64)}").ShouldBe(StripeSignatureResult.Malformed);

    [Fact]
    public void A_time_that_no_date_can_hold_is_in_the_future_when_Stripe_signed_it() =>
        Verify(SignedStripeEvent.Sign(Body, Secret, 999_999_999_999_999_999)).ShouldBe(StripeSignatureResult.InFuture);

    [Fact]
    public void Time_zero_is_too_old() =>
        Verify(SignedStripeEvent.Sign(Body, Secret, 0)).ShouldBe(StripeSignatureResult.TooOld);

    [Fact]
    public void The_first_and_the_last_moment_of_the_clock_do_not_break_the_age()
    {
        var signature = new StripeSignature([Secret]);
        var last = SignedStripeEvent.Sign(Body, Secret, 999_999_999_999_999_999);
        signature.Verify(last, Body, DateTimeOffset.MinValue).ShouldBe(StripeSignatureResult.InFuture);
        var first = SignedStripeEvent.Sign(Body, Secret, 0);
        signature.Verify(first, Body, DateTimeOffset.MaxValue).ShouldBe(StripeSignatureResult.TooOld);
    }

    [Fact]
    public void No_more_than_sixteen_v1_entries_are_looked_at()
    {
        var stranger = SignedStripeEvent.V1(Body, "whsec_stranger", NowText);
        string Entries(int strangers) => string.Concat(Enumerable.Repeat($"v1={stranger},", strangers));
        Verify($"t={Now},{Entries(15)}v1={GoodV1}").ShouldBe(StripeSignatureResult.Valid);
        Verify($"t={Now},{Entries(16)}v1={GoodV1}").ShouldBe(StripeSignatureResult.NoMatch);
    }

    [Fact]
    public void A_header_of_thousands_of_entries_is_refused_unread()
    {
        Verify($"t={Now},v1={GoodV1}" + new string(',', 100_000)).ShouldBe(StripeSignatureResult.Malformed);
        Verify(string.Concat(Enumerable.Repeat($"t={Now},v1={GoodV1},", 5_000))).ShouldBe(StripeSignatureResult.Malformed);
    }

    [Fact]
    public void Random_headers_never_throw_and_never_match()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var signature = new StripeSignature([Secret, OtherSecret]);
        const string alphabet = "tv10=,.abcdef \0é\ud800٣";
        for (var i = 0; i < 20_000; i++)
        {
            var header = new StringBuilder(random.Next(2) == 0 ? $"t={Now},v1=" : "");
            for (var length = random.Next(120); length > 0; length--)
                header.Append(alphabet[random.Next(alphabet.Length)]);
            Should.NotThrow(() => signature.Verify(header.ToString(), Body, At(Now)), $"seed {seed}, header {i}")
                .ShouldNotBe(StripeSignatureResult.Valid, $"seed {seed}, header {i}");
        }
    }

    [Fact]
    public void A_signature_cannot_be_checked_without_a_usable_secret()
    {
        Should.Throw<ArgumentException>(() => new StripeSignature([]));
        Should.Throw<ArgumentException>(() => new StripeSignature([""])).Message.ShouldContain("anybody could sign");
        Should.Throw<ArgumentException>(() => new StripeSignature([Secret, "  "])).Message.ShouldContain("anybody could sign");
        Should.Throw<ArgumentException>(() => new StripeSignature([Secret + "\n"])).Message.ShouldContain("white space");
    }

    [Fact]
    public void Every_result_has_a_code_of_its_own_and_only_one_lets_an_event_in()
    {
        var codes = Enum.GetValues<StripeSignatureResult>().Select(result => result.Code()).ToList();
        codes.ShouldBe(["signature.missing", "signature.malformed", "signature.no_match", "signature.too_old", "signature.in_future", "signature.valid"]);
        default(StripeSignatureResult).ShouldNotBe(StripeSignatureResult.Valid);
    }

    private static StripeSignatureResult Verify(string? header, params string[] secrets) =>
        new StripeSignature(secrets.Length == 0 ? [Secret] : secrets).Verify(header, Body, At(Now));

    private static DateTimeOffset At(long unixSeconds) => DateTimeOffset.FromUnixTimeSeconds(unixSeconds);
}
