using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PaymentSync.Tests.StripeWebhooks;

/// <summary>Signs as Stripe does. Written the plain way, by joining the bytes, so that it does not share a mistake with the code it tests.</summary>
public static class SignedStripeEvent
{
    /// <summary>The <c>Stripe-Signature</c> header for <paramref name="body"/>: <c>t=…,v1=…</c>.</summary>
    public static string Sign(ReadOnlySpan<byte> body, string secret, long unixSeconds)
    {
        var t = unixSeconds.ToString(CultureInfo.InvariantCulture);
        return $"t={t},v1={V1(body, secret, t)}";
    }

    /// <summary>The 64 lower-case hex digits of one signature, over whatever stands for the time.</summary>
    public static string V1(ReadOnlySpan<byte> body, string secret, string t)
    {
        byte[] signed = [.. Encoding.UTF8.GetBytes(t + "."), .. body];
        return Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), signed));
    }
}
