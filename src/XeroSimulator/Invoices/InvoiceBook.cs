using System.Globalization;
using XeroSimulator.Contacts;
using XeroSimulator.Organisations;

namespace XeroSimulator.Invoices;

/// <summary>The sales invoices of one organisation and the rules of writing them.</summary>
/// <remarks>Numbers are compared without regard to case, the stricter of the two readings, and stay taken when their invoice is voided or deleted.</remarks>
internal sealed class InvoiceBook(Organisation organisation)
{
    private const int MaxNumber = 255;
    private static readonly IReadOnlyList<string> AmountTypes = ["Exclusive", "Inclusive", "NoTax"];

    private readonly Dictionary<Guid, Invoice> _byId = [];
    private readonly Dictionary<string, Invoice> _byNumber = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, List<Invoice>> _byReference = [];
    private readonly List<Invoice> _inOrder = [];
    private int _approved;
    private int _lastNumber;

    public IReadOnlyList<Invoice> All => _inOrder;

    public Invoice? Find(Guid id) => _byId.GetValueOrDefault(id);

    public Invoice? Find(string number) => _byNumber.GetValueOrDefault(number);

    public IReadOnlyList<Invoice> WithReference(string reference) => _byReference.GetValueOrDefault(reference) ?? [];

    /// <summary>Writes one element of a batch, or says everything that is wrong with it.</summary>
    public InvoiceResult Save(InvoiceInput input, InvoiceWrite write)
    {
        List<string> errors = [];
        List<string> warnings = [];
        var target = write.MayUpdate ? Target(input, errors) : null;
        if (errors.Count > 0)
            return new(null, input, errors, warnings);
        var saved = target is null ? Create(input, write, errors, warnings) : Update(target, input, write, errors, warnings);
        return new(saved, input, errors, warnings);
    }

    /// <summary>Puts back an invoice read from the state file.</summary>
    public void Restore(Invoice invoice) => Add(invoice);

    private Invoice? Target(InvoiceInput input, List<string> errors)
    {
        if (input.InvoiceId is not { } id)
            return input.Number is { } number ? Find(number) : null;
        if (Find(id) is { } known)
            return known;
        errors.Add("Invoice could not be found.");
        return null;
    }

    private Invoice? Create(InvoiceInput input, InvoiceWrite write, List<string> errors, List<string> warnings)
    {
        if (input.Type != "ACCREC")
            errors.Add(input.Type is null ? "Invoice Type must be specified." : "Only invoices of type ACCREC are simulated.");
        var status = ReadStatus(input.Status, errors);
        if (status > InvoiceStatus.AUTHORISED)
            errors.Add("Invoice not of valid status for modification");
        if (input.Number is { } taken && _byNumber.ContainsKey(taken))
            errors.Add("Invoice # must be unique.");

        var approving = status == InvoiceStatus.AUTHORISED;
        var currency = input.CurrencyCode ?? organisation.Settings.BaseCurrency;
        var amountTypes = input.LineAmountTypes ?? "Exclusive";
        var date = input.Date ?? write.Today;
        CheckFields(input, amountTypes, errors);
        if (!organisation.Settings.Currencies.Contains(currency))
            errors.Add($"Organisation is not subscribed to currency {currency}");
        CheckRate(currency, input.CurrencyRate, errors);
        if (organisation.Locked(date) is { } locked)
            errors.Add(locked);
        var contact = organisation.Contacts.ForDocument(input.Contact ?? NoContact, write.Now, write.ListedFrom, errors);
        var lines = LineRules.Read(input.Lines ?? [], amountTypes, write.UnitDecimals, approving, organisation, errors, warnings);
        var (subTotal, tax, total) = LineRules.Totals(lines, amountTypes);
        if (approving)
            CheckApproval(lines, input.DueDate, total, errors);
        if (errors.Count > 0)
            return null;

        organisation.Contacts.Put(contact!);
        var invoice = new Invoice
        {
            InvoiceId = Guid.NewGuid(),
            Sequence = _inOrder.Count + 1,
            Number = input.Number ?? NextNumber(),
            Reference = input.Reference,
            ContactId = contact!.ContactId,
            Date = date,
            DueDate = input.DueDate,
            Status = status,
            LineAmountTypes = amountTypes,
            CurrencyCode = currency,
            CurrencyRate = Rate(currency, input.CurrencyRate),
            Url = input.Url,
            Lines = lines,
            SubTotal = subTotal,
            TotalTax = tax,
            Total = total,
            UpdatedAt = write.Now,
            ListedFrom = write.ListedFrom,
        };
        Add(invoice);
        invoice.SettleStatus();
        return invoice;
    }

