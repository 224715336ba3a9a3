using System.Text;
using PaymentSync.StripeWebhooks;
using Shouldly;
using Xunit;
using static PaymentSync.Tests.StripeWebhooks.StripeBodies;

namespace PaymentSync.Tests.StripeWebhooks;

public sealed class StripeEventReaderBadInputTests
{
    private const string NotJson = "The body is not JSON, or nested deeper than 32 levels.";
    private const string NotMinorUnits = "is not a whole number of minor units from 0 to 999999999999.";

    [Theory]
    [InlineData("", NotJson)]
    [InlineData("   ", NotJson)]
    [InlineData("\0", NotJson)]
    [InlineData("<html><body>502 Bad Gateway</body></html>", NotJson)]
    [InlineData("payload=%7B%7D", NotJson)]
    [InlineData("{", NotJson)]
    [InlineData("{}}", NotJson)]
    [InlineData("{} {}", NotJson)]
    [InlineData("{},", NotJson)]
    [InlineData("{\"id\":\"evt_1\",}", NotJson)]
    [InlineData("{/* comment */}", NotJson)]
    [InlineData("{'id':'evt_1'}", NotJson)]
    [InlineData("{\"id\":NaN}", NotJson)]
    [InlineData("{\"id\":\"line\nbreak\"}", NotJson)]
    [InlineData("{\"id\":\"\\x\"}", NotJson)]
    [InlineData("{\"data\":", NotJson)]
    [InlineData("{\"data\":{\"object\":", NotJson)]
    [InlineData("null", "The body is not a JSON object.")]
    [InlineData("[]", "The body is not a JSON object.")]
    [InlineData("[{\"object\":\"event\"}]", "The body is not a JSON object.")]
    [InlineData("5", "The body is not a JSON object.")]
    [InlineData("true", "The body is not a JSON object.")]
    [InlineData("\"event\"", "The body is not a JSON object.")]
    [InlineData("{}", "object is missing.")]
    [InlineData("{\"object\":null}", "object is missing.")]
    [InlineData("{\"object\":5}", "object is not a string.")]
    [InlineData("{\"object\":\"event\"}", "id is missing.")]
    public void A_body_that_is_no_event_is_unusable(string body, string reason) =>
        Read(body).ShouldBe(new Unusable(reason, EventId: null, EventType: null));

    [Fact]
    public void A_signed_object_that_is_no_event_is_unusable() =>
        Read("""{"object":"charge","id":"ch_1","type":"checkout.session.completed"}""")
            .ShouldBe(new Unusable("This is an object of Stripe's, but no event.", "ch_1", "checkout.session.completed"));

    [Fact]
    public void A_thin_event_says_what_to_change_at_the_endpoint()
    {
        var reading = ReadUnusable("""
            {"id":"evt_thin","object":"v2.core.event","type":"v1.charge.updated","created":"2026-07-29T12:00:00.000Z","livemode":false,
             "related_object":{"id":"ch_1","type":"charge","url":"/v1/charges/ch_1"}}
            """);
        reading.Reason.ShouldContain("thin event");
        reading.EventId.ShouldBe("evt_thin");
        reading.EventType.ShouldBe("v1.charge.updated");
    }

    public static TheoryData<byte[]> BytesThatAreNotUtf8 => new(
        (byte[])[0xFF, 0xFE, (byte)'{', 0],
        (byte[])[0xC0, 0x80],
        Encoding.Latin1.GetBytes("{\"object\":\"évènement\"}"),
        (byte[])[.. "{\"object\":\"event\",\"x\":\""u8, 0xED, 0xA0, 0x80, .. "\"}"u8],
        (byte[])[.. "{\"object\":\"event\",\"x\":\""u8, 0xF4, 0x90, 0x80, 0x80, .. "\"}"u8],
        (byte[])[.. "{}"u8, 0x80]);

    [Theory]
    [MemberData(nameof(BytesThatAreNotUtf8))]
    public void A_body_that_is_not_UTF_8_is_unusable_wherever_the_bad_byte_is(byte[] body) =>
        StripeEventReader.Read(body).ShouldBe(new Unusable("The body is not UTF-8.", EventId: null, EventType: null));

    [Fact]
    public void Two_byte_order_marks_are_one_too_many() =>
        StripeEventReader.Read([0xEF, 0xBB, 0xBF, 0xEF, 0xBB, 0xBF, .. "{}"u8]).ShouldBeOfType<Unusable>().Reason.ShouldBe(NotJson);

