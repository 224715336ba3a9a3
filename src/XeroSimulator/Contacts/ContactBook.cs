using System.Net.Mail;

namespace XeroSimulator.Contacts;

/// <summary>The contacts of one organisation. Names are unique among active ones; any field sent beside the id changes the contact.</summary>
internal sealed class ContactBook
{
    private const int MaxName = 255;
    private const int MaxNumber = 50;

    private readonly Dictionary<Guid, Contact> _byId = [];
    private readonly Dictionary<string, Guid> _activeByName = [];
    private readonly Dictionary<string, Guid> _archivedByName = [];
    private readonly Dictionary<string, Guid> _byNumber = [];
    private readonly List<Guid> _inOrder = [];

    public IEnumerable<Contact> All => _inOrder.Select(id => _byId[id]);

    public Contact? Find(Guid id) => _byId.GetValueOrDefault(id);

    public Contact? FindActive(string name) => _activeByName.TryGetValue(name, out var id) ? _byId[id] : null;

    /// <summary>Finds or drafts the contact of a document, and says what is wrong with it; nothing is kept until <see cref="Put"/>.</summary>
    /// <remarks>By id, else by number, else by the exact name of an active contact. A name that only an archived contact bears is refused.</remarks>
    public Contact? ForDocument(ContactInput input, DateTimeOffset now, DateTimeOffset listedFrom, List<string> errors)
    {
        if (input is { ContactId: null, Name: null, ContactNumber: null })
        {
            errors.Add("A Contact must be specified for this type of transaction");
            return null;
        }

        var contact = Resolve(input, now, listedFrom, errors);
        if (contact is { Archived: true })
            errors.Add("The contact with the specified contact details has been archived. "
                + "The contact must be un-archived before creating new invoices or credit notes.");
        return contact;
    }

    /// <summary>The contact as it would be with these fields; null (and an error) when there cannot be one.</summary>
    public Contact? Resolve(ContactInput input, DateTimeOffset now, DateTimeOffset listedFrom, List<string> errors)
    {
        var known = Known(input);
        if (known is null && input.ContactId is not null)
        {
            errors.Add("The contact with the specified ContactID could not be found.");
            return null;
        }

        if (known is null && string.IsNullOrEmpty(input.Name))
        {
            errors.Add("The contact name must be specified.");
            return null;
        }

        Check(input, known, errors);
        var contact = known ?? new Contact(Guid.NewGuid(), input.Name!, null, null, null, null, Archived: false, now, listedFrom);
        var changed = contact with
        {
            Name = input.Name ?? contact.Name,
            ContactNumber = input.ContactNumber ?? contact.ContactNumber,
            FirstName = input.FirstName ?? contact.FirstName,
            LastName = input.LastName ?? contact.LastName,
            EmailAddress = input.EmailAddress ?? contact.EmailAddress,
        };
        return changed == contact ? contact : changed with { UpdatedAt = now };
    }

    public void Put(Contact contact)
    {
        if (_byId.TryGetValue(contact.ContactId, out var before))
            Unlist(before);
        else
            _inOrder.Add(contact.ContactId);
        _byId[contact.ContactId] = contact;
        (contact.Archived ? _archivedByName : _activeByName)[contact.Name] = contact.ContactId;
        if (contact.ContactNumber is not null)
            _byNumber[contact.ContactNumber] = contact.ContactId;
    }

    private Contact? Known(ContactInput input)
    {
        if (input.ContactId is { } id)
            return Find(id);
        if (input.ContactNumber is { Length: > 0 } number && _byNumber.TryGetValue(number, out var numbered))
            return _byId[numbered];
        if (input.Name is not { } name)
            return null;
        return FindActive(name) ?? (_archivedByName.TryGetValue(name, out var archived) ? _byId[archived] : null);
    }

    private void Check(ContactInput input, Contact? known, List<string> errors)
    {
        if (input.Name is { } name)
        {
            if (name.Length is 0 or > MaxName)
                errors.Add($"The contact name must be between 1 and {MaxName} characters long.");
            if (name.AsSpan().ContainsAny('<', '>'))
                errors.Add("The contact name cannot contain angle brackets.");
            if (name.Contains("  ", StringComparison.Ordinal) || name.Trim() != name)
                errors.Add("The contact name cannot begin or end with a space or contain consecutive spaces.");
            if (_activeByName.TryGetValue(name, out var bearer) && known is not null && bearer != known.ContactId)
                errors.Add($"The contact name {name} is already assigned to another contact. The contact name must be unique across all active contacts.");
        }

        if (input.ContactNumber is { Length: > MaxNumber })
            errors.Add($"The contact number cannot be longer than {MaxNumber} characters.");
        if (input.EmailAddress is { Length: > 0 } email && !(MailAddress.TryCreate(email, out var address) && address.Address == email))
            errors.Add("Email address must be valid.");
    }

    private void Unlist(Contact before)
    {
        var names = before.Archived ? _archivedByName : _activeByName;
        if (names.TryGetValue(before.Name, out var id) && id == before.ContactId)
            names.Remove(before.Name);
        if (before.ContactNumber is not null)
            _byNumber.Remove(before.ContactNumber);
    }
}
