using System.Buffers.Text;
using System.Text;
using PaymentSync.Xero;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Xero;

public sealed class ConnectionTenantChoiceTests
{
    static readonly DateTimeOffset Day = new(2026, 9, 1, 0, 0, 0, TimeSpan.Zero);
    static readonly XeroTenant Old = new("old", "Old Ltd", "c1", "consent-1", Day);
    static readonly XeroTenant New = new("new", "New Ltd", "c2", "consent-2", Day.AddDays(1));
    static readonly XeroTenant Twin = new("twin", "Twin Ltd", "c3", "CONSENT-1", Day.AddDays(-1));

    [Fact]
    public void The_tenant_of_the_tokens_own_consent_is_taken_although_another_is_newer() =>
        OAuthTenantChoice.Of([Old, New], Token("consent-1"), formerTenantId: null).ShouldBe(Old);

    [Fact]
    public void Of_one_consent_that_names_several_the_former_tenant_is_kept_else_the_newest()
    {
        OAuthTenantChoice.Of([Old, New, Twin], Token("consent-1"), "twin").ShouldBe(Twin);
        OAuthTenantChoice.Of([Old, New, Twin], Token("consent-1"), "new").ShouldBe(Old);
        OAuthTenantChoice.Of([Old, New, Twin], Token("consent-1"), formerTenantId: null).ShouldBe(Old);
    }

    [Theory]
    [InlineData("opaque")]
    [InlineData("a.b.c")]
    [InlineData("a.!!.c")]
    [InlineData("a.W10.c")]
    [InlineData("..")]
    public void A_token_that_names_no_consent_leaves_the_newest(string token) => OAuthTenantChoice.Of([New, Old], token, "old").ShouldBe(New);

    [Fact]
    public void A_consent_that_no_connection_carries_leaves_the_newest() => OAuthTenantChoice.Of([Old, New], Token("another"), formerTenantId: null).ShouldBe(New);

    [Fact]
    public void None_is_none() => OAuthTenantChoice.Of([], Token("consent-1"), "old").ShouldBeNull();

    static string Token(string consent) => $"e30.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"authentication_event_id":"{{consent}}"}"""))}.sig";
}