    /// <summary>Overwrites what the client mentions, whoever made the invoice: that is Xero's POST.</summary>
    private Invoice? Update(Invoice invoice, InvoiceInput input, InvoiceWrite write, List<string> errors, List<string> warnings)
    {
        if (invoice.Payments.Count > 0)
            errors.Add("This document cannot be edited as it has a payment or credit note allocated to it.");
        else if (invoice.Status is InvoiceStatus.PAID or InvoiceStatus.VOIDED or InvoiceStatus.DELETED)
            errors.Add("Invoice not of valid status for modification");
        if (errors.Count > 0)
            return null;

        var status = input.Status is null ? invoice.Status : ReadStatus(input.Status, errors);
        if (!MayBecome(invoice.Status, status))
            errors.Add("Invoice not of valid status for modification");
        if (input.Type is not null and not "ACCREC")
            errors.Add("The type of an invoice cannot be changed.");
        if (input.Number is { } number && Find(number) is { } bearer && bearer != invoice)
            errors.Add("Invoice # must be unique.");

        var approving = status == InvoiceStatus.AUTHORISED;
        var currency = input.CurrencyCode ?? invoice.CurrencyCode;
        var amountTypes = input.LineAmountTypes ?? invoice.LineAmountTypes;
        var date = input.Date ?? invoice.Date;
        CheckFields(input, amountTypes, errors);
        if (currency != invoice.CurrencyCode)
        {
            // Xero says the same in two ways; which one where is not known, so both are to be met.
            if (!organisation.Settings.Currencies.Contains(currency))
                errors.Add($"The current organisation is not subscribed to currency '{currency}'.");
            CheckRate(currency, input.CurrencyRate, errors);
        }

        if ((organisation.Locked(invoice.Date) ?? organisation.Locked(date)) is { } locked)
            errors.Add(locked);
        var contact = input.Contact is null
            ? organisation.Contacts.Find(invoice.ContactId)
            : organisation.Contacts.ForDocument(input.Contact, write.Now, write.ListedFrom, errors);
        var lines = Lines(invoice, input, amountTypes, write.UnitDecimals, approving, errors, warnings);
        var (subTotal, tax, total) = LineRules.Totals(lines, amountTypes);
        if (approving && invoice.Status != InvoiceStatus.AUTHORISED)
            CheckApproval(lines, input.DueDate ?? invoice.DueDate, total, errors);
        if (errors.Count > 0)
            return null;

        organisation.Contacts.Put(contact!);
        Remove(invoice);
        invoice.Number = input.Number ?? invoice.Number;
        invoice.Reference = input.Reference ?? invoice.Reference;
        invoice.ContactId = contact!.ContactId;
        invoice.Date = date;
        invoice.DueDate = input.DueDate ?? invoice.DueDate;
        if (approving && invoice.Status != InvoiceStatus.AUTHORISED)
            _approved++;
        invoice.Status = status;
        invoice.LineAmountTypes = amountTypes;
        invoice.CurrencyRate = currency == invoice.CurrencyCode && input.CurrencyRate is null ? invoice.CurrencyRate : Rate(currency, input.CurrencyRate);
        invoice.CurrencyCode = currency;
        invoice.Url = input.Url ?? invoice.Url;
        invoice.Lines = lines;
        (invoice.SubTotal, invoice.TotalTax, invoice.Total) = (subTotal, tax, total);
        invoice.UpdatedAt = write.Now;
        Index(invoice);
        invoice.SettleStatus();
        return invoice;
    }

    private IReadOnlyList<InvoiceLine> Lines(
        Invoice invoice, InvoiceInput input, string amountTypes, int unitDecimals, bool approving, List<string> errors, List<string> warnings)
    {
        if (input.Lines is null && amountTypes == invoice.LineAmountTypes)
            return invoice.Lines;
        var lines = input.Lines ?? [.. invoice.Lines.Select(line =>
            new LineInput(line.Description, line.Quantity, line.UnitAmount, line.AccountCode, line.TaxType, null, null, line.DiscountRate))];
        return LineRules.Read(lines, amountTypes, unitDecimals, approving, organisation, errors, warnings);
    }