    [Fact]
    public void A_byte_order_mark_alone_is_unusable() =>
        StripeEventReader.Read([0xEF, 0xBB, 0xBF]).ShouldBeOfType<Unusable>().Reason.ShouldBe(NotJson);

    [Theory]
    [InlineData("[", "]")]
    [InlineData("{\"a\":", "}")]
    public void Nesting_has_a_limit_everywhere(string open, string close)
    {
        string Nested(int levels) => string.Concat(Enumerable.Repeat(open, levels)) + "0" + string.Concat(Enumerable.Repeat(close, levels));
        Read(PaidSession.With("\"api_version\": null", $"\"api_version\": {Nested(StripeEventReader.MaxDepth - 1)}")).ShouldBeOfType<StripeConfirmation>();
        Read(PaidSession.With("\"api_version\": null", $"\"api_version\": {Nested(StripeEventReader.MaxDepth)}")).ShouldBeOfType<Unusable>();
        Read(PaidSession.With("\"mode\": \"payment\"", $"\"mode\": {Nested(100_000)}")).ShouldBeOfType<Unusable>();
        Read(Nested(100_000)).ShouldBeOfType<Unusable>();
    }

    [Theory]
    [InlineData("null", "is missing.")]
    [InlineData("\"12000\"", NotMinorUnits)]
    [InlineData("\"\"", NotMinorUnits)]
    [InlineData("12000.0", NotMinorUnits)]
    [InlineData("120.5", NotMinorUnits)]
    [InlineData("1.2e4", NotMinorUnits)]
    [InlineData("12E3", NotMinorUnits)]
    [InlineData("-12000", NotMinorUnits)]
    [InlineData("-0", NotMinorUnits)]
    [InlineData("1000000000000", NotMinorUnits)]
    [InlineData("9223372036854775807", NotMinorUnits)]
    [InlineData("9223372036854775808", NotMinorUnits)]
    [InlineData("18446744073709563616", NotMinorUnits)]
    [InlineData("99999999999999999999999999999999999999999999", NotMinorUnits)]
    [InlineData("true", NotMinorUnits)]
    [InlineData("{}", NotMinorUnits)]
    [InlineData("[12000]", NotMinorUnits)]
    [InlineData("12000, \"amount_total\": 12000", "is there twice.")]
    [InlineData("12000, \"amount_total\": 12", "is there twice.")]
    [InlineData("null, \"amount_total\": 12000", "is there twice.")]
    [InlineData("12000, \"amount_total\": null", "is there twice.")]
    [InlineData("12000, \"\\u0061mount_total\": 99", "is there twice.")]
    [InlineData("12000, \"amount_total\": {}", "is there twice.")]
    public void An_amount_that_is_not_plain_minor_units_is_unusable(string amount, string complaint) =>
        Read(PaidSession.With("\"amount_total\": 12000", $"\"amount_total\": {amount}"))
            .ShouldBe(new Unusable($"amount_total {complaint}", "evt_session", "checkout.session.completed"));

