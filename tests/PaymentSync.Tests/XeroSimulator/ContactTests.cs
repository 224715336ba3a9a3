using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class ContactTests : SimulatorTest
{
    [Fact]
    public async Task A_bare_name_matches_the_active_contact_of_that_name_or_makes_one()
    {
        var first = await Written(Sample.Invoice("A-1", contact: "Ann Lee (ann@example.com)"));
        var second = await Written(Sample.Invoice("A-2", contact: "Ann Lee (ann@example.com)"));
        var third = await Written(Sample.Invoice("A-3", contact: "Bob"));

        second.GetProperty("Contact").Text("ContactID").ShouldBe(first.GetProperty("Contact").Text("ContactID"));
        third.GetProperty("Contact").Text("ContactID").ShouldNotBe(first.GetProperty("Contact").Text("ContactID"));
        (await Get("/Contacts?page=1")).Count("Contacts").ShouldBe(2);
    }

    [Fact]
    public async Task A_refused_invoice_makes_no_contact()
    {
        await Refused(Sample.Invoice("A-1", currency: "CHF", contact: "Nobody"));

        (await Get("/Contacts?page=1")).Count("Contacts").ShouldBe(0);
    }

    [Fact]
    public async Task An_archived_contact_takes_no_new_invoice()
    {
        const string text = "The contact with the specified contact details has been archived. "
            + "The contact must be un-archived before creating new invoices or credit notes.";
        var invoice = await Written(Sample.Invoice("A-1", contact: "Ann"));
        await Human(new { action = "archiveContact", contactName = "Ann" });

        (await Refused(Sample.Invoice("A-2", contact: "Ann"))).ShouldBe([text]);
        var byId = new { Type = "ACCREC", Contact = new { ContactID = invoice.GetProperty("Contact").Text("ContactID") } };
        (await Refused(byId)).ShouldBe([text]);
        (await Get("/Contacts?page=1")).Count("Contacts").ShouldBe(0);
        (await Get("/Contacts?page=1&includeArchived=true")).Only("Contacts").Text("ContactStatus").ShouldBe("ARCHIVED");
        await Human(new { action = "restoreContact", contactName = "Ann" });
        await Written(Sample.Invoice("A-3", contact: "Ann"));
    }

    [Theory]
    [InlineData("a<b")]
    [InlineData("a  b")]
    [InlineData(" a")]
    [InlineData("a ")]
    public async Task A_name_Xero_would_not_take_is_refused(string name) => (await Refused(Sample.Invoice("A-1", contact: name))).ShouldNotBeEmpty();

    [Fact]
    public async Task A_name_has_at_most_255_characters()
    {
        (await Refused(Sample.Invoice("A-1", contact: new string('n', 256)))).ShouldNotBeEmpty();
        await Written(Sample.Invoice("A-1", contact: new string('n', 255)));
    }

    [Fact]
    public async Task Fields_beside_the_id_change_the_contact()
    {
        var id = (await Written(Sample.Invoice("A-1", contact: "Ann"))).GetProperty("Contact").Text("ContactID");
        await Written(new { Type = "ACCREC", Contact = new { ContactID = id, EmailAddress = "ann@example.com" } });

        var contact = (await Get("/Contacts/" + id)).Only("Contacts");

        contact.Text("EmailAddress").ShouldBe("ann@example.com");
        contact.Text("Name").ShouldBe("Ann");
    }

    [Fact]
    public async Task A_bad_address_is_refused() =>
        (await Refused(new { Type = "ACCREC", Contact = new { Name = "Ann", EmailAddress = "nonsense" } })).ShouldBe(["Email address must be valid."]);

    [Fact]
    public async Task PUT_refuses_the_name_of_an_active_contact_and_POST_updates_it()
    {
        (await Put("/Contacts", new { Contacts = new[] { new { Name = "Ann" } } })).Status.ShouldBe(200);

        (await Put("/Contacts", new { Contacts = new[] { new { Name = "Ann" } } })).Status.ShouldBe(400);
        var updated = await Post("/Contacts", new { Contacts = new[] { new { Name = "Ann", ContactNumber = "c-7" } } });
        updated.Only("Contacts").Text("ContactNumber").ShouldBe("c-7");
        (await Get("/Contacts?page=1&where=" + Uri.EscapeDataString("Name==\"Ann\""))).Only("Contacts").Text("ContactNumber").ShouldBe("c-7");
    }
}
