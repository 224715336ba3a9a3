using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>What an HTTP status means when it is neither yes nor a server's failure: nothing was done.</summary>
static class StatusFailures
{
    /// <summary>Nothing was done, and one document may be to blame: not for who we are, nor for how often we call, nor for how long it took.</summary>
    public static bool RefusesAsAWhole(int status) => status is >= 300 and < 500 and not (401 or 403 or 408 or 429);

    /// <param name="noToken">What the token endpoint said after a 401, when it gave no other token.</param>
    public static Failure Of(XeroReply.Answered answered, XeroTokens.Answer? noToken) => answered.Status switch
    {
        401 when noToken is XeroTokens.Answer.Unavailable unavailable =>
            new Failure(FailureKind.TRANSIENT, FailureCodes.NoToken, $"Our token ended and Xero gave no other yet ({unavailable.Reason}); nothing was done, it goes on by itself.")
            {
                CountsAsRetry = false,
                RetryAfter = unavailable.RetryAfter,
            },
        429 => new Failure(FailureKind.TRANSIENT, FailureCodes.Throttled, "Xero's call limit is reached; it goes on by itself.")
        {
            CountsAsRetry = false,
            RetryAfter = answered.Headers.RetryAfter ?? TimeSpan.FromSeconds(1),
        },
        401 => new Failure(FailureKind.NEEDS_ACTION, FailureCodes.Unauthorised, "Xero refuses our token twice. Connect the organisation to Xero again; it goes on by itself then."),
        403 => new Failure(FailureKind.NEEDS_ACTION, FailureCodes.Forbidden, "Xero says that this organisation is not connected. Connect it again; it goes on by itself then."),
        _ => new Failure(FailureKind.PERMANENT, FailureCodes.Refused, $"Xero answered {answered.Status}. See the journal for its whole answer; replay after a fix."),
    };
}
