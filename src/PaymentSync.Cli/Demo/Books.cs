using System.Text.Json.Nodes;

namespace PaymentSync.Cli.Demo;

/// <summary>One clearing account: what PaymentSync says it brought there, and what Xero's ledger has.</summary>
sealed record ClearingAccount(string Code, string Currency, int Payments, decimal Ours, decimal Xeros)
{
    public bool Agrees => Ours == Xeros;
}

/// <summary>PaymentSync's rows beside the ledger that an accountant would see, over everything ever booked, not only this run.</summary>
sealed record Books(IReadOnlyList<ClearingAccount> Accounts, IReadOnlyList<string> Problems, int Invoices, int Payments)
{
    /// <param name="rows">All syncs of the organisation that are SUCCESS.</param>
    /// <param name="ledger">The simulator's organisation.</param>
    /// <param name="sales">Those of this run that must be booked.</param>
    public static Books Compare(IReadOnlyList<JsonNode> rows, JsonNode ledger, IReadOnlyDictionary<string, string> clearingAccounts, IReadOnlyList<Sale> sales)
    {
        var ours = rows.Where(row => row.Text("syncType") == "PAYMENT").ToList();
        var paid = ledger.Items("payments").Where(Live).ToList();
        var invoiced = ledger.Items("invoices").Where(Live).ToDictionary(invoice => invoice.Text("invoiceId")!, StringComparer.Ordinal);

        var accounts = clearingAccounts.Select(account => new ClearingAccount(account.Value, account.Key, ours.Count(row => row.Text("currency") == account.Key),
            ours.Where(row => row.Text("currency") == account.Key).Sum(row => row.Money("amount")),
            ledger["balances"].Money(account.Value))).ToList();
        var problems = accounts.Where(account => !account.Agrees)
            .Select(account => $"Clearing account {account.Code} has {account.Xeros:0.00} {account.Currency} in Xero, PaymentSync's payments are {account.Ours:0.00}.").ToList();

        var byReference = paid.ToLookup(payment => payment.Text("reference"), StringComparer.Ordinal);
        foreach (var sale in sales)
        {
            switch (byReference[sale.Payment].ToList())
            {
                case []:
                    problems.Add($"Payment {sale.Payment} of {sale.AmountText} {sale.Currency} is not in Xero.");
                    break;
                case [var payment]:
                    var invoice = invoiced.GetValueOrDefault(payment.Text("invoiceId") ?? "");
                    if (payment.Money("amount") != sale.Amount || invoice.Money("total") != sale.Amount || invoice.Money("amountDue") != 0 || invoice.Text("currencyCode") != sale.Currency)
                        problems.Add($"Payment {sale.Payment} is {sale.AmountText} {sale.Currency}; Xero has {payment.Text("amount")} on an invoice of {invoice.Text("total")} {invoice.Text("currencyCode")} with {invoice.Text("amountDue")} due.");
                    break;
                case var twins:
                    problems.Add($"Payment {sale.Payment} is in Xero {twins.Count} times.");
                    break;
            }
        }
        return new Books(accounts, problems, invoiced.Count, paid.Count);
    }

    static bool Live(JsonNode document) => document.Text("status") is not ("VOIDED" or "DELETED");
}
