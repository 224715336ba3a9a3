using System.Text.Json;
using XeroSimulator.Contacts;
using XeroSimulator.Invoices;
using XeroSimulator.Organisations;
using XeroSimulator.Payments;

namespace XeroSimulator.State;

/// <summary>One organisation as the state file keeps it; its indexes are built again on reading.</summary>
internal sealed record OrganisationSnapshot(
    Guid TenantId,
    OrganisationSettings Settings,
    IReadOnlyList<Account> Accounts,
    IReadOnlyList<Contact> Contacts,
    IReadOnlyList<JsonElement> Invoices,
    IReadOnlyList<JsonElement> Payments)
{
    /// <remarks>Invoices and payments change in place, so they are turned to JSON here, under the organisation's lock.</remarks>
    public static OrganisationSnapshot Of(Organisation organisation)
    {
        lock (organisation.Gate)
        {
            return new(
                organisation.TenantId,
                organisation.Settings,
                [.. organisation.Accounts],
                [.. organisation.Contacts.All],
                [.. organisation.Invoices.All.Select(invoice => JsonSerializer.SerializeToElement(invoice))],
                [.. organisation.Payments.All.Select(payment => JsonSerializer.SerializeToElement(payment))]);
        }
    }

    public Organisation Restore()
    {
        var organisation = new Organisation(TenantId, Settings, Accounts);
        foreach (var contact in Contacts)
            organisation.Contacts.Put(contact);
        foreach (var invoice in Invoices)
            organisation.Invoices.Restore(invoice.Deserialize<Invoice>()!);
        foreach (var payment in Payments)
            organisation.Payments.Restore(payment.Deserialize<Payment>()!);
        return organisation;
    }
}
