using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class InvoiceListTests : SimulatorTest
{
    [Fact]
    public async Task Invoices_are_found_by_numbers_ids_and_statuses()
    {
        var first = await Written(Sample.Invoice("A-1"));
        await Written(Sample.Invoice("A-2", status: "DRAFT"));
        await Written(Sample.Invoice("A-3"));

        (await Numbers("?InvoiceNumbers=A-3,A-1,A-9&page=1")).ShouldBe(["A-3", "A-1"], ignoreOrder: true);
        (await Numbers($"?IDs={first.Text("InvoiceID")}&page=1")).ShouldBe(["A-1"]);
        (await Numbers("?Statuses=DRAFT&page=1")).ShouldBe(["A-2"]);
        (await Numbers("?InvoiceNumbers=A-1,A-2&Statuses=AUTHORISED&page=1")).ShouldBe(["A-1"]);
    }

    [Fact]
    public async Task A_voided_invoice_is_still_found_by_its_number()
    {
        await Written(Sample.Invoice("A-1"));
        await Human(new { action = "voidInvoice", invoiceNumber = "A-1" });

        var invoice = (await Get("/Invoices?InvoiceNumbers=A-1&page=1")).Only("Invoices");

        invoice.Text("Status").ShouldBe("VOIDED");
        invoice.Money("AmountDue").ShouldBe(0m);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("?page=1", true)]
    [InlineData("?page=1&summaryOnly=true", false)]
    public async Task Only_paged_lists_have_line_items_and_payments(string query, bool full)
    {
        await Written(Sample.Invoice("A-1"));

        var invoice = (await Get("/Invoices" + query)).Only("Invoices");

        invoice.TryGetProperty("LineItems", out _).ShouldBe(full);
        invoice.TryGetProperty("Payments", out _).ShouldBe(full);
    }

    [Fact]
    public async Task Pages_cut_the_list_and_say_how_much_there_is()
    {
        await Put("/Invoices", Sample.Batch([.. Enumerable.Range(1, 5).Select(i => Sample.Invoice($"A-{i}"))]));

        var reply = await Get("/Invoices?page=2&pageSize=2");

        reply.Json.GetProperty("Invoices").EnumerateArray().Select(invoice => invoice.Text("InvoiceNumber")).ShouldBe(["A-3", "A-4"]);
        reply.Json.GetProperty("pagination").GetProperty("pageCount").GetInt32().ShouldBe(3);
        reply.Json.GetProperty("pagination").GetProperty("itemCount").GetInt32().ShouldBe(5);
        (await Get("/Invoices?page=4&pageSize=2")).Count("Invoices").ShouldBe(0);
    }

    [Theory]
    [InlineData("page=1&pageSize=1001")]
    [InlineData("page=0")]
    [InlineData("IDs=nonsense")]
    public async Task A_query_that_makes_no_sense_is_refused(string query) => (await Get("/Invoices?" + query)).Status.ShouldBe(400);

    [Fact]
    public async Task A_reference_is_found_by_where()
    {
        await Written(Sample.Invoice("A-1", reference: "pi_1"));
        await Written(Sample.Invoice("A-2", reference: "pi_2"));

        (await Numbers("?page=1&where=" + Uri.EscapeDataString("Reference==\"pi_2\""))).ShouldBe(["A-2"]);
    }

    [Theory]
    [InlineData("Reference==\"a\" OR Reference==\"b\"")]
    [InlineData("Total>10")]
    [InlineData("Reference.Contains(\"a\")")]
    public async Task Other_where_clauses_are_refused(string where)
    {
        var reply = await Get("/Invoices?page=1&where=" + Uri.EscapeDataString(where));

        reply.Status.ShouldBe(400);
        reply.Text("Type").ShouldBe("QueryParseException");
    }

    [Fact]
    public async Task One_invoice_is_found_by_id_or_number_with_all_it_has()
    {
        var written = await Written(Sample.Invoice("A-1"));

        (await Get("/Invoices/" + written.Text("InvoiceID"))).Only("Invoices").GetProperty("LineItems").GetArrayLength().ShouldBe(1);
        (await Get("/Invoices/A-1")).Only("Invoices").Text("InvoiceID").ShouldBe(written.Text("InvoiceID"));
    }

    [Fact]
    public async Task What_does_not_exist_is_404_in_plain_text()
    {
        foreach (var path in new[] { "/Invoices/" + Guid.NewGuid(), "/Payments/" + Guid.NewGuid(), "/Contacts/" + Guid.NewGuid(), "/Nonsense" })
        {
            var reply = await Get(path);
            reply.Status.ShouldBe(404, path);
            reply.Body.ShouldBe("The resource you're looking for cannot be found");
        }
    }

    [Fact]
    public async Task Inline_payments_name_no_account_and_no_status()
    {
        await Written(Sample.Invoice("A-1"));
        var paid = await Paid(Sample.Payment("A-1", 30m, reference: "pi_1"));

        var inline = (await Get("/Invoices?InvoiceNumbers=A-1&page=1")).Only("Invoices").GetProperty("Payments")[0];

        inline.Text("PaymentID").ShouldBe(paid.Text("PaymentID"));
        inline.Money("Amount").ShouldBe(30m);
        inline.Text("Reference").ShouldBe("pi_1");
        inline.Text("Date").ShouldBe("/Date(1788220800000+0000)/");
        inline.TryGetProperty("Account", out _).ShouldBeFalse();
        inline.TryGetProperty("Status", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task Unit_amounts_are_shown_with_two_decimals_unless_four_are_asked_for()
    {
        await Put("/Invoices?unitdp=4", Sample.Batch(Sample.Invoice("A-1", 0.1234m, quantity: 100)));

        (await Get("/Invoices/A-1?unitdp=4")).Only("Invoices").GetProperty("LineItems")[0].Money("UnitAmount").ShouldBe(0.1234m);
        var two = (await Get("/Invoices/A-1")).Only("Invoices");
        two.GetProperty("LineItems")[0].Money("UnitAmount").ShouldBe(0.12m);
        two.Money("Total").ShouldBe(12.34m, "what is shown rounded was not booked rounded");
    }

    [Fact]
    public async Task Only_what_changed_since_is_listed()
    {
        await Written(Sample.Invoice("A-1"));
        await Advance(TimeSpan.FromMinutes(10));
        await Written(Sample.Invoice("A-2"));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api.xro/2.0/Invoices?page=1");
        request.Headers.Authorization = new("Bearer", await NewToken());
        request.Headers.Accept.ParseAdd("application/json");
        request.Headers.IfModifiedSince = DateTimeOffset.UtcNow + TimeSpan.FromMinutes(5);

        using var response = await Http.SendAsync(request);

        var reply = new Reply((int)response.StatusCode, await response.Content.ReadAsStringAsync(), new Dictionary<string, string>());
        reply.Only("Invoices").Text("InvoiceNumber").ShouldBe("A-2");
    }

    private async Task<IReadOnlyList<string>> Numbers(string query) =>
        [.. (await Get("/Invoices" + query)).Json.GetProperty("Invoices").EnumerateArray().Select(invoice => invoice.Text("InvoiceNumber"))];
}
