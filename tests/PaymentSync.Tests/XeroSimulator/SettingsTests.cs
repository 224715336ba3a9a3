using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

/// <summary>What a client reads before it spends a call on a document: the organisation, its accounts, its currencies, its tax rates.</summary>
public sealed class SettingsTests : SimulatorTest
{
    [Fact]
    public async Task The_organisation_tells_its_base_currency_its_zone_and_its_lock_dates_as_they_are_now()
    {
        var before = (await Get("/Organisation")).Only("Organisations");
        before.Text("BaseCurrency").ShouldBe("GBP");
        before.Text("Timezone").ShouldBe("GMTSTANDARDTIME");
        before.TryGetProperty("PeriodLockDate", out _).ShouldBeFalse();
        before.TryGetProperty("EndOfYearLockDate", out _).ShouldBeFalse();

        await Change(new { periodLockDate = "2026-08-31", endOfYearLockDate = "2025-12-31", timezone = "NEWZEALANDSTANDARDTIME" });
        var after = (await Get("/Organisation")).Only("Organisations");
        after.Text("PeriodLockDate").ShouldBe("/Date(1788134400000+0000)/");
        after.Text("EndOfYearLockDate").ShouldBe("/Date(1767139200000+0000)/");
        after.Text("Timezone").ShouldBe("NEWZEALANDSTANDARDTIME");
    }

    [Fact]
    public async Task Accounts_tell_code_type_and_status_and_only_banks_a_currency()
    {
        await Change(new { accounts = new object[] { new { code = "200", status = "ARCHIVED" }, new { code = "404", enablePaymentsToAccount = true } } });
        var accounts = (await Get("/Accounts")).Json.GetProperty("Accounts").EnumerateArray().ToDictionary(account => account.Text("Code"));
        accounts["200"].Text("Status").ShouldBe("ARCHIVED");
        accounts["200"].Text("Type").ShouldBe("REVENUE");
        accounts["200"].TryGetProperty("CurrencyCode", out _).ShouldBeFalse();
        accounts["404"].GetProperty("EnablePaymentsToAccount").GetBoolean().ShouldBeTrue();
        accounts["091"].Text("Status").ShouldBe("ACTIVE");
        accounts["091"].Text("Type").ShouldBe("BANK");
        accounts["091"].Text("CurrencyCode").ShouldBe("USD");
        accounts["091"].GetProperty("EnablePaymentsToAccount").GetBoolean().ShouldBeFalse();
    }

    [Fact]
    public async Task Currencies_are_those_the_organisation_subscribes_to_at_this_moment()
    {
        await Change(new { currencies = new[] { "GBP", "KWD" } });
        var currencies = (await Get("/Currencies")).Json.GetProperty("Currencies").EnumerateArray().Select(currency => currency.Text("Code"));
        currencies.ShouldBe(["GBP", "KWD"]);
    }

    [Fact]
    public async Task Tax_rates_say_what_they_may_be_used_for()
    {
        var rates = (await Get("/TaxRates")).Json.GetProperty("TaxRates").EnumerateArray().ToDictionary(rate => rate.Text("TaxType"));
        rates["OUTPUT2"].GetProperty("CanApplyToRevenue").GetBoolean().ShouldBeTrue();
        rates["INPUT2"].GetProperty("CanApplyToRevenue").GetBoolean().ShouldBeFalse();
        rates["OUTPUT2"].Money("EffectiveRate").ShouldBe(20);
    }

    [Fact]
    public async Task Reading_settings_costs_calls_like_anything_else()
    {
        var before = (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("total").GetInt32();
        await Get("/Organisation");
        await Get("/Accounts");
        await Get("/Currencies");
        (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("total").GetInt32().ShouldBe(before + 3);
    }

    [Fact]
    public async Task An_organisation_can_be_founded_under_a_tenant_id_of_ones_own_once()
    {
        var order = new { name = "Pinned", tenantId = "11111111-2222-4333-8444-555555555555" };
        (await Simulator(HttpMethod.Post, "/organisations", order)).Json.Text("tenantId").ShouldBe(order.tenantId);
        (await Simulator(HttpMethod.Post, "/organisations", order)).Status.ShouldBe(409);
    }
}
