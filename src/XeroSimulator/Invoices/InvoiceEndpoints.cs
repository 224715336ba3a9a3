using XeroSimulator.Gate;

namespace XeroSimulator.Invoices;

/// <summary>GET, PUT and POST Invoices.</summary>
internal static class InvoiceEndpoints
{
    public static Answer List(ApiCall call)
    {
        var filter = new Filter(call);
        var found = Candidates(call).Where(filter.Wants).ToList();
        var (items, page) = Page.Cut(found, call.Query);
        int? unitDecimals = page is not null && !call.Query.SummaryOnly ? call.Query.UnitDecimals : null;
        return Envelope.Of(call, "Invoices", items, (json, invoice) =>
            InvoiceJson.Write(json, InvoiceView.Listed(invoice, call.Now), call.Organisation, unitDecimals), page);
    }

    /// <summary>By id, or by number as Xero allows: always the present state, lines and payments included.</summary>
    public static Answer One(ApiCall call) => Find(call) is { } invoice
        ? Envelope.Of(call, "Invoices", [invoice], (json, known) => InvoiceJson.Write(json, InvoiceView.Now(known), call.Organisation, call.Query.UnitDecimals))
        : Answer.NotFound;

    public static Answer Create(ApiCall call) => Save(call, mayUpdate: false);

    public static Answer Update(ApiCall call) => Save(call, mayUpdate: true);

    public static Answer UpdateOne(ApiCall call)
    {
        if (Find(call) is not { } invoice)
            return Answer.NotFound;
        var elements = call.Json().Batch("Invoices");
        if (elements.Count != 1)
            throw BadRequestException.Body("One invoice is updated by its id at a time.");
        var input = InvoiceInput.From(elements[0]) with { InvoiceId = invoice.InvoiceId };
        return Answered(call, [call.Organisation.Invoices.Save(input, Write(call, mayUpdate: true))]);
    }

    private static Answer Save(ApiCall call, bool mayUpdate)
    {
        // All elements are read before the first is written: a body that cannot be read changes nothing.
        var inputs = call.Json().Batch("Invoices").Select(InvoiceInput.From).ToList();
        return Answered(call, [.. inputs.Select(SaveNoted)]);

        InvoiceResult SaveNoted(InvoiceInput input)
        {
            if (input is { InvoiceId: null, Number: { } number } && call.Organisation.Invoices.Find(number) is { IsLive: true })
                call.Organisation.SentAgain.Add(number);
            return call.Organisation.Invoices.Save(input, Write(call, mayUpdate));
        }
    }

    private static Answer Answered(ApiCall call, IReadOnlyList<InvoiceResult> results) =>
        Envelope.OfBatch(call, "Invoices", results, result => result.Errors.Count > 0, (json, result) =>
            InvoiceJson.Write(json, result, call.Organisation, call.Query.UnitDecimals));

    private static InvoiceWrite Write(ApiCall call, bool mayUpdate) => new(mayUpdate, call.Query.UnitDecimals, call.Now, call.ListedFrom);

    private static Invoice? Find(ApiCall call) =>
        Guid.TryParse(call.Id, out var id) ? call.Organisation.Invoices.Find(id) : call.Organisation.Invoices.Find(call.Id ?? "");

    /// <summary>The narrowest index that answers the query; what it finds is filtered by the rest.</summary>
    private static IEnumerable<Invoice> Candidates(ApiCall call)
    {
        var book = call.Organisation.Invoices;
        if (call.Query.Values("InvoiceNumbers") is { } numbers)
            return numbers.Distinct(StringComparer.OrdinalIgnoreCase).Select(book.Find).OfType<Invoice>();
        if (call.Query.Ids("IDs") is { } ids)
            return ids.Distinct().Select(book.Find).OfType<Invoice>();
        return call.Query.Where("Reference") is { } reference ? book.WithReference(reference) : book.All;
    }

    /// <summary>The query read once, not once an invoice.</summary>
    private sealed class Filter(ApiCall call)
    {
        private readonly string? _reference = call.Query.Where("Reference");
        private readonly IReadOnlyList<string>? _statuses = call.Query.Values("Statuses");
        private readonly IReadOnlyList<Guid>? _contacts = call.Query.Ids("ContactIDs");
        private readonly HashSet<Guid>? _ids = call.Query.Ids("IDs")?.ToHashSet();

        public bool Wants(Invoice invoice) =>
            invoice.ListedFrom <= call.Now
            && (_reference is null || invoice.Reference == _reference)
            && (_statuses is null || _statuses.Contains(InvoiceView.Listed(invoice, call.Now).Status.ToString()))
            && (_contacts is null || _contacts.Contains(invoice.ContactId))
            && (_ids is null || _ids.Contains(invoice.InvoiceId))
            && (call.ModifiedSince is not { } since || invoice.UpdatedAt > since);
    }
}
