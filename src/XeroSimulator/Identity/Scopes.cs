namespace XeroSimulator.Identity;

/// <summary>The granular scopes of apps made since March 2026, and the broad ones they replaced.</summary>
internal static class Scopes
{
    public const string OfflineAccess = "offline_access";

    private static readonly HashSet<string> Known =
    [
        "openid", "profile", "email", OfflineAccess,
        "accounting.invoices", "accounting.invoices.read", "accounting.payments", "accounting.payments.read",
        "accounting.banktransactions", "accounting.banktransactions.read", "accounting.transactions", "accounting.transactions.read",
        "accounting.contacts", "accounting.contacts.read", "accounting.settings", "accounting.settings.read",
    ];

    /// <summary>What a custom connection gets when it asks for nothing in particular.</summary>
    public const string CustomConnection =
        "accounting.invoices accounting.payments accounting.banktransactions accounting.contacts accounting.settings.read";

    public static bool AllKnown(string scope) => scope.Split(' ', StringSplitOptions.RemoveEmptyEntries).All(Known.Contains);

    /// <summary>The scopes of which a call needs one; reading is also allowed by the right to write.</summary>
    public static IReadOnlyList<string> Needed(string area, bool write)
    {
        string[] broad = area is "invoices" or "payments" ? ["accounting." + area, "accounting.transactions"] : ["accounting." + area];
        return write ? broad : [.. broad, .. broad.Select(scope => scope + ".read")];
    }
}
