using System.Text;
using PaymentSync.StripeWebhooks;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.StripeWebhooks;

/// <summary>Damaged bodies by the thousand. A failure names its seed: put it into the theory and it happens again.</summary>
public sealed class StripeEventReaderFuzzTests
{
    private const int Rounds = 20_000;

    private static readonly byte[][] Bodies = [.. new[] { StripeBodies.PaidSession, StripeBodies.SucceededIntent }.Select(Encoding.UTF8.GetBytes)];

    private static readonly byte[][] Pieces = [.. new[]
    {
        "null", "-1", "1e400", "0.1", "\"\"", "{", "}", "[", "]", "\"", ",", ":", "\\ud800", "\\u0000", "\\", "\ufeff", "\0", "💸",
        "\"amount_total\":1,", "\"payment_status\":\"paid\",", "\"payment_status\":\"unpaid\",",
        "\"object\":{},", "\"data\":null,", "\"id\":\"x\",", "\"\\u0069d\":\"x\",",
        "999999999999999999999",
    }.Select(Encoding.UTF8.GetBytes)];

    public static TheoryData<int> Seeds => [1, 2, 3, Random.Shared.Next()];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Whatever_happens_to_the_bytes_the_reader_answers_and_every_fact_it_states_is_sound(int seed)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < Rounds; round++)
        {
            var body = Bodies[random.Next(Bodies.Length)];
            for (var times = random.Next(1, 4); times > 0; times--)
                body = Damaged(body, random);
            ShouldBeSound(Should.NotThrow(() => StripeEventReader.Read(body), $"seed {seed}, round {round}"), $"seed {seed}, round {round}");
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Bytes_that_were_never_an_event_are_unusable(int seed)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < Rounds; round++)
        {
            var body = new byte[random.Next(200)];
            random.NextBytes(body);
            StripeEventReader.Read(body).ShouldBeOfType<Unusable>($"seed {seed}, round {round}");
        }
    }

    [Fact]
    public void A_body_that_was_cut_off_anywhere_is_unusable()
    {
        foreach (var body in Bodies)
        {
            for (var length = 0; length < body.Length; length++)
                StripeEventReader.Read(body.AsSpan(0, length)).ShouldBeOfType<Unusable>($"cut at {length}");
        }
    }

    private static byte[] Damaged(byte[] body, Random random)
    {
        if (body.Length == 0)
            return body;
        var at = random.Next(body.Length);
        var until = Math.Min(body.Length, at + random.Next(1, 40));
        switch (random.Next(6))
        {
            case 0: // one byte becomes another
                var changed = (byte[])body.Clone();
                changed[at] = (byte)random.Next(256);
                return changed;
            case 1: // cut off
                return body[..at];
            case 2: // a stretch is lost
                return [.. body[..at], .. body[until..]];
            case 3: // a stretch comes twice
                return [.. body[..until], .. body[at..]];
            case 4: // a line comes twice: a duplicate key, and mostly still JSON
                var start = Array.LastIndexOf(body, (byte)'\n', at) + 1;
                var end = Array.IndexOf(body, (byte)'\n', at) + 1;
                return end == 0 ? body : [.. body[..end], .. body[start..]];
            default: // something else gets in between
                return [.. body[..at], .. Pieces[random.Next(Pieces.Length)], .. body[at..]];
        }
    }

    private static void ShouldBeSound(StripeReading reading, string where)
    {
        switch (reading)
        {
            case Unusable unusable:
                unusable.Reason.ShouldEndWith(".", customMessage: where);
                break;
            case NotOfInterest other:
                ShouldBeAnId(other.EventId, where);
                ShouldBeAnId(other.EventType, where);
                break;
            case StripeConfirmation confirmation:
                ShouldBeAnId(confirmation.EventId, where);
                ShouldBeAnId(confirmation.Account, where);
                ShouldBeAnId(confirmation.ProviderPaymentId, where);
                ShouldBeAnId(confirmation.StripePaymentLink ?? "-", where);
                confirmation.PaymentLinkId?.Length.ShouldBeInRange(1, 255, where);
                confirmation.PaymentLinkId?.ShouldAllBe(character => !char.IsControl(character), where);
                confirmation.Amount.ShouldBeInRange(0m, 999_999_999_999m, where);
                confirmation.Amount.Scale.ShouldBeLessThanOrEqualTo((byte)2, where);
                confirmation.Currency.ShouldMatch("^[A-Z]{3}$", where);
                Enum.IsDefined(confirmation.Fact).ShouldBeTrue(where);
                break;
            default:
                throw new InvalidOperationException($"A reading of an unknown kind, {reading.GetType()}; {where}");
        }
    }

    private static void ShouldBeAnId(string text, string where)
    {
        text.Length.ShouldBeInRange(1, 255, where);
        text.ShouldAllBe(character => character > ' ' && character <= '~' && character != ':', where);
    }
}
