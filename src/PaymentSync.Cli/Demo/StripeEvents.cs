using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli.Demo;

/// <summary>Event bodies in Stripe's shape, without the fields that nobody reads here.</summary>
sealed class StripeEvents(string run, DateTimeOffset now)
{
    static readonly JsonSerializerOptions AsStripe = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    int _number;

    public string Session(Sale sale, string type = "checkout.session.completed", string paymentStatus = "paid", string? payment = null, long? minor = null) => Event(type, new JsonObject
    {
        ["id"] = payment is null ? sale.Session : $"cs_test_{payment}",
        ["object"] = "checkout.session",
        ["amount_subtotal"] = minor ?? sale.Minor,
        ["amount_total"] = minor ?? sale.Minor,
        ["currency"] = sale.Currency.ToLowerInvariant(),
        ["customer_details"] = new JsonObject { ["email"] = sale.Email, ["name"] = sale.Customer },
        ["livemode"] = false,
        // Stripe copies a payment link's metadata to the session; a link made in the dashboard has none and is known by its plink_ id.
        ["metadata"] = sale.StripeLink is null ? new JsonObject { ["payment_link_id"] = sale.Link.ToString() } : [],
        ["mode"] = "payment",
        ["payment_intent"] = type == "checkout.session.expired" ? null : payment ?? sale.Payment,
        ["payment_link"] = sale.StripeLink,
        ["payment_status"] = paymentStatus,
        ["status"] = type == "checkout.session.expired" ? "expired" : "complete",
    });

    /// <param name="namesLink">Stripe does not copy metadata to the payment intent; integrations that set it there as well do.</param>
    public string Intent(Sale sale, bool namesLink) => Event("payment_intent.succeeded", new JsonObject
    {
        ["id"] = sale.Payment,
        ["object"] = "payment_intent",
        ["amount"] = sale.Minor,
        ["amount_received"] = sale.Minor,
        ["currency"] = sale.Currency.ToLowerInvariant(),
        ["livemode"] = false,
        ["metadata"] = namesLink ? new JsonObject { ["payment_link_id"] = sale.Link.ToString() } : [],
        ["status"] = "succeeded",
    });

    public string Other(string type, string kind) => Event(type, new JsonObject { ["id"] = $"{kind}_demo{run}", ["object"] = kind, ["livemode"] = false });

    string Event(string type, JsonObject about) => new JsonObject
    {
        ["id"] = $"evt_demo{run}{++_number:D4}",
        ["object"] = "event",
        ["api_version"] = "2026-07-29.dahlia",
        ["created"] = now.ToUnixTimeSeconds(),
        ["data"] = new JsonObject { ["object"] = about },
        ["livemode"] = false,
        ["pending_webhooks"] = 1,
        ["request"] = new JsonObject { ["id"] = null, ["idempotency_key"] = null },
        ["type"] = type,
    }.ToJsonString(AsStripe);
}