    private static InvoiceStatus ReadStatus(string? status, List<string> errors)
    {
        if (status is null)
            return InvoiceStatus.DRAFT;
        if (Enum.TryParse<InvoiceStatus>(status, out var known) && Enum.IsDefined(known) && known.ToString() == status)
            return known;
        errors.Add($"'{status}' is not a valid invoice status.");
        return InvoiceStatus.DRAFT;
    }

    /// <summary>Draft and submitted may be approved or deleted; approved may only be voided; PAID is never the client's to set.</summary>
    private static bool MayBecome(InvoiceStatus from, InvoiceStatus to) => from == to || (from, to) switch
    {
        (InvoiceStatus.DRAFT, InvoiceStatus.SUBMITTED or InvoiceStatus.AUTHORISED or InvoiceStatus.DELETED) => true,
        (InvoiceStatus.SUBMITTED, InvoiceStatus.DRAFT or InvoiceStatus.AUTHORISED or InvoiceStatus.DELETED) => true,
        (InvoiceStatus.AUTHORISED, InvoiceStatus.VOIDED) => true,
        _ => false,
    };

    private static void CheckFields(InvoiceInput input, string amountTypes, List<string> errors)
    {
        if (input.Number is { Length: > MaxNumber })
            errors.Add($"Invoice # cannot be longer than {MaxNumber} characters.");
        if (input.Reference is { Length: > 255 })
            errors.Add("Reference cannot be longer than 255 characters.");
        if (!AmountTypes.Contains(amountTypes))
            errors.Add($"'{amountTypes}' is not a valid value for LineAmountTypes.");
    }

    private void CheckRate(string currency, decimal? sent, List<string> errors)
    {
        if (sent is <= 0 || (sent is null && DayRates.Find(currency, organisation.Settings.BaseCurrency) is null))
            errors.Add("A currency rate must be specified");
    }

    private void CheckApproval(IReadOnlyList<InvoiceLine> lines, DateOnly? dueDate, decimal total, List<string> errors)
    {
        LineRules.CheckApproved(lines, errors);
        if (dueDate is null)
            errors.Add("Due date cannot be empty.");
        if (total < 0)
            errors.Add("The document total cannot be negative.");
        if (organisation.Settings.InvoiceLimit is { } limit && _approved >= limit)
            errors.Add("You have reached the limit of invoices you can approve");
    }

    /// <summary>The base currency's rate is 1 whatever is sent; without a rate the day's is taken.</summary>
    private decimal Rate(string currency, decimal? sent) =>
        currency == organisation.Settings.BaseCurrency ? 1m : sent ?? DayRates.Of(currency, organisation.Settings.BaseCurrency);

    private string NextNumber()
    {
        string number;
        do
        {
            number = string.Create(CultureInfo.InvariantCulture, $"INV-{++_lastNumber:0000}");
        }
        while (_byNumber.ContainsKey(number));
        return number;
    }

    private void Add(Invoice invoice)
    {
        _byId[invoice.InvoiceId] = invoice;
        _inOrder.Add(invoice);
        if (invoice.Status is InvoiceStatus.AUTHORISED or InvoiceStatus.PAID or InvoiceStatus.VOIDED)
            _approved++;
        Index(invoice);
    }

    private void Index(Invoice invoice)
    {
        _byNumber[invoice.Number] = invoice;
        if (invoice.Reference is not { } reference)
            return;
        if (!_byReference.TryGetValue(reference, out var bearers))
            _byReference[reference] = bearers = [];
        bearers.Add(invoice);
    }

    private void Remove(Invoice invoice)
    {
        _byNumber.Remove(invoice.Number);
        if (invoice.Reference is { } reference && _byReference.TryGetValue(reference, out var bearers))
            bearers.Remove(invoice);
    }

    private static readonly ContactInput NoContact = new(null, null, null, null, null, null, null);
}

/// <param name="MayUpdate">POST: an invoice of the same id or number is overwritten. PUT: a taken number is refused.</param>
internal sealed record InvoiceWrite(bool MayUpdate, int UnitDecimals, DateTimeOffset Now, DateTimeOffset ListedFrom)
{
    public DateOnly Today => DateOnly.FromDateTime(Now.UtcDateTime);
}

/// <param name="Invoice">As written; null when it was refused.</param>
internal sealed record InvoiceResult(Invoice? Invoice, InvoiceInput Input, IReadOnlyList<string> Errors, IReadOnlyList<string> Warnings);
