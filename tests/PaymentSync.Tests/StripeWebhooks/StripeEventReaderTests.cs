using System.Text;
using System.Text.Json.Nodes;
using PaymentSync.StripeWebhooks;
using Shouldly;
using Xunit;
using static PaymentSync.Tests.StripeWebhooks.StripeBodies;

namespace PaymentSync.Tests.StripeWebhooks;

public sealed class StripeEventReaderTests
{
    private static readonly StripeConfirmation PaidSessionFact = new(
        "evt_session",
        "checkout.session.completed",
        "self",
        Livemode: false,
        DateTimeOffset.FromUnixTimeSeconds(1785400001),
        StripeFact.Paid,
        "pi_1",
        120.00m,
        "GBP",
        "8f14e45f-ceea-467f-a1d5-91c0a9b7b1aa",
        "plink_1");

    [Fact]
    public void A_paid_session_is_read_whole() => Read(PaidSession).ShouldBe(PaidSessionFact);

    [Fact]
    public void A_succeeded_intent_is_read_whole() =>
        Read(SucceededIntent).ShouldBe(new StripeConfirmation(
            "evt_intent",
            "payment_intent.succeeded",
            "self",
            Livemode: true,
            DateTimeOffset.FromUnixTimeSeconds(1785400000),
            StripeFact.Paid,
            "pi_1",
            115.00m,
            "GBP",
            PaymentLinkId: null,
            StripePaymentLink: null));

    [Theory]
    [InlineData("checkout.session.completed", StripeFact.Paid)]
    [InlineData("checkout.session.async_payment_succeeded", StripeFact.Paid)]
    [InlineData("checkout.session.async_payment_failed", StripeFact.Failed)]
    [InlineData("checkout.session.expired", StripeFact.Expired)]
    public void The_type_of_a_session_event_says_what_happened(string type, StripeFact fact) =>
        Read(Session(type)).ShouldBe(PaidSessionFact with { EventType = type, Fact = fact });

    [Fact]
    public void A_completed_session_that_is_unpaid_confirms_nothing() =>
        ReadConfirmation(PaidSession.With("\"paid\"", "\"unpaid\"")).Fact.ShouldBe(StripeFact.Unpaid);

    [Theory]
    [InlineData("12000")]
    [InlineData("0")]
    [InlineData("null")]
    public void A_session_that_needed_no_payment_is_paid_with_nothing(string amountTotal)
    {
        var reading = ReadConfirmation(PaidSession
            .With("\"paid\"", "\"no_payment_required\"")
            .With("\"amount_total\": 12000", $"\"amount_total\": {amountTotal}"));
        reading.Fact.ShouldBe(StripeFact.Paid);
        reading.Amount.ShouldBe(0m);
    }

    [Fact]
    public void An_async_event_needs_no_payment_status() =>
        ReadConfirmation(Session("checkout.session.async_payment_succeeded").With("\"payment_status\": \"paid\"", "\"payment_status\": null"))
            .Fact.ShouldBe(StripeFact.Paid);

    [Fact]
    public void A_failed_intent_tells_what_was_asked_for()
    {
        var reading = ReadConfirmation(SucceededIntent.With("\"payment_intent.succeeded\"", "\"payment_intent.payment_failed\"").With("11500", "0"));
        reading.Fact.ShouldBe(StripeFact.Failed);
        reading.Amount.ShouldBe(120.00m);
    }

    [Theory]
    [InlineData("\"amount_received\": 11500,", "")]
    [InlineData("\"amount_received\": 11500,", "\"amount_received\": null,")]
    public void An_intent_without_amount_received_counts_its_amount(string piece, string replacement) =>
        ReadConfirmation(SucceededIntent.With(piece, replacement)).Amount.ShouldBe(120.00m);

    [Theory]
    [InlineData("checkout.session.expired")]
    [InlineData("checkout.session.async_payment_failed")]
    public void A_fact_that_books_nothing_may_name_no_amount(string type)
    {
        ReadConfirmation(Session(type).With("\"amount_total\": 12000,", "")).Amount.ShouldBe(0m);
        ReadConfirmation(Session(type).With("\"amount_total\": 12000,", "\"amount_total\": null,")).Amount.ShouldBe(0m);
    }

    [Fact]
    public void A_failed_intent_may_name_no_amount() =>
        ReadConfirmation(SucceededIntent.With("\"payment_intent.succeeded\"", "\"payment_intent.payment_failed\"").With("\"amount\": 12000,", ""))
            .Amount.ShouldBe(0m);

    [Theory]
    [InlineData("\"payment_intent\": null,")]
    [InlineData("")]
    public void Without_a_payment_intent_the_session_is_the_payment(string replacement) =>
        ReadConfirmation(PaidSession.With("\"payment_intent\": \"pi_1\",", replacement)).ProviderPaymentId.ShouldBe("cs_test_1");

    [Fact]
    public void Expanded_objects_are_read_for_their_id()
    {
        var reading = ReadConfirmation(PaidSession
            .With("\"payment_intent\": \"pi_1\"", """ "payment_intent": { "latest_charge": { "id": "ch_1" }, "id": "pi_expanded", "amount": 5 } """)
            .With("\"payment_link\": \"plink_1\"", """ "payment_link": { "object": "payment_link", "id": "plink_expanded" } """));
        reading.ProviderPaymentId.ShouldBe("pi_expanded");
        reading.StripePaymentLink.ShouldBe("plink_expanded");
        reading.Amount.ShouldBe(120.00m);
    }

