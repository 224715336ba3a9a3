namespace PaymentSync.OperatorConsole;

/// <summary>Who may do what: a viewer looks, an operator acts on syncs, an admin changes settings, connections and keys. Each role includes the ones before it.</summary>
static class Roles
{
    public const string Viewer = "viewer";
    public const string Operator = "operator";
    public const string Admin = "admin";

    public static readonly IReadOnlyList<string> All = [Viewer, Operator, Admin];

    public static IEnumerable<string> AtLeast(string role) => All.SkipWhile(known => known != role);
}
