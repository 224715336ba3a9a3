using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>The one table from Xero's validation texts to what they mean. A text that is not in it is PERMANENT: shown as it is, replayed after a fix.</summary>
static class Refusals
{
    /// <summary>"…" in a text stands for anything (a code, a currency, a date). A trailing full stop is ignored.</summary>
    static readonly (string Text, FailureKind Kind, string Code, string NextStep)[] Table =
    [
        ("Invoice # must be unique", FailureKind.UNCERTAIN, FailureCodes.NumberTaken, "The number exists already; it is looked up before anything else is done."),
        ("Payment amount exceeds the amount outstanding on this document", FailureKind.UNCERTAIN, FailureCodes.AlreadyPaid, "The invoice may carry this payment already; it is looked up before anything else is done."),
        ("Payments can only be made against Authorised documents", FailureKind.UNCERTAIN, FailureCodes.AlreadyPaid, "The invoice may be paid already; it is looked up before anything else is done."),
        ("Invoice not of valid status for modification", FailureKind.UNCERTAIN, FailureCodes.NumberTaken, "The number exists already; it is looked up before anything else is done."),
        ("This document cannot be edited as it has a payment or credit note allocated to it", FailureKind.UNCERTAIN, FailureCodes.NumberTaken, "The number exists already; it is looked up before anything else is done."),
        ("The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes", FailureKind.NEEDS_ACTION, "xero.contact_archived", "Restore the contact in Xero, then replay."),
        ("Account code '…' is not a valid code for this document", FailureKind.NEEDS_ACTION, "xero.account_invalid", "Correct the account in Xero, then replay."),
        ("Account code '…' has been archived, or has been deleted…", FailureKind.NEEDS_ACTION, "xero.account_archived", "Restore the account in Xero, then replay."),
        ("Account could not be found", FailureKind.NEEDS_ACTION, "xero.account_missing", "Create the clearing account in Xero under that code, then replay."),
        ("The TaxType code '…' cannot be used with account code '…'", FailureKind.NEEDS_ACTION, "xero.tax_type_refused", "Allow that tax type on the account in Xero, then replay."),
        ("Organisation is not subscribed to currency …", FailureKind.NEEDS_ACTION, "xero.currency_not_subscribed", "Add the currency to the organisation in Xero, then replay."),
        ("The current organisation is not subscribed to currency '…'", FailureKind.NEEDS_ACTION, "xero.currency_not_subscribed", "Add the currency to the organisation in Xero, then replay."),
        ("A currency rate must be specified", FailureKind.NEEDS_ACTION, "xero.currency_rate_missing", "Xero has no rate for that day and currency; see the organisation's currency settings, then replay."),
        ("The document date cannot be before the period lock date, currently set at …", FailureKind.NEEDS_ACTION, "xero.period_locked", "Move the period lock date in Xero, then replay."),
        ("The document date cannot be before the end of year lock date, currently set at …", FailureKind.NEEDS_ACTION, "xero.year_locked", "Move the end of year lock date in Xero, then replay."),
        ("You have reached the limit of invoices you can approve…", FailureKind.NEEDS_ACTION, "xero.plan_limit", "The organisation's Xero plan allows no more invoices this month; upgrade it, then replay."),
        ("Email address must be valid", FailureKind.NEEDS_ACTION, "xero.email_invalid", "Correct the contact's e-mail address in Xero, then replay."),
    ];

    /// <summary>What a refusal with these texts means. The first text that is in the table decides.</summary>
    public static Failure Read(IReadOnlyList<string> texts)
    {
        foreach (var text in texts)
        {
            var plain = text.Trim().TrimEnd('.');
            foreach (var entry in Table)
            {
                if (Matches(plain, entry.Text))
                    return new Failure(entry.Kind, entry.Code, $"Xero: {text.Trim()} {entry.NextStep}");
            }
        }
        return new Failure(FailureKind.PERMANENT, FailureCodes.Refused, texts.Count == 0
            ? "Xero refused the document without saying why. See the journal for its whole answer."
            : $"Xero: {string.Join(" ", texts.Select(text => text.Trim()))} Mend the cause, then replay.");
    }

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
