using System.Text.Json;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>The outcome table: each of Xero's validation texts, as Xero says it, and what the row then says.</summary>
public sealed class RefusalTests(PostgresServer server)
{
    /// <summary>Xero's texts, what they are refusals of, and what they mean. Written down here anew, not read from the table they test.</summary>
    static readonly (string Text, string Type, string Kind, string Code)[] Texts =
    [
        ("Invoice # must be unique.", "INVOICE", "UNCERTAIN", "xero.number_taken"),
        ("Invoice not of valid status for modification", "INVOICE", "UNCERTAIN", "xero.number_taken"),
        ("This document cannot be edited as it has a payment or credit note allocated to it.", "INVOICE", "UNCERTAIN", "xero.number_taken"),
        ("The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes.", "INVOICE", "NEEDS_ACTION", "xero.contact_archived"),
        ("Account code '999' is not a valid code for this document.", "INVOICE", "NEEDS_ACTION", "xero.account_invalid"),
        ("Account code '200' has been archived, or has been deleted. Each line item must reference a valid account", "INVOICE", "NEEDS_ACTION", "xero.account_archived"),
        ("The TaxType code 'INPUT2' cannot be used with account code '200'.", "INVOICE", "NEEDS_ACTION", "xero.tax_type_refused"),
        ("Organisation is not subscribed to currency USD", "INVOICE", "NEEDS_ACTION", "xero.currency_not_subscribed"),
        ("The current organisation is not subscribed to currency 'EUR'.", "INVOICE", "NEEDS_ACTION", "xero.currency_not_subscribed"),
        ("A currency rate must be specified", "INVOICE", "NEEDS_ACTION", "xero.currency_rate_missing"),
        ("The document date cannot be before the period lock date, currently set at 30-Nov-2018", "INVOICE", "NEEDS_ACTION", "xero.period_locked"),
        ("The document date cannot be before the end of year lock date, currently set at 31-Dec-2018", "INVOICE", "NEEDS_ACTION", "xero.year_locked"),
        ("You have reached the limit of invoices you can approve", "INVOICE", "NEEDS_ACTION", "xero.plan_limit"),
        ("Email address must be valid.", "INVOICE", "NEEDS_ACTION", "xero.email_invalid"),
        ("Something that Xero never said before.", "INVOICE", "PERMANENT", "xero.refused"),
        ("Payment amount exceeds the amount outstanding on this document", "PAYMENT", "UNCERTAIN", "xero.already_paid"),
        ("Payments can only be made against Authorised documents", "PAYMENT", "UNCERTAIN", "xero.already_paid"),
        ("Account could not be found.", "PAYMENT", "NEEDS_ACTION", "xero.account_missing"),
        ("The currency of the account (USD) must be the currency of the document (EUR) or the base currency of the organisation.", "PAYMENT", "NEEDS_ACTION", "xero.account_currency"),
        ("The document date cannot be before the period lock date, currently set at 30-Nov-2018.", "PAYMENT", "NEEDS_ACTION", "xero.period_locked"),
        ("The document date cannot be before the end of year lock date, currently set at 31-Dec-2018.", "PAYMENT", "NEEDS_ACTION", "xero.year_locked"),
    ];

    [Theory]
    [InlineData("an element of a 200", 50)]
    [InlineData("a 400 of its own", 1)]
    public async Task Each_text_of_Xeros_gives_the_row_its_kind_its_code_and_a_sentence_with_the_next_step(string how, int together)
    {
        await using var world = await World.StartAsync(server, tampered: true, settings: new(StringComparer.Ordinal) { ["Xero:BatchSize"] = $"{together}" });
        world.Proxy.OnRequest = (resource, body) => resource switch
        {
            "PUT /Invoices" => Refuse(how, body, "Invoices", "InvoiceNumber", "INVOICE"),
            "PUT /Payments" => Refuse(how, body, "Payments", "Reference", "PAYMENT"),
            _ => null,
        };
        var links = new List<Guid>();
        foreach (var (number, _) in Texts.Index())
        {
            links.Add(await world.LinkAsync(change: body => body["shortCode"] = $"TEXT{number}"));
            await world.PayAsync(links[number], $"pi_{number}");
        }
        world.SkipAudit(); // Its invoices are answered by the proxy: the simulator has none of them.
        await world.DrainAsync();

        foreach (var (number, (text, type, kind, code)) in Texts.Index())
        {
            var row = (await world.RowsAsync(links[number])).Single(sync => sync.Type == type);
            row.ShouldSatisfyAllConditions(
                sync => sync.Status.ShouldBe("FAILED", text),
                sync => sync.Kind.ShouldBe(kind, text),
                sync => sync.Code.ShouldBe(code, text),
                sync => sync.Message!.ShouldStartWith($"Xero: {text.Trim()} ", Case.Sensitive),
                sync => sync.Message!.Length.ShouldBeGreaterThan(text.Length + 20, "the next step"),
                sync => (sync.OpenRequest is not null).ShouldBe(kind == "UNCERTAIN", text),
                sync => (sync.DueAt is not null).ShouldBe(kind == "UNCERTAIN", text));
            if (kind == "NEEDS_ACTION")
                (row.Message!.Contains("goes on by itself", StringComparison.Ordinal) || row.Message.Contains("tried each day", StringComparison.Ordinal)).ShouldBeTrue(row.Message);
        }
    }

