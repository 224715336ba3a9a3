using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PaymentSync.StripeWebhooks;

/// <summary>What a look at the <c>Stripe-Signature</c> header found. Zero is a refusal, so that a forgotten assignment never lets an event in.</summary>
public enum StripeSignatureResult
{
    /// <summary>There is no header, or it is blank.</summary>
    MissingHeader,

    /// <summary>The header has not exactly one <c>t</c> of digits and at least one <c>v1</c> of 64 hex digits.</summary>
    Malformed,

    /// <summary>No <c>v1</c> was made with any of our secrets over these bytes.</summary>
    NoMatch,

    /// <summary>Signed by Stripe, but longer ago than the tolerance: a replayed request, or our clock is ahead.</summary>
    TooOld,

    /// <summary>Signed by Stripe for a later time than the tolerance allows: our clock is behind.</summary>
    InFuture,

    /// <summary>Stripe sent these bytes, just now.</summary>
    Valid,
}

/// <summary>
/// Decides whether Stripe sent a webhook body. Made once from the configured secrets, used by many requests at the same time.
/// </summary>
/// <remarks>
/// The header is <c>t=&lt;unix seconds&gt;,v1=&lt;hex&gt;[,v1=&lt;hex&gt;…][,v0=&lt;hex&gt;]</c>; <c>v1</c> is HMAC-SHA256 over <c>t + "." + body</c>,
/// keyed with the UTF-8 bytes of the whole <c>whsec_…</c> string. Every other scheme is ignored (a fall-back to a weaker one is a downgrade attack).
/// See https://docs.stripe.com/webhooks#verify-manually.
/// </remarks>
public sealed class StripeSignature
{
    /// <summary>How far <c>t</c> may lie from now, both ways. Each delivery attempt is signed anew, so Stripe's retries are never too old.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(300);

    /// <summary>More <c>v1</c> entries than this are not looked at. Stripe sends one, and two while a secret is being rolled.</summary>
    public const int MaxCandidates = 16;

    /// <summary>A longer header is malformed, in characters; <see cref="MaxCandidates"/> entries need about 1,100.</summary>
    public const int MaxHeaderLength = 4096;

    private const int MaxTimestampDigits = 18; // the longest run of digits that always fits a long

    private readonly byte[][] keys;

    /// <param name="secrets">The endpoint's <c>whsec_…</c> secrets; several while one is being rolled, or with several endpoints.</param>
    /// <exception cref="ArgumentException">
    /// There is no secret, or one is blank or has white space around it: with an empty key anybody can sign, with a stray line break nothing matches.
    /// </exception>
    public StripeSignature(IReadOnlyList<string> secrets)
    {
        if (secrets.Count == 0)
            throw new ArgumentException("At least one Stripe webhook secret is needed.", nameof(secrets));
        if (secrets.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("A Stripe webhook secret is empty: anybody could sign events with it.", nameof(secrets));
        if (secrets.Any(secret => secret.Trim().Length != secret.Length))
            throw new ArgumentException("A Stripe webhook secret has white space around it: no event would match.", nameof(secrets));
        keys = [.. secrets.Select(Encoding.UTF8.GetBytes)];
    }

    /// <summary>Checks <paramref name="header"/> against the bytes as they came in, before anything decodes them. Never throws.</summary>
    /// <param name="header">The value of <c>Stripe-Signature</c>; null when it was not sent.</param>
    /// <param name="body">The raw request body.</param>
    /// <param name="now">The node's time; its age rules are judged in whole seconds, as <c>t</c> is.</param>
    public StripeSignatureResult Verify(string? header, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        if (string.IsNullOrWhiteSpace(header))
            return StripeSignatureResult.MissingHeader;

        Span<byte> candidates = stackalloc byte[MaxCandidates * HMACSHA256.HashSizeInBytes];
        if (!TryParse(header, out var timestamp, ref candidates))
            return StripeSignatureResult.Malformed;
        if (!Matches(timestamp, body, candidates))
            return StripeSignatureResult.NoMatch;

        // Age comes last: "too old" is then said of Stripe's own requests only, and points the operator at the clock.
        var age = now.ToUnixTimeSeconds() - long.Parse(timestamp, CultureInfo.InvariantCulture);
        return age > Tolerance.TotalSeconds ? StripeSignatureResult.TooOld
            : age < -Tolerance.TotalSeconds ? StripeSignatureResult.InFuture
            : StripeSignatureResult.Valid;
    }

    private static bool TryParse(ReadOnlySpan<char> header, out ReadOnlySpan<char> timestamp, ref Span<byte> candidates)
    {
        timestamp = default;
        if (header.Length > MaxHeaderLength)
            return false;

        var found = 0;
        foreach (var range in header.Split(','))
        {
            var entry = header[range].Trim();
            if (entry.StartsWith("t=", StringComparison.Ordinal))
            {
                // A second t would leave open which of them was signed.
                if (!timestamp.IsEmpty || !IsTimestamp(entry[2..]))
                    return false;
                timestamp = entry[2..];
            }
            else if (entry.StartsWith("v1=", StringComparison.Ordinal) && found < MaxCandidates && TryHex(entry[3..], Candidate(candidates, found)))
            {
                found++;
            }
        }

        candidates = candidates[..(found * HMACSHA256.HashSizeInBytes)];
        return !timestamp.IsEmpty && found > 0;
    }

    private bool Matches(ReadOnlySpan<char> timestamp, ReadOnlySpan<byte> body, ReadOnlySpan<byte> candidates)
    {
        Span<byte> prefix = stackalloc byte[MaxTimestampDigits + 1];
        var length = Encoding.ASCII.GetBytes(timestamp, prefix);
        prefix[length++] = (byte)'.';

        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        var matches = false;
        foreach (var key in keys)
        {
            using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
            hmac.AppendData(prefix[..length]);
            hmac.AppendData(body);
            hmac.GetHashAndReset(expected);

            // No early exit: how long it takes tells nothing about which secret or candidate was close.
            for (var i = 0; i < candidates.Length; i += expected.Length)
                matches |= CryptographicOperations.FixedTimeEquals(expected, candidates.Slice(i, expected.Length));
        }

        return matches;
    }

    private static bool IsTimestamp(ReadOnlySpan<char> text) =>
        text.Length is > 0 and <= MaxTimestampDigits && !text.ContainsAnyExceptInRange('0', '9');

    private static bool TryHex(ReadOnlySpan<char> text, Span<byte> bytes) =>
        text.Length == bytes.Length * 2 && Convert.FromHexString(text, bytes, out _, out _) == OperationStatus.Done;

    private static Span<byte> Candidate(Span<byte> candidates, int index) =>
        candidates.Slice(index * HMACSHA256.HashSizeInBytes, HMACSHA256.HashSizeInBytes);
}

/// <summary>The stable names of <see cref="StripeSignatureResult"/> for problem details and logs.</summary>
public static class StripeSignatureCodes
{
    /// <summary>The code, for instance <c>signature.too_old</c>. Clients and alerts rely on it; it never changes.</summary>
    public static string Code(this StripeSignatureResult result) => result switch
    {
        StripeSignatureResult.MissingHeader => "signature.missing",
        StripeSignatureResult.Malformed => "signature.malformed",
        StripeSignatureResult.NoMatch => "signature.no_match",
        StripeSignatureResult.TooOld => "signature.too_old",
        StripeSignatureResult.InFuture => "signature.in_future",
        StripeSignatureResult.Valid => "signature.valid",
        _ => throw new ArgumentOutOfRangeException(nameof(result), result, "Not a signature result."),
    };
}
