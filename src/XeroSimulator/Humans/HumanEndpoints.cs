using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using XeroSimulator.Contacts;
using XeroSimulator.Gate;
using XeroSimulator.Invoices;
using XeroSimulator.Organisations;
using XeroSimulator.Payments;

namespace XeroSimulator.Humans;

/// <summary>/simulator/humans: what a person does in Xero's own pages, under the same rules and outside every limit.</summary>
internal static class HumanEndpoints
{
    public static void Map(RouteGroupBuilder simulator) => simulator.MapPost("/humans", Order);

    private static Results<Ok<HumanAnswer>, NotFound<string>, BadRequest<string>, UnprocessableEntity<HumanAnswer>> Order(JsonElement body, World world)
    {
        try
        {
            var organisation = body.Id("tenantId") is { } tenantId ? world.Organisation(tenantId) : world.Default;
            if (organisation is null)
                return TypedResults.NotFound("No such organisation.");
            HumanAnswer answer;
            lock (organisation.Gate)
                answer = Act(organisation, body, world.Clock.Now);
            return answer.Errors.Count == 0 ? TypedResults.Ok(answer) : TypedResults.UnprocessableEntity(answer);
        }
        catch (BadRequestException refused)
        {
            return TypedResults.BadRequest(refused.Message);
        }
    }

    /// <summary>Does it, or says why Xero would not let them. Called under the organisation's lock.</summary>
    internal static HumanAnswer Act(Organisation organisation, JsonElement order, DateTimeOffset now) => Act(new Person(organisation, order, now));

    private static HumanAnswer Act(Person person) => person.Body.Text("action") switch
    {
        "createInvoice" => CreateInvoice(person),
        "payInvoice" => PayInvoice(person),
        "editInvoice" => EditInvoice(person),
        "voidInvoice" => VoidInvoice(person),
        "deletePayment" => DeletePayment(person),
        "archiveContact" => ArchiveContact(person, archived: true),
        "restoreContact" => ArchiveContact(person, archived: false),
        var unknown => throw BadRequestException.Body(
            $"Unknown action '{unknown}'. Known: createInvoice, payInvoice, editInvoice, voidInvoice, deletePayment, archiveContact, restoreContact."),
    };

    private static HumanAnswer CreateInvoice(Person person)
    {
        var body = person.Body;
        var input = new InvoiceInput(
            null, "ACCREC", body.Text("invoiceNumber"), body.Text("reference"), ContactInput.Named(body.Text("contactName") ?? "A person"),
            body.Day("date"), body.Day("dueDate") ?? body.Day("date") ?? person.Today, body.Text("status") ?? "AUTHORISED", "NoTax",
            body.Text("currencyCode"), null, null, [Line(body, body.Number("amount") ?? 100m)]);
        return Answer(person.Organisation.Invoices.Save(input, person.Write(mayUpdate: false)));
    }

    private static HumanAnswer PayInvoice(Person person)
    {
        var invoice = person.Invoice();
        var input = new PaymentInput(
            invoice.InvoiceId, null, null, person.Body.Text("accountCode") ?? "090", person.Body.Day("date"), person.Body.Number("amount") ?? invoice.AmountDue,
            null, null, person.Body.Text("reference"), IsReconciled: false, null);
        var result = person.Organisation.Payments.Save(input, person.Now, person.Now);
        return new(invoice.InvoiceId, invoice.Number, result.Payment?.PaymentId, null, result.Errors);
    }

    /// <summary>Only what the order mentions changes; an amount replaces all lines by one.</summary>
    private static HumanAnswer EditInvoice(Person person)
    {
        var invoice = person.Invoice();
        var body = person.Body;
        var amount = body.Number("amount");
        var input = new InvoiceInput(
            invoice.InvoiceId, null, body.Text("newInvoiceNumber"), body.Text("reference"),
            body.Text("contactName") is { } name ? ContactInput.Named(name) : null,
            body.Day("date"), body.Day("dueDate"), body.Text("status"), null, body.Text("currencyCode"), null, null,
            amount is null ? null : [Line(body, amount.Value)]);
        return Answer(person.Organisation.Invoices.Save(input, person.Write(mayUpdate: true)));
    }

    private static HumanAnswer VoidInvoice(Person person)
    {
        var input = new InvoiceInput(person.Invoice().InvoiceId, null, null, null, null, null, null, "VOIDED", null, null, null, null, null);
        return Answer(person.Organisation.Invoices.Save(input, person.Write(mayUpdate: true)));
    }

    private static HumanAnswer DeletePayment(Person person)
    {
        var payment = person.Body.Id("paymentId") is { } id
            ? person.Organisation.Payments.Find(id)
            : person.Invoice().Payments.FirstOrDefault();
        if (payment is null)
            throw BadRequestException.Body("No such payment.");
        return new(payment.InvoiceId, person.Organisation.Invoices.Find(payment.InvoiceId)?.Number, payment.PaymentId, null, person.Organisation.Payments.Delete(payment, person.Now));
    }

    private static HumanAnswer ArchiveContact(Person person, bool archived)
    {
        var contacts = person.Organisation.Contacts;
        var name = person.Body.Text("contactName");
        var contact = person.Body.Id("contactId") is { } id
            ? contacts.Find(id)
            : contacts.All.FirstOrDefault(known => known.Name == name && known.Archived != archived);
        if (contact is null)
            throw BadRequestException.Body("No such contact.");
        contacts.Put(contact with { Archived = archived, UpdatedAt = person.Now });
        return new(null, null, null, contact.ContactId, []);
    }

    private static LineInput Line(JsonElement body, decimal amount) =>
        new(body.Text("description") ?? "Entered by hand", 1, amount, body.Text("accountCode") ?? "200", "NONE", null, null, null);

    private static HumanAnswer Answer(InvoiceResult result) =>
        new(result.Invoice?.InvoiceId, result.Invoice?.Number, null, result.Invoice?.ContactId, result.Errors);

    private sealed record Person(Organisation Organisation, JsonElement Body, DateTimeOffset Now)
    {
        public DateOnly Today => DateOnly.FromDateTime(Now.UtcDateTime);

        public InvoiceWrite Write(bool mayUpdate) => new(mayUpdate, UnitDecimals: 4, Now, Now);

        public Invoice Invoice()
        {
            var invoice = Body.Id("invoiceId") is { } id ? Organisation.Invoices.Find(id) : Organisation.Invoices.Find(Body.Text("invoiceNumber") ?? "");
            return invoice ?? throw BadRequestException.Body("No such invoice: give invoiceId or invoiceNumber.");
        }
    }
}

/// <param name="Errors">Xero's own refusals; empty when it was done.</param>
internal sealed record HumanAnswer(Guid? InvoiceId, string? InvoiceNumber, Guid? PaymentId, Guid? ContactId, IReadOnlyList<string> Errors);
