using XeroSimulator.Invoices;
using XeroSimulator.Organisations;

namespace XeroSimulator.Payments;

/// <summary>The payments of one organisation and the rules of taking them.</summary>
internal sealed class PaymentBook(Organisation organisation)
{
    private readonly Dictionary<Guid, Payment> _byId = [];
    private readonly Dictionary<string, List<Payment>> _byReference = [];
    private readonly List<Payment> _inOrder = [];

    public IReadOnlyList<Payment> All => _inOrder;

    public Payment? Find(Guid id) => _byId.GetValueOrDefault(id);

    public IReadOnlyList<Payment> WithReference(string reference) => _byReference.GetValueOrDefault(reference) ?? [];

    /// <summary>Takes a payment, or says everything that is wrong with it.</summary>
    public PaymentResult Save(PaymentInput input, DateTimeOffset now, DateTimeOffset listedFrom)
    {
        List<string> errors = [];
        var date = input.Date ?? DateOnly.FromDateTime(now.UtcDateTime);
        var invoice = FindInvoice(input);
        var account = input.AccountId is { } id ? organisation.Account(id) : organisation.Account(input.AccountCode);
        CheckInvoice(input, invoice, errors);
        CheckAccount(account, invoice, errors);
        if (input.Status is not null and not "AUTHORISED")
            errors.Add("Payment not of valid status for modification");
        if (input.CurrencyRate is <= 0)
            errors.Add("A currency rate must be specified");
        if (organisation.Locked(date) is { } locked)
            errors.Add(locked);
        if (errors.Count > 0)
            return new(null, input, errors);

        var amount = input.Amount!.Value;
        var baseCurrency = organisation.Settings.BaseCurrency;
        var rate = invoice!.CurrencyCode == baseCurrency ? 1m : input.CurrencyRate ?? DayRates.Of(invoice.CurrencyCode, baseCurrency);
        var payment = new Payment
        {
            PaymentId = Guid.NewGuid(),
            InvoiceId = invoice.InvoiceId,
            AccountCode = account!.Code,
            Date = date,
            Amount = amount,
            BankAmount = input.BankAmount ?? InAccount(amount, rate, invoice, account, input.CurrencyRate),
            CurrencyRate = rate,
            Reference = input.Reference,
            IsReconciled = input.IsReconciled,
            UpdatedAt = now,
            ListedFrom = listedFrom,
        };
        Add(payment);
        invoice.UpdatedAt = now;
        invoice.SettleStatus();
        return new(payment, input, errors);
    }

    /// <summary>Takes the payment back; its invoice is due again.</summary>
    public IReadOnlyList<string> Delete(Payment payment, DateTimeOffset now)
    {
        if (payment.Deleted)
            return ["Payment not of valid status for modification"];
        if (organisation.Locked(payment.Date) is { } locked)
            return [locked];
        payment.Deleted = true;
        payment.UpdatedAt = now;
        var invoice = organisation.Invoices.Find(payment.InvoiceId)!;
        invoice.Payments.Remove(payment);
        invoice.UpdatedAt = now;
        invoice.SettleStatus();
        return [];
    }

    /// <summary>Puts back a payment read from the state file; its invoice is there already.</summary>
    public void Restore(Payment payment) => Add(payment);

    private void Add(Payment payment)
    {
        _byId[payment.PaymentId] = payment;
        _inOrder.Add(payment);
        if (!payment.Deleted)
            organisation.Invoices.Find(payment.InvoiceId)!.Payments.Add(payment);
        if (payment.Reference is not { } reference)
            return;
        if (!_byReference.TryGetValue(reference, out var bearers))
            _byReference[reference] = bearers = [];
        bearers.Add(payment);
    }

    private Invoice? FindInvoice(PaymentInput input) =>
        input.InvoiceId is { } id ? organisation.Invoices.Find(id)
        : input.InvoiceNumber is { } number ? organisation.Invoices.Find(number)
        : null;

    private static void CheckInvoice(PaymentInput input, Invoice? invoice, List<string> errors)
    {
        if (invoice is null)
        {
            errors.Add("Invoice could not be found.");
            return;
        }

        if (invoice.Status != InvoiceStatus.AUTHORISED)
            errors.Add("Payments can only be made against Authorised documents");
        if (input.Amount is not > 0)
            errors.Add("Payment amount must be greater than zero.");
        else if (decimal.Round(input.Amount.Value, 2) != input.Amount)
            errors.Add("Payment amount cannot have more than two decimal places.");
        else if (invoice.Status == InvoiceStatus.AUTHORISED && input.Amount > invoice.AmountDue)
            errors.Add("Payment amount exceeds the amount outstanding on this document");
    }

    private void CheckAccount(Account? account, Invoice? invoice, List<string> errors)
    {
        if (account is null or { Archived: true })
        {
            errors.Add("Account could not be found.");
            return;
        }

        if (!account.TakesPayments)
        {
            errors.Add($"Account code '{account.Code}' is not a valid code for this document.");
            return;
        }

        // Xero converts between the base currency and one other, never between two others.
        var held = AccountCurrency(account);
        var baseCurrency = organisation.Settings.BaseCurrency;
        if (invoice is not null && invoice.CurrencyCode != held && invoice.CurrencyCode != baseCurrency && held != baseCurrency)
        {
            errors.Add($"The currency of the account ({held}) must be the currency of the document ({invoice.CurrencyCode}) "
                + "or the base currency of the organisation.");
        }
    }

    private string AccountCurrency(Account account) => account.CurrencyCode ?? organisation.Settings.BaseCurrency;

    private decimal InAccount(decimal amount, decimal invoiceRate, Invoice invoice, Account account, decimal? sentRate)
    {
        var held = AccountCurrency(account);
        if (held == invoice.CurrencyCode)
            return amount;
        return held == organisation.Settings.BaseCurrency
            ? decimal.Round(amount / invoiceRate, 2, MidpointRounding.AwayFromZero)
            : decimal.Round(amount * (sentRate ?? DayRates.Of(held, organisation.Settings.BaseCurrency)), 2, MidpointRounding.AwayFromZero);
    }
}

/// <param name="Payment">As taken; null when it was refused.</param>
internal sealed record PaymentResult(Payment? Payment, PaymentInput Input, IReadOnlyList<string> Errors);
