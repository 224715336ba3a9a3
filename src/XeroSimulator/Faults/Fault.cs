namespace XeroSimulator.Faults;

/// <summary>An order to fail: the next <paramref name="Next"/> calls that match go wrong in the named way.</summary>
/// <param name="Resource">Such as <c>PUT /Invoices</c> or <c>GET /Invoices/{id}</c>; null matches any.</param>
/// <param name="Seconds">How long late-lists hides, slow-drip drips and 429s ask to wait; null takes the default of each.</param>
/// <param name="CommitAfterSeconds">Of commit-then-reset and commit-then-hang: Xero does the request only this much later; null does it at once.</param>
internal sealed record Fault(string Kind, int Next, string? Resource, Guid? TenantId, double? Seconds, double? CommitAfterSeconds)
{
    public TimeSpan? CommitAfter => CommitAfterSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
}

internal static class FaultKinds
{
    public const string CommitThenReset = "commit-then-reset";
    public const string CommitThenHang = "commit-then-hang";
    public const string CommitThen500 = "commit-then-500";
    public const string ResetBefore = "reset-before";
    public const string Truncated200 = "truncated-200";
    public const string Status503 = "status-503";
    public const string Html502 = "html-502";
    public const string SlowDrip = "slow-drip";
    public const string ExpireToken = "expire-token";
    public const string MinuteLimit = "429-minute";
    public const string DayLimit = "429-day";
    public const string ConcurrentLimit = "429-concurrent";
    public const string RotateThenDrop = "rotate-then-drop";
    public const string LateLists = "late-lists";

    public static readonly IReadOnlyList<string> All =
    [
        CommitThenReset, CommitThenHang, CommitThen500, ResetBefore, Truncated200, Status503, Html502, SlowDrip, ExpireToken,
        MinuteLimit, DayLimit, ConcurrentLimit, RotateThenDrop, LateLists,
    ];

    /// <summary>Some faults only mean something on some calls; elsewhere they wait for one.</summary>
    public static bool Fits(string kind, string resource) => kind switch
    {
        RotateThenDrop => resource == "POST /connect/token",
        ExpireToken or MinuteLimit or DayLimit or ConcurrentLimit => !IsIdentity(resource),
        LateLists => !IsIdentity(resource) && !resource.StartsWith("GET ", StringComparison.Ordinal),
        _ => true,
    };

    /// <summary>Faults of the answer's way back; the others decide what is answered, and it arrives whole.</summary>
    public static bool BreakDelivery(string? kind) =>
        kind is CommitThenReset or CommitThenHang or ResetBefore or Truncated200 or SlowDrip or RotateThenDrop;

    /// <summary>The caller learns nothing in either case, so Xero may as well be slow about it.</summary>
    public static bool CanCommitLate(string kind) => kind is CommitThenReset or CommitThenHang;

    private static bool IsIdentity(string resource) => resource.Contains(" /connect", StringComparison.Ordinal);
}
