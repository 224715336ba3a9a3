using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace PaymentSync.Cli.Demo;

/// <summary>Stripe's side of the webhook: signs, sends, and keeps what was answered and how fast.</summary>
sealed partial class Webhook(Api api, string secret)
{
    // Enough for disorder. More would measure how this machine's cores are shared by all who play a part here, not the webhook.
    const int AtOnce = 2;

    readonly ConcurrentBag<Answer> _answers = [];

    public IReadOnlyCollection<Answer> Answers => _answers;

    public Task SendAllAsync(IEnumerable<Delivery> deliveries, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(deliveries, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (delivery, stopping) =>
            await Task.WhenAll(Enumerable.Range(0, delivery.Copies).Select(_ => SendAsync(delivery, stopping))));

    async Task SendAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var (body, header) = Sign(delivery, DateTimeOffset.UtcNow);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/webhooks/stripe", UriKind.Relative)) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json") { CharSet = "utf-8" };
        if (header is not null)
            request.Headers.Add("Stripe-Signature", header);
        var started = Stopwatch.GetTimestamp();
        using var answer = await api.SendAsync(request, cancellationToken);
        var took = Stopwatch.GetElapsedTime(started);
        _answers.Add(new Answer(delivery, (int)answer.StatusCode, Outcome(await answer.Content.ReadAsStringAsync(cancellationToken)), took));
    }

    (byte[] Body, string? Header) Sign(Delivery delivery, DateTimeOffset now)
    {
        var body = Encoding.UTF8.GetBytes(delivery.Body);
        return delivery.Signing switch
        {
            Signing.Genuine => (body, Header(body, secret, now)),
            Signing.WrongSecret => (body, Header(body, "whsec_guessed", now)),
            Signing.Altered => (Encoding.UTF8.GetBytes(Amount().Replace(delivery.Body, "${0}9")), Header(body, secret, now)),
            Signing.Stale => (body, Header(body, secret, now.AddMinutes(-10))),
            Signing.Missing => (body, null),
            _ => throw new UnreachableException(),
        };
    }

    /// <remarks>https://docs.stripe.com/webhooks#verify-manually</remarks>
    static string Header(byte[] body, string secret, DateTimeOffset signedAt)
    {
        var at = signedAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{at}."), .. body];
        return $"t={at},v1={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), signed))}";
    }

    [GeneratedRegex("\"amount[a-z_]*\": ", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Amount();

    static string Outcome(string answer)
    {
        try
        {
            var said = JsonNode.Parse(answer);
            return said.Text("outcome") ?? said.Text("code") ?? "";
        }
        catch (JsonException)
        {
            return "";
        }
    }
}