    /// <summary>Refuses what a text is for and takes the rest; with one document in a call, as a 400.</summary>
    static (int, string)? Refuse(string how, string body, string list, string name, string type)
    {
        var elements = JsonNode.Parse(body)![list]!.AsArray();
        foreach (var element in elements)
        {
            var key = element![name]!.GetValue<string>();
            var (text, of, _, _) = Texts[int.Parse(key[(key.LastIndexOfAny(['T', '_']) + 1)..], System.Globalization.CultureInfo.InvariantCulture)];
            var id = list == "Invoices" ? "InvoiceID" : "PaymentID";
            if (of == type)
            {
                element[id] = Guid.Empty;
                element["StatusAttributeString"] = "ERROR";
                element["ValidationErrors"] = new JsonArray(new JsonObject { ["Message"] = text });
                if (how.StartsWith("a 400", StringComparison.Ordinal))
                    return (400, new JsonObject { ["ErrorNumber"] = 10, ["Type"] = "ValidationException", ["Message"] = "A validation exception occurred", ["Elements"] = new JsonArray(element.DeepClone()) }.ToJsonString());
                continue;
            }
            element[id] = Guid.NewGuid();
            element["StatusAttributeString"] = "OK";
            if (list == "Invoices")
                (element["Status"], element["Total"], element["AmountDue"]) = ("AUTHORISED", 120.00m, 120.00m);
        }
        return (200, new JsonObject { [list] = elements.DeepClone() }.ToJsonString());
    }

    [Fact]
    public void The_table_has_no_text_that_no_test_produces()
    {
        foreach (var entry in Refusals.Table)
            Texts.ShouldContain(tested => Refusals.Read(new[] { tested.Text }).Code == entry.Code && tested.Code == entry.Code, entry.Text);
        Refusals.Table.Select(entry => entry.Text).ShouldBeUnique();
        Texts.Count(tested => tested.Kind != "PERMANENT").ShouldBeGreaterThanOrEqualTo(Refusals.Table.Count);
    }

    [Theory]
    [InlineData("Invoice # must be unique")]
    [InlineData(" Invoice # must be unique. ")]
    [InlineData("INVOICE # MUST BE UNIQUE.")]
    public void A_full_stop_spaces_and_capitals_make_no_difference(string text) => Refusals.Read([text]).Code.ShouldBe(FailureCodes.NumberTaken);

    [Theory]
    [InlineData("Invoice # must be unique, says somebody")]
    [InlineData("Oh: Invoice # must be unique")]
    [InlineData("Account code '200'")]
    [InlineData("")]
    public void A_text_that_only_resembles_one_is_none(string text) => Refusals.Read([text]).ShouldSatisfyAllConditions(failure => failure.Kind.ShouldBe(FailureKind.PERMANENT), failure => failure.Code.ShouldBe(FailureCodes.Refused));

    [Fact]
    public void Of_several_texts_the_one_that_is_known_decides() => Refusals.Read(["Something new", "Account could not be found."]).Code.ShouldBe("xero.account_missing");

    [Fact]
    public void A_foreseen_refusal_says_the_same_next_step_as_Xeros()
    {
        foreach (var code in Refusals.WaitingCodes)
            Refusals.Foresee(code, "Seen.").ShouldSatisfyAllConditions(failure => failure.Kind.ShouldBe(FailureKind.NEEDS_ACTION), failure => failure.Code.ShouldBe(code), failure => failure.Message.ShouldStartWith("Seen. "));
    }

    [Theory]
    [InlineData("""{"Organisations":[{"BaseCurrency":"GBP","PeriodLockDate":"/Date(1788220800000+0000)/"}]}""", "Organisation", """{"baseCurrency":"GBP","periodLockDate":"2026-09-01","yearLockDate":null}""")]
    [InlineData("""{"Organisations":[{"BaseCurrency":"NZD","EndOfYearLockDate":"/Date(-86400000+1300)/"}]}""", "Organisation", """{"baseCurrency":"NZD","periodLockDate":null,"yearLockDate":"1969-12-31"}""")]
    [InlineData("""{"Currencies":[{"Code":"USD"},{"Code":"GBP","Description":"x"},{}]}""", "Currencies", """["GBP","USD"]""")]
    [InlineData("""{"Accounts":[{"Code":"090","Status":"ACTIVE","Type":"BANK","Class":"ASSET","CurrencyCode":"USD"},{"Name":"no code"}]}""", "Accounts", """{"090":{"status":"ACTIVE","type":"BANK","class":"ASSET","currency":"USD","payments":false}}""")]
    [InlineData("""{"TaxRates":[{"TaxType":"OUTPUT2","CanApplyToRevenue":true,"CanApplyToLiabilities":true,"CanApplyToExpenses":false}]}""", "TaxRates", """{"OUTPUT2":["LIABILITY","REVENUE"]}""")]
    [InlineData("""{"Contacts":[{"Name":"Ann","ContactStatus":"ACTIVE"},{"Name":"Ann","ContactStatus":"ARCHIVED"}]}""", "Contacts", """{"Ann":"ACTIVE"}""")]
    [InlineData("""{"Contacts":[]}""", "Contacts", "{}")]
    [InlineData("""{"Accounts":[]}""", "Accounts", null)]
    [InlineData("""{"Currencies":null}""", "Currencies", null)]
    [InlineData("""[1]""", "Currencies", null)]
    [InlineData("""{"Currenc""", "Currencies", null)]
    public void Settings_are_cut_down_to_what_refusals_depend_on(string answer, string part, string? kept)
    {
        var read = SettingsAnswer.Read(Enum.Parse<SettingsPart>(part), System.Text.Encoding.UTF8.GetBytes(answer));
        if (kept is null)
            read.ShouldBeNull();
        else
            JsonElement.DeepEquals(JsonElement.Parse(read!), JsonElement.Parse(kept)).ShouldBeTrue(read);
    }
}
