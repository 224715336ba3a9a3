using System.Globalization;
using System.Text.Json;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>What of an organisation's settings is read, each by one call. Labels as in paymentsync.tenant_settings.</summary>
enum SettingsPart { Organisation, Currencies, Accounts, TaxRates, Contacts }

/// <param name="Content">As <see cref="SettingsAnswer"/> keeps it; null: never read.</param>
/// <param name="Age">Since Xero last said so; null: not to be believed.</param>
/// <param name="AskedAgo">Since it was last asked for, answered or not.</param>
/// <param name="ChangedAt">When a read first showed this content.</param>
sealed record KnownPart(JsonElement? Content, TimeSpan? Age, TimeSpan? AskedAgo, DateTime? ChangedAt);

/// <summary>A refusal that can be seen coming.</summary>
/// <param name="FirstOpenDay">Where the organisation lets locked documents move: the day to move to.</param>
sealed record Foreseen(Failure Failure, SettingsPart SeenIn, DateOnly? FirstOpenDay = null);

/// <summary>
/// A Xero organisation's settings as last read, and what they mean for a document. What is not known, or was read too long ago, says
/// nothing: Xero decides.
/// </summary>
/// <param name="firstOpenDay">Whether the organisation's lockDatePolicy lets locked documents move.</param>
/// <param name="today">In the organisation's time zone.</param>
sealed class TenantSettings(IReadOnlyDictionary<SettingsPart, KnownPart> parts, bool firstOpenDay, DateOnly today)
{
    public KnownPart? Part(SettingsPart part) => parts.GetValueOrDefault(part);

    public bool Knows(SettingsPart part, TimeSpan notOlderThan) => Part(part) is { Content: not null, Age: { } age } && age <= notOlderThan;

    /// <summary>The refusal that this frozen document would meet; null: none that can be seen.</summary>
    public Foreseen? Foresee(XeroSyncType type, JsonElement document, TimeSpan notOlderThan)
    {
        JsonElement? Content(SettingsPart part) => Knows(part, notOlderThan) ? Part(part)!.Content : null;
        var organisation = Content(SettingsPart.Organisation);
        if (organisation is { } locks && Locked(locks, DateOnly.ParseExact(XeroDocuments.Text(document, "date")!, "O", CultureInfo.InvariantCulture)) is { } locked)
            return locked;
        var currency = XeroDocuments.Text(document, "currency")!;
        var ownCurrency = organisation is { } known ? Text(known, "baseCurrency") : null;
        if (type == XeroSyncType.PAYMENT)
            return Content(SettingsPart.Accounts) is { } chart ? Clearing(chart, XeroDocuments.Text(document, "accountCode")!, currency, ownCurrency) : null;
        if (ownCurrency is not null && currency != ownCurrency && Content(SettingsPart.Currencies) is { } currencies && currencies.EnumerateArray().All(code => code.GetString() != currency))
            return Refused("xero.currency_not_subscribed", SettingsPart.Currencies, $"The organisation is not subscribed to currency {currency}.");
        return Content(SettingsPart.Accounts) is { } accounts
            ? document.GetProperty("lines").EnumerateArray().Select(line => Sales(accounts, Content(SettingsPart.TaxRates), line, XeroDocuments.Text(document, "lineAmountTypes")!)).FirstOrDefault(found => found is not null)
            : null;
    }

    /// <summary>Whether Xero listed an active contact of that name when it was last asked for it.</summary>
    public bool HasContact(string name, TimeSpan notOlderThan) =>
        Knows(SettingsPart.Contacts, notOlderThan) && Part(SettingsPart.Contacts)!.Content is { } contacts && Text(contacts, name) == "ACTIVE";

    Foreseen? Locked(JsonElement organisation, DateOnly date)
    {
        var (year, period) = (Day(organisation, "yearLockDate"), Day(organisation, "periodLockDate"));
        var (code, name, until) = date <= year ? ("xero.year_locked", "end of year lock date", year) : date <= period ? ("xero.period_locked", "period lock date", period) : default;
        if (code is null)
            return null;
        var open = (year > period || period is null ? year : period)!.Value.AddDays(1);
        // Never into the future: who locked beyond today means something else than "book it on the next day".
        return Refused(code, SettingsPart.Organisation, $"The document is of {date:yyyy-MM-dd}, and the {name} is {until:yyyy-MM-dd}.") with { FirstOpenDay = firstOpenDay && open <= today ? open : null };
    }

    static Foreseen? Clearing(JsonElement accounts, string code, string currency, string? ownCurrency)
    {
        if (!accounts.TryGetProperty(code, out var account) || Text(account, "status") != "ACTIVE")
            return Refused("xero.account_missing", SettingsPart.Accounts, $"There is no active account {code}.");
        if (Text(account, "type") != "BANK" && !account.GetProperty("payments").GetBoolean())
            return Refused("xero.account_invalid", SettingsPart.Accounts, $"Account {code} is no bank account, and payments to it are not enabled.");
        var held = Text(account, "currency") ?? ownCurrency;
        return ownCurrency is not null && held != currency && held != ownCurrency && currency != ownCurrency
            ? Refused("xero.account_currency", SettingsPart.Accounts, $"Account {code} holds {held}, the document is in {currency}, and neither is the organisation's {ownCurrency}.")
            : null;
    }

    static Foreseen? Sales(JsonElement accounts, JsonElement? taxRates, JsonElement line, string lineAmountTypes)
    {
        var code = XeroDocuments.Text(line, "accountCode")!;
        if (!accounts.TryGetProperty(code, out var account) || Text(account, "type") == "BANK")
            return Refused("xero.account_invalid", SettingsPart.Accounts, $"There is no account {code} that a sale can be booked to.");
        if (Text(account, "status") != "ACTIVE")
            return Refused("xero.account_archived", SettingsPart.Accounts, $"Account {code} is {Text(account, "status")}.");
        var taxType = XeroDocuments.Text(line, "taxType")!;
        return lineAmountTypes != "NoTax" && taxRates is { } rates && (!rates.TryGetProperty(taxType, out var classes) || classes.EnumerateArray().All(allowed => allowed.GetString() != Text(account, "class")))
            ? Refused("xero.tax_type_refused", SettingsPart.TaxRates, $"Tax type {taxType} cannot be used with account {code}.")
            : null;
    }

    static Foreseen Refused(string code, SettingsPart seenIn, string what) => new(Refusals.Foresee(code, what), seenIn);

    static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetString() : null;

    static DateOnly? Day(JsonElement json, string name) => Text(json, name) is { } day ? DateOnly.ParseExact(day, "O", CultureInfo.InvariantCulture) : null;
}
