using System.Text.Json;
using XeroSimulator.Gate;

namespace XeroSimulator.Contacts;

internal sealed record Contact(
    Guid ContactId,
    string Name,
    string? ContactNumber,
    string? FirstName,
    string? LastName,
    string? EmailAddress,
    bool Archived,
    DateTimeOffset UpdatedAt,
    DateTimeOffset ListedFrom);

/// <summary>What a client says about a contact; a field it does not mention is null.</summary>
internal sealed record ContactInput(
    Guid? ContactId, string? Name, string? ContactNumber, string? FirstName, string? LastName, string? EmailAddress, string? Status)
{
    public static ContactInput Named(string name) => new(null, name, null, null, null, null, null);

    public static ContactInput From(JsonElement element) => new(
        element.Id("ContactID"),
        element.Text("Name"),
        element.Text("ContactNumber"),
        element.Text("FirstName"),
        element.Text("LastName"),
        element.Text("EmailAddress"),
        element.Text("ContactStatus"));
}
