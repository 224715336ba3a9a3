namespace PaymentSync.EndToEnd.Killing;

/// <summary>On which side of its effect a message meets the death of its sender.</summary>
enum Moment
{
    /// <summary>It never arrived.</summary>
    Before,
    /// <summary>Half of it arrived. For calls that carry a body.</summary>
    Torn,
    /// <summary>It had its effect, and nobody saw the answer.</summary>
    After,
}

enum PointKind
{
    /// <summary>A call to Xero.</summary>
    Call,
    /// <summary>A statement that changes rows.</summary>
    Change,
    /// <summary>A statement that changes nothing: dying on either side of it is one and the same.</summary>
    Read,
    /// <summary>What the driver does for itself on a new or returned connection.</summary>
    Driver,
}

/// <summary>
/// A place at which a process can die. What a process holds in memory dies with it, so that two deaths differ only in which of its
/// statements and calls had their effect: one point on either side of each message is every point there is.
/// </summary>
/// <param name="What">The statement's first words with a mark of its whole text, or the call's method and path.</param>
/// <param name="Kind">What is worth more when time is short comes first.</param>
sealed record KillPoint(string What, Moment Moment, PointKind Kind)
{
    public override string ToString() => $"{Moment.ToString().ToLowerInvariant()} {What}";
}