    [Theory]
    [InlineData("{}", null)]
    [InlineData("null", null)]
    [InlineData("""{ "payment_link_id": null }""", null)]
    [InlineData("""{ "payment_link_id": "" }""", null)]
    [InlineData("""{ "other": "x", "nested": { "payment_link_id": "y" } }""", null)]
    [InlineData("""{ "payment_link_id": " Not a GUID: Zoë/7 " }""", " Not a GUID: Zoë/7 ")]
    [InlineData("""{ "payment_link\u005fid": "es\u0063aped" }""", "escaped")]
    public void The_link_in_the_metadata_is_taken_as_it_stands(string metadata, string? expected) =>
        ReadConfirmation(SucceededIntent.With("\"metadata\": {}", $"\"metadata\": {metadata}")).PaymentLinkId.ShouldBe(expected);

    [Fact]
    public void A_session_of_no_Stripe_payment_link_names_none()
    {
        ReadConfirmation(PaidSession.With("\"payment_link\": \"plink_1\",", "\"payment_link\": null,")).StripePaymentLink.ShouldBeNull();
        ReadConfirmation(PaidSession.With("\"payment_link\": \"plink_1\",", "")).StripePaymentLink.ShouldBeNull();
    }

    [Theory]
    [InlineData("\"account\": \"acct_1\",", "acct_1")]
    [InlineData("\"account\": null,", "self")]
    [InlineData("", "self")]
    public void The_account_is_the_connected_one_or_our_own(string account, string expected) =>
        ReadConfirmation(PaidSession.With("\"api_version\": null,", account)).Account.ShouldBe(expected);

    [Theory]
    [InlineData("jpy", "JPY", 12000)]
    [InlineData("isk", "ISK", 120)]
    [InlineData("ugx", "UGX", 120)]
    [InlineData("kwd", "KWD", 12)]
    [InlineData("GBP", "GBP", 120)]
    public void Amounts_follow_Stripes_decimals(string wire, string currency, int amount)
    {
        var reading = ReadConfirmation(PaidSession.With("\"gbp\"", $"\"{wire}\""));
        reading.Currency.ShouldBe(currency);
        reading.Amount.ShouldBe(amount);
    }

    [Theory]
    [InlineData("subscription")]
    [InlineData("setup")]
    public void Sessions_in_another_mode_are_not_of_interest(string mode)
    {
        var reading = Read(PaidSession.With("\"mode\": \"payment\"", $"\"mode\": \"{mode}\"").With("\"gbp\"", "null")).ShouldBeOfType<NotOfInterest>();
        reading.EventId.ShouldBe("evt_session");
        reading.EventType.ShouldBe("checkout.session.completed");
        reading.Reason.ShouldContain("payment mode");
    }

    [Theory]
    [InlineData("charge.succeeded")]
    [InlineData("payment_intent.processing")]
    [InlineData("checkout.session.completed.v2")]
    [InlineData("a_type_of_next_year")]
    public void Other_types_are_not_of_interest_whatever_they_carry(string type)
    {
        Read(Session(type)).ShouldBe(new NotOfInterest("evt_session", type, "Events of this type book nothing."));
        Read(Session(type).With("\"amount_total\": 12000", "\"amount_total\": \"lots\", \"amount_total\": -1").With("\"livemode\": false", "\"livemode\": 0"))
            .ShouldBeOfType<NotOfInterest>();
        Read($$"""{"object":"event","id":"evt_1","type":"{{type}}"}""").ShouldBeOfType<NotOfInterest>();
    }

    [Fact]
    public void A_byte_order_mark_is_skipped() =>
        StripeEventReader.Read([0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(PaidSession)]).ShouldBe(PaidSessionFact);

    [Fact]
    public void White_space_around_the_event_is_skipped() => Read($"\r\n\t {PaidSession} \r\n").ShouldBe(PaidSessionFact);

    [Fact]
    public void What_is_not_read_may_be_odd()
    {
        // A payer's name with half an emoji, a repeated metadata key or a NUL must not cost the merchant a payment.
        var body = PaidSession
            .With("O'Neil", """\ud800 \u0000""")
            .With("\"\\u00fcber\": \"x\"", """ "k": 1, "k": 2, "\ud800": 3, "\ud800xxxxxx": 4, "payment_link_i\ud800": 5 """)
            .With("\"pending_webhooks\": 1", """ "pending_webhooks": 1e400, "pending_webhooks": -0.5, "\udc00\udc00": {} """);
        Read(body).ShouldBe(PaidSessionFact);
    }

    [Fact]
    public void Neither_order_nor_layout_nor_escaping_changes_what_is_read()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        for (var i = 0; i < 300; i++)
        {
            var shuffled = Shuffled(JsonNode.Parse(PaidSession)!, random);
            Read(shuffled.ToJsonString(new() { WriteIndented = random.Next(2) == 0 })).ShouldBe(PaidSessionFact, $"seed {seed}, round {i}");
        }

        var escaped = new StringBuilder();
        var inString = false;
        foreach (var character in PaidSession.Replace("\\u00e9\\ud83d\\ude00", "", StringComparison.Ordinal).Replace("\\u00fc", "", StringComparison.Ordinal))
        {
            if (character == '"')
                inString = !inString;
            escaped.Append(inString && character != '"' ? $"\\u{(int)character:x4}" : character.ToString());
        }

        Read(escaped.ToString()).ShouldBe(PaidSessionFact);
    }

    private static JsonNode Shuffled(JsonNode node, Random random)
    {
        if (node is not JsonObject fields)
            return node.DeepClone();
        var pairs = fields.ToArray();
        random.Shuffle(pairs);
        return new JsonObject(pairs.Select(pair => KeyValuePair.Create(pair.Key, pair.Value is null ? null : Shuffled(pair.Value, random))));
    }
}
