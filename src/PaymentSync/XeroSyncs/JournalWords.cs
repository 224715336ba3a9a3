namespace PaymentSync.XeroSyncs;

/// <summary>What the journal's outcomes mean, in a sentence for the person who reads it.</summary>
static class JournalWords
{
    public static (string Result, string Means) OfAttempt(string outcome) => outcome switch
    {
        "SUCCESS" => ("succeeded", "The document is in Xero, and its id is on the sync."),
        "TRANSIENT" => ("failed", "Nothing came of it; it is tried again by itself."),
        "NEEDS_ACTION" => ("failed", "It waits for a person, or for what was missing."),
        "PERMANENT" => ("failed", "Xero refuses the document as it is; replay after a fix."),
        "UNCERTAIN" => ("unknown", "It may be in Xero. Xero is asked before anything is sent again."),
        "NOT_FOUND" => ("unknown", "Xero did not show it, but one look proves nothing yet."),
        "LOST" => ("unknown", "The worker was gone. If a request was open, Xero is asked before anything is sent again."),
        "ABSENT" => ("postponed", "Xero was asked twice and does not have it: nothing came of what was sent."),
        "WAITS" => ("postponed", "It waits for its invoice."),
        _ => ("failed", outcome),
    };

    public static string OfRequest(string? outcome) => outcome switch
    {
        null => "No answer is known. Its documents may be in Xero; each is looked up.",
        "ANSWERED" => "Xero answered for each document; the attempts say what.",
        "REFUSED" => "Xero refused it as a whole; nothing came of it.",
        "NOT_SENT" => "It never left; nothing came of it.",
        "UNKNOWN" => "It may have happened. Its documents are looked up before anything is sent again.",
        _ => outcome,
    };
}
