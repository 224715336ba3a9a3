using XeroSimulator.Limits;

namespace XeroSimulator.Ledger;

/// <summary>/simulator/calls: how many calls, of what, how close together, and how many were refused for it.</summary>
internal static class CallEndpoints
{
    private const int LogLimit = 1000;

    public static void Map(RouteGroupBuilder simulator) => simulator.MapGet("/calls", Calls);

    private static CallsAnswer Calls(World world, bool log = false, int last = LogLimit)
    {
        var now = world.Clock.Now;
        var tenants = world.Organisations.ToDictionary(organisation => organisation.TenantId, organisation => organisation.Limits.Figures(now));
        var api = world.Calls.ByResource.Where(pair => !IsIdentity(pair.Key)).ToDictionary(pair => pair.Key, pair => pair.Value);
        var identity = world.Calls.ByResource.Where(pair => IsIdentity(pair.Key)).ToDictionary(pair => pair.Key, pair => pair.Value);
        return new(
            api.Values.Sum(),
            api,
            identity,
            tenants.Values.Max(figures => figures.MaxInFlight),
            tenants.Values.Max(figures => figures.MaxPerMinute),
            tenants.Values.Sum(figures => figures.InLastDay),
            tenants.Values.Sum(figures => figures.Refused),
            tenants,
            log ? [.. world.Calls.Records.TakeLast(last).Select(LoggedCall.Of)] : null);
    }

    private static bool IsIdentity(string resource) => resource.Contains(" /connect", StringComparison.Ordinal);
}

/// <param name="MaxInFlight">The highest of any organisation, as is <paramref name="MaxPerMinute"/>: the limits are per organisation.</param>
/// <param name="PerDay">Calls that counted in the last 24 hours, all organisations together.</param>
/// <param name="RateLimited">Calls refused because a limit was really reached; an ordered 429 is not one of them.</param>
internal sealed record CallsAnswer(
    int Total,
    IReadOnlyDictionary<string, int> ByResource,
    IReadOnlyDictionary<string, int> Identity,
    int MaxInFlight,
    int MaxPerMinute,
    int PerDay,
    int RateLimited,
    IReadOnlyDictionary<Guid, LimitFigures> Tenants,
    IReadOnlyList<LoggedCall>? Log);

internal sealed record LoggedCall(
    string Method, string Resource, string? Query, int? Status, string? IdempotencyKey, Guid? TenantId, string? Fault, DateTimeOffset StartedAt, DateTimeOffset? EndedAt)
{
    public static LoggedCall Of(CallRecord record) => new(
        record.Method, record.Resource, record.Query, record.Status, record.IdempotencyKey, record.TenantId, record.Fault, record.StartedAt, record.EndedAt);
}
