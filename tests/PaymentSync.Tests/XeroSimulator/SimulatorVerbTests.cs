using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class SimulatorVerbTests : SimulatorTest
{
    [Fact]
    public async Task A_founded_organisation_has_a_client_that_can_use_it_and_nothing_of_the_others()
    {
        var founded = await Simulator(HttpMethod.Post, "/organisations", new
        {
            name = "Kiwi Ltd",
            baseCurrency = "NZD",
            currencies = new[] { "NZD", "USD" },
            starter = true,
            accounts = new object[] { new { code = "880", name = "Till", type = "BANK", currencyCode = "NZD" } },
        });
        founded.Status.ShouldBe(201);
        await Written(Sample.Invoice("A-1"));
        var token = await NewToken($"{founded.Text("clientId")}:{founded.Text("clientSecret")}");

        var organisation = await Get("/Organisation", token);

        organisation.Only("Organisations").Text("OrganisationID").ShouldBe(founded.Text("tenantId"));
        organisation.Only("Organisations").Text("BaseCurrency").ShouldBe("NZD");
        organisation.Headers["X-DayLimit-Remaining"].ShouldBe("999");
        (await Get("/Currencies", token)).Json.GetProperty("Currencies").EnumerateArray().Select(currency => currency.Text("Code")).ShouldBe(["NZD", "USD"]);
        (await Get("/Accounts", token)).Json.GetProperty("Accounts").EnumerateArray().Select(account => account.Text("Code")).ShouldContain("880");
        (await Get("/Invoices?page=1", token)).Count("Invoices").ShouldBe(0);
    }

    [Fact]
    public async Task A_client_id_belongs_to_one_app() =>
        (await Simulator(HttpMethod.Post, "/organisations", new { clientId = "simulator-client" })).Status.ShouldBe(409);

    [Fact]
    public async Task The_default_organisation_has_the_accounts_it_promises()
    {
        var accounts = (await Get("/Accounts")).Json.GetProperty("Accounts").EnumerateArray().ToDictionary(account => account.Text("Code"));

        accounts["200"].Text("Type").ShouldBe("REVENUE");
        accounts["404"].Text("Type").ShouldBe("EXPENSE");
        accounts["610"].Text("SystemAccount").ShouldBe("DEBTORS");
        foreach (var (code, currency) in new[] { ("090", "GBP"), ("091", "USD"), ("092", "EUR"), ("093", "AUD"), ("094", "NZD"), ("095", "JPY") })
        {
            accounts[code].Text("Type").ShouldBe("BANK");
            accounts[code].Text("CurrencyCode").ShouldBe(currency);
        }
    }

    [Fact]
    public async Task Tax_rates_are_listed() =>
        (await Get("/TaxRates")).Json.GetProperty("TaxRates").EnumerateArray().Single(rate => rate.Text("TaxType") == "OUTPUT2").Money("EffectiveRate").ShouldBe(20m);

    [Fact]
    public async Task Lock_dates_show_in_the_organisation()
    {
        await Change(new { periodLockDate = "2018-11-30" });

        (await Get("/Organisation")).Only("Organisations").Text("PeriodLockDate").ShouldBe("/Date(1543536000000+0000)/");
    }

    [Fact]
    public async Task People_create_pay_edit_and_void_outside_every_limit()
    {
        await Human(new { action = "createInvoice", invoiceNumber = "H-1", amount = 50, reference = "by hand" });
        await Human(new { action = "editInvoice", invoiceNumber = "H-1", amount = 60 });
        var paid = await Human(new { action = "payInvoice", invoiceNumber = "H-1", amount = 60, reference = "cash" });
        await Human(new { action = "deletePayment", paymentId = paid.Text("paymentId") });
        await Human(new { action = "voidInvoice", invoiceNumber = "H-1" });

        var ledger = await Ledger();
        ledger.GetProperty("invoices")[0].Text("status").ShouldBe("VOIDED");
        ledger.GetProperty("invoices")[0].Text("total").ShouldBe("60.00");
        ledger.GetProperty("payments")[0].Text("status").ShouldBe("DELETED");
        ledger.GetProperty("balances").EnumerateObject().ShouldBeEmpty();
        (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("total").GetInt32().ShouldBe(0);
    }

    [Fact]
    public async Task People_too_obey_the_rules()
    {
        await Human(new { action = "createInvoice", invoiceNumber = "H-1" });

        var again = await Simulator(HttpMethod.Post, "/humans", new { action = "createInvoice", invoiceNumber = "H-1" });

        again.Status.ShouldBe(422);
        again.Json.GetProperty("errors")[0].GetString().ShouldBe("Invoice # must be unique.");
        (await Simulator(HttpMethod.Post, "/humans", new { action = "dance" })).Status.ShouldBe(400);
    }

    [Fact]
    public async Task The_ledger_shows_documents_payments_and_balances()
    {
        var invoice = await Written(Sample.Invoice("A-1", 120m, reference: "Order 42"));
        var payment = await Paid(Sample.Payment("A-1", 120m, reference: "pi_1"));

        var ledger = await Ledger();

        ledger.Text("tenantId").ShouldBe(DefaultTenant);
        var shown = ledger.GetProperty("invoices")[0];
        shown.Text("invoiceId").ShouldBe(invoice.Text("InvoiceID"));
        shown.Text("invoiceNumber").ShouldBe("A-1");
        shown.Text("status").ShouldBe("PAID");
        shown.Text("currencyCode").ShouldBe("GBP");
        shown.Text("total").ShouldBe("120.00");
        shown.Text("amountDue").ShouldBe("0.00");
        shown.Text("reference").ShouldBe("Order 42");
        var paid = ledger.GetProperty("payments")[0];
        paid.Text("paymentId").ShouldBe(payment.Text("PaymentID"));
        paid.Text("invoiceId").ShouldBe(invoice.Text("InvoiceID"));
        paid.Text("amount").ShouldBe("120.00");
        paid.Text("reference").ShouldBe("pi_1");
        paid.Text("accountCode").ShouldBe("090");
        paid.Text("status").ShouldBe("AUTHORISED");
        ledger.GetProperty("balances").Text("090").ShouldBe("120.00");
    }

    [Fact]
    public async Task Calls_are_counted_by_resource_and_logged_with_their_keys()
    {
        await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("A-1")), key: "k-1");
        await Get("/Invoices/A-1");
        await Get("/Invoices/A-2");

        var calls = (await Simulator(HttpMethod.Get, "/calls?log=true")).Json;

        calls.GetProperty("total").GetInt32().ShouldBe(3);
        calls.GetProperty("byResource").GetProperty("PUT /Invoices").GetInt32().ShouldBe(1);
        calls.GetProperty("byResource").GetProperty("GET /Invoices/{id}").GetInt32().ShouldBe(2);
        calls.GetProperty("identity").GetProperty("POST /connect/token").GetInt32().ShouldBe(1);
        calls.GetProperty("maxInFlight").GetInt32().ShouldBe(1);
        var log = calls.GetProperty("log").EnumerateArray().ToList();
        var write = log.Single(call => call.Text("resource") == "PUT /Invoices");
        write.Text("method").ShouldBe("PUT");
        write.Text("query").ShouldBe("?summarizeErrors=false");
        write.Text("idempotencyKey").ShouldBe("k-1");
        write.GetProperty("status").GetInt32().ShouldBe(200);
        write.GetProperty("endedAt").GetDateTimeOffset().ShouldBeGreaterThanOrEqualTo(write.GetProperty("startedAt").GetDateTimeOffset());
        log[^1].GetProperty("status").GetInt32().ShouldBe(404);
        (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("log").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
    }

    [Fact]
    public async Task Reset_empties_everything_and_keeps_the_default_organisation()
    {
        await Written(Sample.Invoice("A-1"));
        await Fault("status-503");
        await Advance(TimeSpan.FromDays(3));

        (await Simulator(HttpMethod.Post, "/reset")).Status.ShouldBe(204);

        await NewToken();
        (await Get("/Invoices?page=1")).Count("Invoices").ShouldBe(0);
        (await Ledger()).Text("tenantId").ShouldBe(DefaultTenant);
        (await Simulator(HttpMethod.Get, "/clock")).Json.GetProperty("now").GetDateTimeOffset().ShouldBeLessThan(DateTimeOffset.UtcNow.AddHours(1));
    }

    [Fact]
    public async Task The_clock_goes_forward_only() =>
        (await Simulator(HttpMethod.Post, "/clock", new { advanceSeconds = -1 })).Status.ShouldBe(400);

    [Fact]
    public async Task A_client_that_does_not_ask_for_JSON_gets_none()
    {
        (await Get("/Organisation", accept: "*/*")).Status.ShouldBe(406);
        (await Get("/Organisation", accept: null)).Status.ShouldBe(406);
    }

    [Fact]
    public async Task It_says_that_it_is_up() => (await Http.GetStringAsync("/health")).ShouldBe("ok");

    [Fact]
    public async Task Thousands_of_invoices_are_looked_up_by_number_without_walking_them()
    {
        for (var batch = 0; batch < 40; batch++)
        {
            var invoices = Enumerable.Range(batch * 50, 50).Select(i => Sample.Invoice($"N-{i}", reference: $"pi_{i}")).ToArray();
            (await Put("/Invoices?summarizeErrors=false", Sample.Batch(invoices))).Status.ShouldBe(200);
        }

        var reply = await Get("/Invoices?page=1&pageSize=100&InvoiceNumbers=" + string.Join(',', Enumerable.Range(1950, 50).Select(i => $"N-{i}")));

        reply.Count("Invoices").ShouldBe(50);
        (await Get("/Invoices?page=2&pageSize=1000")).Count("Invoices").ShouldBe(1000);
    }

    [Fact]
    public async Task The_ledger_tells_what_was_sent_although_it_was_there_but_not_what_its_key_replayed()
    {
        await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("TWIN")), key: "a");
        await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("TWIN")), key: "a");
        (await Ledger()).GetProperty("sentAgain").GetArrayLength().ShouldBe(0);

        await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("TWIN")), key: "b");
        await Paid(Sample.Payment("TWIN", 50, reference: "pi_1"));
        await Paid(Sample.Payment("TWIN", 50, reference: "pi_1"));
        (await Ledger()).GetProperty("sentAgain").EnumerateArray().Select(one => one.GetString()).ShouldBe(["TWIN", "pi_1"]);
    }
}