    [Theory]
    [InlineData("\"amount_received\": 11500", "\"amount_received\": \"11500\"", "amount_received " + NotMinorUnits)]
    [InlineData("\"amount_received\": 11500", "\"amount_received\": -1", "amount_received " + NotMinorUnits)]
    [InlineData("\"amount_received\": 11500", "\"amount_received\": 1, \"amount_received\": null", "amount_received is there twice.")]
    [InlineData("\"amount\": 12000,\n      \"amount_received\": 11500", "\"x\": 0", "amount is missing.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": null", "currency is missing.")]
    public void An_intent_is_held_to_the_same(string piece, string replacement, string reason) =>
        Read(SucceededIntent.With(piece, replacement)).ShouldBe(new Unusable(reason, "evt_intent", "payment_intent.succeeded"));

    [Theory]
    [InlineData("checkout.session.async_payment_failed")]
    [InlineData("checkout.session.expired")]
    public void An_amount_may_be_missing_from_what_books_nothing_but_not_be_wrong(string type) =>
        ReadUnusable(Session(type).With("\"amount_total\": 12000", "\"amount_total\": -5")).Reason.ShouldBe("amount_total " + NotMinorUnits);

    [Fact]
    public void An_amount_with_three_decimals_is_unusable_because_books_have_two() =>
        ReadUnusable(PaidSession.With("12000", "12001").With("\"gbp\"", "\"kwd\"")).Reason.ShouldContain("three decimals");

    [Theory]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": \"\"", "currency is not three letters.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": \"usdc\"", "currency is not three letters.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": \"£££\"", "currency is not three letters.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": \"g p\"", "currency is not three letters.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": \"ıſk\"", "currency is not three letters.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": 826", "currency is not a string.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": [\"gbp\"]", "currency is not a string.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": \"\\ud800\"", "currency has half of a surrogate pair.")]
    [InlineData("\"currency\": \"gbp\"", "\"currency\": \"gbp\", \"currency\": \"jpy\"", "currency is there twice.")]
    [InlineData("\"currency\": \"gbp\",", "", "currency is missing.")]
    [InlineData("\"livemode\": false", "\"livemode\": \"false\"", "livemode is not true or false.")]
    [InlineData("\"livemode\": false", "\"livemode\": 0", "livemode is not true or false.")]
    [InlineData("\"livemode\": false", "\"livemode\": null", "livemode is missing.")]
    [InlineData("\"livemode\": false", "\"livemode\": false, \"livemode\": true", "livemode is there twice.")]
    [InlineData("\"created\": 1785400001", "\"created\": \"2026-07-29T12:00:00Z\"", "created is not a time in whole Unix seconds.")]
    [InlineData("\"created\": 1785400001", "\"created\": 1785400001000", "created is not a time in whole Unix seconds.")]
    [InlineData("\"created\": 1785400001", "\"created\": 1785400001.5", "created is not a time in whole Unix seconds.")]
    [InlineData("\"created\": 1785400001", "\"created\": -1", "created is not a time in whole Unix seconds.")]
    [InlineData("\"created\": 1785400001", "\"created\": 99999999999999999999", "created is not a time in whole Unix seconds.")]
    [InlineData("\"created\": 1785400001,", "", "created is missing.")]
    [InlineData("\"api_version\": null", "\"account\": 5", "account is not a string.")]
    [InlineData("\"api_version\": null", "\"account\": \"\"", "account is empty.")]
    [InlineData("\"api_version\": null", "\"account\": \"acct:1\"", "account has characters that no id has.")]
    [InlineData("\"api_version\": null", "\"account\": null, \"account\": \"acct_1\"", "account is there twice.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": 5", "payment_intent is not a string.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"\"", "payment_intent is empty.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": []", "payment_intent is not a string.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": {}", "payment_intent.id is missing.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": {\"id\":null}", "payment_intent.id is missing.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": {\"id\":\"pi_1\",\"id\":\"pi_2\"}", "payment_intent.id is there twice.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"pi_1\", \"payment_intent\": null", "payment_intent is there twice.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": {\"id\":\"pi_1\"}, \"payment_intent\": {}", "payment_intent is there twice.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"pi_\\u0000\"", "payment_intent has control characters.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"pi_\\u007f\"", "payment_intent has control characters.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"pi_\\u009f\"", "payment_intent has control characters.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"pi 1\"", "payment_intent has characters that no id has.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"pi_é\"", "payment_intent has characters that no id has.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"pi_1:paid\"", "payment_intent has characters that no id has.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"\\ud83d\"", "payment_intent has half of a surrogate pair.")]
    [InlineData("\"payment_intent\": \"pi_1\"", "\"payment_intent\": \"\\ude00\\ud83d\"", "payment_intent has half of a surrogate pair.")]
    [InlineData("\"payment_link\": \"plink_1\"", "\"payment_link\": true", "payment_link is not a string.")]
    [InlineData("\"payment_link\": \"plink_1\"", "\"payment_link\": {\"object\":\"payment_link\"}", "payment_link.id is missing.")]
    [InlineData("\"payment_status\": \"paid\"", "\"payment_status\": \"refunded\"", "payment_status is none that Stripe documents.")]
    [InlineData("\"payment_status\": \"paid\"", "\"payment_status\": null", "payment_status is missing.")]
    [InlineData("\"payment_status\": \"paid\"", "\"payment_status\": \"unpaid\", \"payment_status\": \"paid\"", "payment_status is there twice.")]
    [InlineData("\"mode\": \"payment\"", "\"mode\": null", "mode is missing.")]
    [InlineData("\"mode\": \"payment\"", "\"mode\": \"setup\", \"mode\": \"payment\"", "mode is there twice.")]
    [InlineData("\"object\": \"checkout.session\"", "\"object\": \"payment_intent\"", "data.object is no checkout.session.")]
    [InlineData("\"object\": \"checkout.session\",", "", "data.object.object is missing.")]
    [InlineData("\"previous_attributes\":", "\"object\":", "data.object is there twice.")]
    [InlineData("\"pending_webhooks\": 1", "\"data\": {}", "data is there twice.")]
    [InlineData("\"payment_link_id\": \"8f14e45f-ceea-467f-a1d5-91c0a9b7b1aa\"", "\"payment_link_id\": 7", "metadata.payment_link_id is not a string.")]
    [InlineData("\"\\u00fcber\"", "\"payment_link_id\"", "metadata.payment_link_id is there twice.")]
    [InlineData("\"8f14e45f-ceea-467f-a1d5-91c0a9b7b1aa\"", "\"a\\u0000b\"", "metadata.payment_link_id has control characters.")]
    [InlineData("\"8f14e45f-ceea-467f-a1d5-91c0a9b7b1aa\"", "\"\\udfff\"", "metadata.payment_link_id has half of a surrogate pair.")]
    [InlineData("\"line_items\":", "\"metadata\":", "metadata is there twice.")]
    public void A_field_that_is_read_must_be_sound(string piece, string replacement, string reason) =>
        Read(PaidSession.With(piece, replacement)).ShouldBe(new Unusable(reason, "evt_session", "checkout.session.completed"));

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("5")]
    [InlineData("\"x\"")]
    [InlineData("{}")]
    [InlineData("{\"object\":null}")]
    [InlineData("{\"object\":[{}]}")]
    [InlineData("{\"object\":\"cs_1\"}")]
    [InlineData("{\"object\":{}}")]
    public void An_interesting_event_without_its_object_is_unusable(string data) =>
        ReadUnusable($$"""{"object":"event","id":"evt_1","type":"payment_intent.succeeded","livemode":false,"created":1,"data":{{data}}}""")
            .Reason.ShouldStartWith("data");

    [Theory]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("5")]
    public void Metadata_that_is_no_object_is_unusable(string metadata) =>
        ReadUnusable(SucceededIntent.With("\"metadata\": {}", $"\"metadata\": {metadata}")).Reason.ShouldBe("metadata is not an object.");

    [Theory]
    [InlineData("null", "id is missing.")]
    [InlineData("7", "id is not a string.")]
    [InlineData("\"\"", "id is empty.")]
    [InlineData("\"evt\\n1\"", "id has control characters.")]
    [InlineData("\"\\udc00\"", "id has half of a surrogate pair.")]
    [InlineData("\"evt_a\", \"id\": \"evt_b\"", "id is there twice.")]
    public void An_event_without_a_sound_id_is_unusable_but_keeps_its_type(string id, string reason) =>
        Read(PaidSession.With("\"evt_session\"", id)).ShouldBe(new Unusable(reason, EventId: null, "checkout.session.completed"));

    [Theory]
    [InlineData("null", "type is missing.")]
    [InlineData("{}", "type is not a string.")]
    [InlineData("\"charge.updated\", \"type\": \"payment_intent.succeeded\"", "type is there twice.")]
    public void An_event_without_a_sound_type_is_unusable_but_keeps_its_id(string type, string reason) =>
        Read(PaidSession.With("\"checkout.session.completed\"", type)).ShouldBe(new Unusable(reason, "evt_session", EventType: null));

    [Fact]
    public void Ids_end_at_255_characters()
    {
        var longest = "pi_" + new string('x', 252);
        ReadConfirmation(PaidSession.With("\"pi_1\"", $"\"{longest}\"")).ProviderPaymentId.ShouldBe(longest);
        ReadUnusable(PaidSession.With("\"pi_1\"", $"\"{longest}x\"")).Reason.ShouldBe("payment_intent is longer than 255 characters.");
        ReadUnusable(PaidSession.With("\"evt_session\"", $"\"{longest}x\""))
            .ShouldBe(new Unusable("id is longer than 255 characters.", EventId: null, "checkout.session.completed"));
        ReadUnusable(SucceededIntent.With("\"metadata\": {}", $$"""
            "metadata": { "payment_link_id": "{{new string('y', 500)}}" }
            """)).Reason.ShouldBe("metadata.payment_link_id is longer than 255 characters.");
    }
}
