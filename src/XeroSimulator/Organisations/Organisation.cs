using XeroSimulator.Contacts;
using XeroSimulator.Invoices;
using XeroSimulator.Limits;
using XeroSimulator.Payments;

namespace XeroSimulator.Organisations;

/// <summary>One Xero organisation: its settings and its books, all under one lock.</summary>
internal sealed class Organisation
{
    private readonly Dictionary<string, Account> _accounts = [];

    public Organisation(Guid tenantId, OrganisationSettings settings, IEnumerable<Account> accounts)
    {
        TenantId = tenantId;
        Settings = settings;
        Limits = new TenantLimits(settings.DayLimit, settings.MinuteLimit);
        foreach (var account in accounts)
            _accounts[account.Code] = account;
        Contacts = new ContactBook();
        Invoices = new InvoiceBook(this);
        Payments = new PaymentBook(this);
    }

    public Guid TenantId { get; }

    /// <summary>Held for the whole of a call's work: what races in Xero is decided by its database, here by this lock.</summary>
    public Lock Gate { get; } = new();

    public OrganisationSettings Settings { get; private set; }

    public TenantLimits Limits { get; }

    public ContactBook Contacts { get; }

    public InvoiceBook Invoices { get; }

    public PaymentBook Payments { get; }

    /// <summary>Numbers and references that an app sent although a live document of it was there: at best a waste, at worst the last step before a twin.</summary>
    public List<string> SentAgain { get; } = [];

    public IReadOnlyCollection<Account> Accounts => _accounts.Values;

    public Account? Account(string? code) => code is not null ? _accounts.GetValueOrDefault(code) : null;

    public Account? Account(Guid id) => _accounts.Values.FirstOrDefault(account => account.AccountId == id);

    public void Put(Account account) => _accounts[account.Code] = account;

    public void Change(OrganisationSettings settings)
    {
        Settings = settings;
        Limits.Set(settings.DayLimit, settings.MinuteLimit);
    }

    /// <summary>Why nothing dated this day may be written; null when it may.</summary>
    public string? Locked(DateOnly day)
    {
        if (Settings.EndOfYearLockDate is { } year && day <= year)
            return $"The document date cannot be before the end of year lock date, currently set at {Readable(year)}";
        return Settings.PeriodLockDate is { } period && day <= period
            ? $"The document date cannot be before the period lock date, currently set at {Readable(period)}"
            : null;
    }

    private static string Readable(DateOnly day) => day.ToString("dd-MMM-yyyy", System.Globalization.CultureInfo.InvariantCulture);
}
