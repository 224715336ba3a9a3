using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>The one table from Xero's validation texts to what they mean. A text that is not in it is PERMANENT: shown as it is, replayed after a fix.</summary>
static class Refusals
{
    public const string PlanLimit = "xero.plan_limit";
    const string ByItself = "It goes on by itself then.";
    const string TriedDaily = "One such document is tried each day, and the others follow it; a replay tries at once.";
    static readonly SettingsPart[] Nowhere = [];
    static readonly SettingsPart[] Organisation = [SettingsPart.Organisation];
    static readonly SettingsPart[] Currencies = [SettingsPart.Organisation, SettingsPart.Currencies];
    static readonly SettingsPart[] Accounts = [SettingsPart.Accounts];
    static readonly SettingsPart[] AccountsAndBase = [SettingsPart.Organisation, SettingsPart.Accounts];
    static readonly SettingsPart[] TaxRates = [SettingsPart.Accounts, SettingsPart.TaxRates];
    static readonly SettingsPart[] Contacts = [SettingsPart.Contacts];

    /// <param name="Text">"…" stands for anything (a code, a currency, a date). A trailing full stop is ignored.</param>
    /// <param name="SeenIn">Where in Xero's settings it shows that the cause is mended.</param>
    internal sealed record Entry(string Text, FailureKind Kind, string Code, SettingsPart[] SeenIn, string NextStep);

    public static IReadOnlyList<Entry> Table { get; } =
    [
        Known("Invoice # must be unique", FailureCodes.NumberTaken, "The number exists already; it is looked up before anything else is done."),
        Known("Payment amount exceeds the amount outstanding on this document", FailureCodes.AlreadyPaid, "The invoice may carry this payment already; it is looked up before anything else is done."),
        Known("Payments can only be made against Authorised documents", FailureCodes.AlreadyPaid, "The invoice may be paid already; it is looked up before anything else is done."),
        Known("Invoice not of valid status for modification", FailureCodes.NumberTaken, "The number exists already; it is looked up before anything else is done."),
        Known("This document cannot be edited as it has a payment or credit note allocated to it", FailureCodes.NumberTaken, "The number exists already; it is looked up before anything else is done."),
        Waits("The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes", "xero.contact_archived", Contacts, "Restore the contact in Xero."),
        Waits("Account code '…' is not a valid code for this document", "xero.account_invalid", Accounts, "Open the account in Xero, or correct it."),
        Waits("Account code '…' has been archived, or has been deleted…", "xero.account_archived", Accounts, "Restore the account in Xero."),
        Waits("Account could not be found", "xero.account_missing", Accounts, "Open the clearing account in Xero under that code, or restore it."),
        Waits("The currency of the account …", "xero.account_currency", AccountsAndBase, "Open a clearing account in that currency and set it in booking.clearingAccounts for later payments, or change this one's currency in Xero."),
        Waits("The TaxType code '…' cannot be used with account code '…'", "xero.tax_type_refused", TaxRates, "Allow that tax type on the account in Xero."),
        Waits("Organisation is not subscribed to currency …", "xero.currency_not_subscribed", Currencies, "Add the currency to the organisation in Xero."),
        Waits("The current organisation is not subscribed to currency '…'", "xero.currency_not_subscribed", Currencies, "Add the currency to the organisation in Xero."),
        Waits("A currency rate must be specified", "xero.currency_rate_missing", Nowhere, "Xero has no rate for that day and currency; see the organisation's currency settings."),
        Waits("The document date cannot be before the period lock date, currently set at …", "xero.period_locked", Organisation, "Move the period lock date in Xero, or set lockDatePolicy to FirstOpenDay."),
        Waits("The document date cannot be before the end of year lock date, currently set at …", "xero.year_locked", Organisation, "Move the end of year lock date in Xero, or set lockDatePolicy to FirstOpenDay."),
        Waits("You have reached the limit of invoices you can approve…", PlanLimit, Nowhere, "The organisation's Xero plan allows no more invoices this month; upgrade it, or wait for the next month."),
        Waits("Email address must be valid", "xero.email_invalid", Nowhere, "Correct the contact's e-mail address in Xero."),
    ];

    /// <summary>Codes of rows that go on by themselves once their cause is mended.</summary>
    public static string[] WaitingCodes { get; } = [.. Table.Where(entry => entry.Kind == FailureKind.NEEDS_ACTION).Select(entry => entry.Code).Distinct(StringComparer.Ordinal)];

    /// <summary>Where in Xero's settings it shows that such a cause is mended; empty: nowhere.</summary>
    public static SettingsPart[] SeenIn(string code) => Table.FirstOrDefault(entry => entry.Code == code)?.SeenIn ?? Nowhere;

    /// <summary>The same refusal, before Xero was asked.</summary>
    public static Failure Foresee(string code, string what)
    {
        var entry = Table.First(known => known.Code == code);
        return new Failure(entry.Kind, entry.Code, $"{what} {entry.NextStep}");
    }

    /// <summary>What a refusal with these texts means. The first text that is in the table decides.</summary>
    public static Failure Read(IReadOnlyList<string> texts)
    {
        foreach (var text in texts)
        {
            var plain = text.Trim().TrimEnd('.');
            if (Table.FirstOrDefault(entry => Matches(plain, entry.Text)) is { } entry)
                return new Failure(entry.Kind, entry.Code, $"Xero: {text.Trim()} {entry.NextStep}");
        }
        return new Failure(FailureKind.PERMANENT, FailureCodes.Refused, texts.Count == 0
            ? "Xero refused the document without saying why. See the journal for its whole answer."
            : $"Xero: {string.Join(" ", texts.Select(text => text.Trim()))} Mend the cause, then replay.");
    }

    /// <summary>It is there already, or may be: looked up, not failed.</summary>
    static Entry Known(string text, string code, string nextStep) => new(text, FailureKind.UNCERTAIN, code, Nowhere, nextStep);

    static Entry Waits(string text, string code, SettingsPart[] seenIn, string nextStep) =>
        new(text, FailureKind.NEEDS_ACTION, code, seenIn, $"{nextStep} {(seenIn.Length > 0 ? ByItself : TriedDaily)}");

    /// <summary>Each part between the gaps must follow in order; the first at the start and, unless the text ends in a gap, the last at the end.</summary>
    static bool Matches(string text, string pattern)
    {
        var parts = pattern.Split('…');
        if (!text.StartsWith(parts[0], StringComparison.OrdinalIgnoreCase))
            return false;
        var at = parts[0].Length;
        foreach (var part in parts.AsSpan(1))
        {
            var found = part.Length == 0 ? text.Length : text.IndexOf(part, at, StringComparison.OrdinalIgnoreCase);
            if (found < 0)
                return false;
            at = found + part.Length;
        }
        return at == text.Length;
    }
}
