namespace PaymentSync.XeroSyncs;

/// <summary>When to try again. Pure arithmetic: chance comes in as a number in [0, 1).</summary>
static class BackOff
{
    public const int MaxRetries = 12;
    static readonly TimeSpan TransientBase = TimeSpan.FromMinutes(2);
    static readonly TimeSpan TransientCap = TimeSpan.FromHours(24);
    static readonly TimeSpan LookBase = TimeSpan.FromSeconds(5);
    static readonly TimeSpan LookCap = TimeSpan.FromMinutes(15);

    /// <summary>Full jitter below 2 min · 2^retries, at most 24 h: the twelve retries span about two days. Null: they are used up.</summary>
    public static TimeSpan? Transient(int retries, double chance) => retries >= MaxRetries ? null : Doubled(TransientBase, TransientCap, retries) * chance;

    /// <summary>A row whose outcome is unknown is looked at for ever, at the latest every 15 minutes. Between half and the whole of 5 s · 2^tries.</summary>
    public static TimeSpan Look(int tries, double chance) => Doubled(LookBase, LookCap, tries) * (0.5 + (chance / 2));

    static TimeSpan Doubled(TimeSpan first, TimeSpan cap, int times) => times >= 30 || first * (1L << times) > cap ? cap : first * (1L << times);
}
