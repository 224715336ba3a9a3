using System.Text.Json.Serialization;
using XeroSimulator.Limits;

namespace XeroSimulator.Organisations;

/// <summary>The order of a batch's elements in its answer. Xero does not promise one, so no client may count on it.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<AnswerOrder>))]
internal enum AnswerOrder
{
    AsSent,
    Reversed,
}

/// <summary>What the people of an organisation can change about it while integrations run.</summary>
internal sealed record OrganisationSettings
{
    public required string Name { get; init; }

    public required string BaseCurrency { get; init; }

    public required IReadOnlyList<string> Currencies { get; init; }

    /// <summary>Nothing on or before this day can be entered or changed.</summary>
    public DateOnly? PeriodLockDate { get; init; }

    public DateOnly? EndOfYearLockDate { get; init; }

    /// <summary>In Xero's own words, which are no IANA names: <c>GMTSTANDARDTIME</c>, <c>NEWZEALANDSTANDARDTIME</c>.</summary>
    public string TimeZone { get; init; } = "GMTSTANDARDTIME";

    /// <summary>How many invoices the plan lets the organisation approve; null is no limit.</summary>
    public int? InvoiceLimit { get; init; }

    public int DayLimit { get; init; } = 5000;

    /// <summary>Sixty at Xero; a benchmark may ask for more, to see what else there is to wait for.</summary>
    public int MinuteLimit { get; init; } = TenantLimits.PerMinute;

    /// <summary>How long a call takes before it is done: real time, so that calls overlap.</summary>
    public TimeSpan Latency { get; init; }

    public AnswerOrder AnswerOrder { get; init; }
}
