using System.Text;
using PaymentSync.StripeWebhooks;
using Shouldly;

namespace PaymentSync.Tests.StripeWebhooks;

/// <summary>Small event bodies in Stripe's shape: enough for the reader, with some fields it must pass over.</summary>
public static class StripeBodies
{
    public const string PaidSession = """
        {
          "id": "evt_session",
          "object": "event",
          "api_version": null,
          "created": 1785400001,
          "data": {
            "object": {
              "id": "cs_test_1",
              "object": "checkout.session",
              "amount_subtotal": 99,
              "amount_total": 12000,
              "currency": "gbp",
              "customer_details": { "name": "Zoë \u00e9\ud83d\ude00 O'Neil", "id": "not this", "amount_total": 1 },
              "line_items": [ { "id": "li_1", "currency": "usd" }, [ 1.5e3, null, true ] ],
              "metadata": { "payment_link_id": "8f14e45f-ceea-467f-a1d5-91c0a9b7b1aa", "\u00fcber": "x" },
              "mode": "payment",
              "payment_intent": "pi_1",
              "payment_link": "plink_1",
              "payment_status": "paid"
            },
            "previous_attributes": { "amount_total": 5 }
          },
          "livemode": false,
          "pending_webhooks": 1,
          "request": { "id": null, "idempotency_key": null },
          "type": "checkout.session.completed"
        }
        """;

    public const string SucceededIntent = """
        {
          "id": "evt_intent",
          "object": "event",
          "created": 1785400000,
          "data": {
            "object": {
              "id": "pi_1",
              "object": "payment_intent",
              "amount": 12000,
              "amount_received": 11500,
              "charges": { "object": "list", "data": [ { "id": "ch_1", "amount": 1, "currency": "usd", "payment_intent": "pi_other" } ] },
              "currency": "gbp",
              "metadata": {},
              "status": "succeeded"
            }
          },
          "livemode": true,
          "type": "payment_intent.succeeded"
        }
        """;

    /// <summary>Replaces one piece of a body; the piece must be there exactly once, or the test would prove something else.</summary>
    public static string With(this string body, string piece, string replacement)
    {
        body.Split(piece).Length.ShouldBe(2, $"'{piece}' should stand in the body once");
        return body.Replace(piece, replacement, StringComparison.Ordinal);
    }

    /// <summary>The paid session as another type of event.</summary>
    public static string Session(string type) => PaidSession.With("\"checkout.session.completed\"", $"\"{type}\"");

    public static StripeReading Read(string body) => StripeEventReader.Read(Encoding.UTF8.GetBytes(body));

    public static StripeConfirmation ReadConfirmation(string body) => Read(body).ShouldBeOfType<StripeConfirmation>();

    public static Unusable ReadUnusable(string body) => Read(body).ShouldBeOfType<Unusable>();
}
