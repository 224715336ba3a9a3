using Microsoft.Extensions.Options;
using PaymentSync.StripeWebhooks;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Xero;

public sealed class ConnectionOptionsTests
{
    [Theory]
    [InlineData("https://payments.example.com/xero/callback")]
    [InlineData("http://localhost:8080/xero/callback")]
    [InlineData("http://localhost/xero/callback")]
    public void A_redirect_that_Xero_accepts_is_fine(string url) => OAuthRedirect.Problem(url).ShouldBeNull();

    [Theory]
    [InlineData("http://127.0.0.1:8080/xero/callback", "Use http://localhost:8080/xero/callback.")]
    [InlineData("http://[::1]:8080/xero/callback", "Use http://localhost:8080/xero/callback.")]
    [InlineData("http://payments.example.com/xero/callback", "must be https")]
    [InlineData("https://payments.example.com/xero/callback#x", "#fragment")]
    [InlineData("/xero/callback", "whole address")]
    [InlineData("ftp://localhost/xero/callback", "whole address")]
    public void A_redirect_that_Xero_refuses_is_refused_with_what_to_do(string url, string sentence) => OAuthRedirect.Problem(url).ShouldNotBeNull().ShouldContain(sentence);

    [Fact]
    public void The_service_does_not_start_with_such_settings()
    {
        var answer = Rules().Validate(name: null, new XeroOptions { RedirectUrl = "http://127.0.0.1:8080/xero/callback", Scopes = "accounting.invoices" });

        answer.Failures!.Count().ShouldBe(2);
        answer.FailureMessage!.ShouldContain("Xero accepts plain http on the name localhost only");
        answer.FailureMessage!.ShouldContain("offline_access");
    }

    [Theory]
    [InlineData("http://xero.example.com/api.xro/2.0", false, false)]
    [InlineData("http://xero.example.com/api.xro/2.0", true, true)]
    [InlineData("ftp://xero.example.com/api.xro/2.0", true, false)]
    [InlineData("http://127.0.0.1:8090/api.xro/2.0", false, true)]
    public void Plain_http_to_another_machine_is_for_those_who_ask_for_it(string url, bool plainHttp, bool accepted) =>
        Rules().Validate(name: null, new XeroOptions { ApiUrl = new Uri(url), PlainHttp = plainHttp }).Succeeded.ShouldBe(accepted);

    [Fact]
    public void Plain_http_and_live_payments_do_not_go_together() =>
        Rules(livemode: true).Validate(name: null, new XeroOptions { PlainHttp = true }).FailureMessage!.ShouldContain("they do not go together");

    static XeroOptionsRules Rules(bool livemode = false) => new(Options.Create(new StripeOptions { Livemode = livemode }));

    [Theory]
    [InlineData(7.01, null)]
    [InlineData(7, 7)]
    [InlineData(3.01, 7)]
    [InlineData(3, 3)]
    [InlineData(1.01, 3)]
    [InlineData(1, 1)]
    [InlineData(-5, 1)]
    public void Warnings_come_seven_three_and_one_day_before(double left, int? step) => ReconnectWarning.Of(TimeSpan.FromDays(left)).ShouldBe(step);

    [Fact]
    public void A_warning_names_the_day()
    {
        var now = new DateTimeOffset(2026, 9, 1, 12, 0, 0, TimeSpan.Zero);

        ReconnectWarning.Sentence(now.AddDays(1.5), now).ShouldNotBeNull().ShouldContain("dies on 2026-09-03 at 00:00 UTC (in 1 day)");
        ReconnectWarning.Sentence(now.AddDays(20), now).ShouldBeNull();
        ReconnectWarning.Sentence(reconnectBy: null, now).ShouldBeNull();
    }
}
