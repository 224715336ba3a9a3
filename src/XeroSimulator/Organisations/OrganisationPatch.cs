using System.Text.Json;
using XeroSimulator.Gate;

namespace XeroSimulator.Organisations;

/// <summary>Reads what an order mentions and leaves the rest; a lock date or limit sent as null is taken away.</summary>
internal static class OrganisationPatch
{
    public static OrganisationSettings Apply(OrganisationSettings settings, JsonElement body)
    {
        if (body.ValueKind != JsonValueKind.Object)
            throw BadRequestException.Body("An object was expected.");
        return settings with
        {
            Name = body.Text("name") ?? settings.Name,
            BaseCurrency = body.Text("baseCurrency") ?? settings.BaseCurrency,
            Currencies = body.Items("currencies")?.Select(Code).ToList() ?? settings.Currencies,
            DayLimit = Whole(body, "dayLimit") ?? settings.DayLimit,
            MinuteLimit = Whole(body, "minuteLimit") ?? settings.MinuteLimit,
            InvoiceLimit = body.TryGetProperty("invoiceLimit", out _) ? Whole(body, "invoiceLimit") : settings.InvoiceLimit,
            PeriodLockDate = body.TryGetProperty("periodLockDate", out _) ? body.Day("periodLockDate") : settings.PeriodLockDate,
            EndOfYearLockDate = body.TryGetProperty("endOfYearLockDate", out _) ? body.Day("endOfYearLockDate") : settings.EndOfYearLockDate,
            TimeZone = body.Text("timezone") ?? settings.TimeZone,
            Latency = Whole(body, "latencyMilliseconds") is { } latency ? TimeSpan.FromMilliseconds(latency) : settings.Latency,
            AnswerOrder = body.Text("answerOrder") is { } order ? Order(order) : settings.AnswerOrder,
        };
    }

    /// <summary>Accounts are found by code: known ones change (archiving is a change of status), unknown ones are opened.</summary>
    public static void ApplyAccounts(Organisation organisation, JsonElement body)
    {
        foreach (var item in body.Items("accounts") ?? [])
        {
            var code = item.Text("code") ?? throw BadRequestException.Body("An account needs its code.");
            var known = organisation.Account(code) ?? Account.Of(code, "Account " + code, item.Text("type") ?? "REVENUE", "NONE");
            var type = item.Text("type") ?? known.Type;
            organisation.Put(known with
            {
                Name = item.Text("name") ?? known.Name,
                Type = type,
                CurrencyCode = type == "BANK" ? item.Text("currencyCode") ?? known.CurrencyCode ?? organisation.Settings.BaseCurrency : null,
                TaxType = item.Text("taxType") ?? known.TaxType,
                EnablePayments = item.Flag("enablePaymentsToAccount") ?? known.EnablePayments,
                Archived = item.Text("status") is { } status ? status == "ARCHIVED" : known.Archived,
            });
        }
    }

    private static string Code(JsonElement element) =>
        element.ValueKind == JsonValueKind.String ? element.GetString()! : throw BadRequestException.Body("currencies must be a list of codes.");

    private static int? Whole(JsonElement body, string name)
    {
        if (body.Number(name) is not { } number)
            return null;
        return number == decimal.Truncate(number) && number is >= 0 and <= int.MaxValue
            ? (int)number
            : throw BadRequestException.Body($"{name} must be a whole number, not below zero.");
    }

    private static AnswerOrder Order(string text) =>
        Enum.TryParse<AnswerOrder>(text, ignoreCase: true, out var order) ? order : throw BadRequestException.Body("answerOrder is AsSent or Reversed.");
}
