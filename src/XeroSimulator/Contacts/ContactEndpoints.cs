using System.Text.Json;
using XeroSimulator.Gate;

namespace XeroSimulator.Contacts;

/// <summary>GET, PUT and POST Contacts.</summary>
internal static class ContactEndpoints
{
    public static Answer List(ApiCall call)
    {
        var book = call.Organisation.Contacts;
        var candidates = call.Query.Where("Name") is { } name ? Only(book.FindActive(name))
            : call.Query.Ids("IDs") is { } ids ? ids.Distinct().Select(book.Find).OfType<Contact>()
            : book.All;
        var found = candidates
            .Where(contact => (call.Query.IncludeArchived || !contact.Archived) && contact.ListedFrom <= call.Now)
            .Where(contact => call.ModifiedSince is not { } since || contact.UpdatedAt > since)
            .ToList();
        var (items, page) = Page.Cut(found, call.Query);
        return Envelope.Of(call, "Contacts", items, (json, contact) => Write(json, new ContactResult(contact, [])), page);
    }

    public static Answer One(ApiCall call) =>
        Guid.TryParse(call.Id, out var id) && call.Organisation.Contacts.Find(id) is { } contact
            ? Envelope.Of(call, "Contacts", [contact], (json, known) => Write(json, new ContactResult(known, [])))
            : Answer.NotFound;

    /// <summary>PUT creates and refuses the name of an active contact; POST updates or creates.</summary>
    public static Answer Create(ApiCall call) => Save(call, mayUpdate: false);

    public static Answer Update(ApiCall call) => Save(call, mayUpdate: true);

    public static void WriteReference(Utf8JsonWriter json, Contact contact)
    {
        json.WriteStartObject("Contact");
        json.WriteString("ContactID", contact.ContactId);
        json.WriteText("ContactNumber", contact.ContactNumber);
        json.WriteString("Name", contact.Name);
        json.WriteBoolean("HasValidationErrors", false);
        json.WriteEndObject();
    }

    private static Answer Save(ApiCall call, bool mayUpdate)
    {
        var results = call.Json().Batch("Contacts").Select(element => SaveOne(call, ContactInput.From(element), mayUpdate)).ToList();
        return Envelope.OfBatch(call, "Contacts", results, result => result.Errors.Count > 0, Write);
    }

    private static ContactResult SaveOne(ApiCall call, ContactInput input, bool mayUpdate)
    {
        List<string> errors = [];
        var book = call.Organisation.Contacts;
        if (!mayUpdate && input.Name is { } name && book.FindActive(name) is not null)
            errors.Add($"The contact name {name} is already assigned to another contact. The contact name must be unique across all active contacts.");
        var contact = book.Resolve(input, call.Now, call.ListedFrom, errors);
        if (contact is not null && input.Status is { } status)
            contact = contact with { Archived = status == "ARCHIVED", UpdatedAt = call.Now };
        if (errors.Count == 0)
            book.Put(contact!);
        return new(errors.Count == 0 ? contact! : Rejected(input, call), errors);
    }

    private static Contact Rejected(ContactInput input, ApiCall call) => new(
        input.ContactId ?? Guid.Empty, input.Name ?? "", input.ContactNumber, input.FirstName, input.LastName, input.EmailAddress,
        Archived: false, call.Now, call.Now);

    private static void Write(Utf8JsonWriter json, ContactResult result)
    {
        var contact = result.Contact;
        json.WriteStartObject();
        json.WriteString("ContactID", contact.ContactId);
        json.WriteText("ContactNumber", contact.ContactNumber);
        json.WriteString("ContactStatus", contact.Archived ? "ARCHIVED" : "ACTIVE");
        json.WriteString("Name", contact.Name);
        json.WriteText("FirstName", contact.FirstName);
        json.WriteText("LastName", contact.LastName);
        json.WriteString("EmailAddress", contact.EmailAddress ?? "");
        json.WriteTime("UpdatedDateUTC", contact.UpdatedAt);
        json.WriteString("StatusAttributeString", result.Errors.Count > 0 ? "ERROR" : "OK");
        json.WriteBoolean("HasValidationErrors", result.Errors.Count > 0);
        json.WriteMessages("ValidationErrors", result.Errors);
        json.WriteEndObject();
    }

    private static Contact[] Only(Contact? contact) => contact is null ? [] : [contact];
}

/// <param name="Contact">As kept; or, when refused, as sent, a new one with the zero id.</param>
internal sealed record ContactResult(Contact Contact, IReadOnlyList<string> Errors);
