using System.Globalization;
using Microsoft.Net.Http.Headers;
using XeroSimulator.Identity;

namespace XeroSimulator.Gate;

/// <summary>Who is calling: a live access token, or the 401 that says why not.</summary>
internal static class TokenCheck
{
    public static (AccessToken? Token, Answer? Refusal) Of(HttpRequest request, World world)
    {
        var header = request.Headers[HeaderNames.Authorization].ToString();
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) || world.Identity.Access(header[7..].Trim()) is not { } token)
            return (null, Answer.Problem(401, "Unauthorized", "AuthenticationUnsuccessful"));
        return token.ExpiresAt > world.Clock.Now ? (token, null) : (null, Expired(token.ExpiresAt));
    }

    public static Answer Expired(DateTimeOffset at) => Answer.Problem(401, "Unauthorized",
        string.Create(CultureInfo.InvariantCulture, $"TokenExpired: token expired at {at.UtcDateTime:MM/dd/yyyy HH:mm:ss}"));
}
