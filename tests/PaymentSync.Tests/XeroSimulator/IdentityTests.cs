using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class IdentityTests : SimulatorTest
{
    private const string Redirect = "http://localhost:8080/xero/callback";
    private const string Scope = "offline_access accounting.invoices accounting.payments accounting.contacts accounting.settings.read";
    private const string Verifier = "a-verifier-that-is-long-enough-for-the-standard-0123456789";

    [Fact]
    public async Task A_custom_connection_gets_a_token_for_thirty_minutes_and_no_refresh_token()
    {
        var answer = await Token(CustomClient, ("grant_type", "client_credentials"));

        answer.Json.GetProperty("expires_in").GetInt32().ShouldBe(1800);
        answer.Text("token_type").ShouldBe("Bearer");
        answer.Json.TryGetProperty("refresh_token", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task Client_and_secret_may_come_in_the_form()
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = "simulator-client",
            ["client_secret"] = "simulator-secret-do-not-use",
        });
        using var response = await Http.PostAsync("/connect/token", form);

        ((int)response.StatusCode).ShouldBe(200);
    }

    [Theory]
    [InlineData("simulator-client:wrong", "client_credentials", "", "invalid_client")]
    [InlineData("nobody:x", "client_credentials", "", "invalid_client")]
    [InlineData(CustomClient, "", "", "invalid_request")]
    [InlineData(CustomClient, "client_credentials", "accounting.nonsense", "invalid_scope")]
    [InlineData(CustomClient, "client_credentials", "offline_access accounting.invoices", "invalid_scope")]
    [InlineData(WebClient, "client_credentials", "", "unauthorized_client")]
    [InlineData(CustomClient, "refresh_token", "", "unauthorized_client")]
    [InlineData(WebClient, "refresh_token", "", "invalid_request")]
    [InlineData(WebClient, "authorization_code", "", "invalid_request")]
    public async Task A_bad_token_request_is_refused_with_its_code(string client, string grantType, string scope, string error)
    {
        var answer = await Token(client, ("grant_type", grantType), ("scope", scope));

        answer.Status.ShouldBe(400);
        answer.Text("error").ShouldBe(error);
    }

    [Fact]
    public async Task A_call_without_a_known_token_is_401()
    {
        var reply = await Get("/Organisation", token: "nonsense");

        reply.Status.ShouldBe(401);
        reply.Text("Title").ShouldBe("Unauthorized");
        reply.Json.GetProperty("Status").GetInt32().ShouldBe(401);
    }

    [Fact]
    public async Task A_token_works_for_thirty_minutes_and_then_says_that_it_expired()
    {
        await Advance(TimeSpan.FromSeconds(1799));
        (await Get("/Organisation")).Status.ShouldBe(200);
        await Advance(TimeSpan.FromSeconds(1));

        var reply = await Get("/Organisation");

        reply.Status.ShouldBe(401);
        reply.Text("Detail").ShouldStartWith("TokenExpired: ");
    }

    [Fact]
    public async Task A_custom_connection_needs_no_tenant_header_and_may_not_name_another_tenant()
    {
        (await Get("/Organisation")).Status.ShouldBe(200);
        (await Get("/Organisation", tenant: DefaultTenant)).Status.ShouldBe(200);

        var reply = await Get("/Organisation", tenant: Guid.NewGuid().ToString());

        reply.Status.ShouldBe(403);
        reply.Text("Title").ShouldBe("Forbidden");
        reply.Text("Detail").ShouldBe("AuthenticationUnsuccessful");
    }

    [Fact]
    public async Task A_token_without_the_scope_may_not_write()
    {
        var token = (await Token(CustomClient, ("grant_type", "client_credentials"), ("scope", "accounting.invoices.read"))).Text("access_token");

        (await Get("/Invoices?page=1", token)).Status.ShouldBe(200);
        var reply = await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1")), token: token);
        reply.Status.ShouldBe(401);
        reply.Text("Detail").ShouldBe("AuthorizationUnsuccessful");
    }

    [Fact]
    public async Task A_person_connects_an_organisation_and_the_app_may_use_it_with_the_tenant_header()
    {
        var tokens = await Connect();
        var token = tokens.Text("access_token");

        var connection = (await Call(HttpMethod.Get, "/connections", token: token)).Json;
        connection.GetArrayLength().ShouldBe(1);
        connection[0].Text("tenantId").ShouldBe(DefaultTenant);
        connection[0].Text("tenantType").ShouldBe("ORGANISATION");
        connection[0].Text("tenantName").ShouldBe("Demo Company (UK)");
        (await Get("/Organisation", token, tenant: DefaultTenant)).Only("Organisations").Text("BaseCurrency").ShouldBe("GBP");
        (await Get("/Organisation", token)).Status.ShouldBe(403);
    }

    [Fact]
    public async Task The_state_comes_back_with_the_code()
    {
        var (location, _) = await Authorize();

        location.Host.ShouldBe("localhost");
        QueryHelpers.ParseQuery(location.Query)["state"].ToString().ShouldBe("s t&1");
    }

    [Fact]
    public async Task Another_organisation_can_be_chosen()
    {
        var other = (await Simulator(HttpMethod.Post, "/organisations", new { name = "Other" })).Text("tenantId");
        var (_, code) = await Authorize(("simulator_tenant", other));
        var token = (await Exchange(code)).Text("access_token");

        (await Call(HttpMethod.Get, "/connections", token: token)).Json[0].Text("tenantName").ShouldBe("Other");
    }

    [Theory]
    [InlineData("http://127.0.0.1:8080/xero/callback")]
    [InlineData("http://example.com/callback")]
    [InlineData("nonsense")]
    public async Task A_redirect_other_than_https_or_localhost_is_refused(string redirect)
    {
        using var response = await Http.GetAsync(AuthorizeUrl(("redirect_uri", redirect)));

        ((int)response.StatusCode).ShouldBe(400);
    }

    [Theory]
    [InlineData("simulator_deny", "true", "access_denied")]
    [InlineData("scope", "accounting.nonsense", "invalid_scope")]
    [InlineData("code_challenge_method", "plain", "invalid_request")]
    public async Task A_refused_consent_comes_back_as_an_error(string name, string value, string error)
    {
        using var response = await Http.GetAsync(AuthorizeUrl((name, value)));

        QueryHelpers.ParseQuery(response.Headers.Location!.Query)["error"].ToString().ShouldBe(error);
    }

    [Fact]
    public async Task A_code_works_once()
    {
        var (_, code) = await Authorize();
        (await Exchange(code)).Status.ShouldBe(200);

        (await Exchange(code)).Text("error").ShouldBe("invalid_grant");
    }

    [Fact]
    public async Task A_code_lives_five_minutes()
    {
        var (_, code) = await Authorize();
        await Advance(TimeSpan.FromMinutes(5));

        (await Exchange(code)).Text("error").ShouldBe("invalid_grant");
    }

    [Fact]
    public async Task A_code_needs_its_verifier_and_its_redirect()
    {
        var (_, first) = await Authorize();
        (await Exchange(first, verifier: "another")).Text("error").ShouldBe("invalid_grant");
        var (_, second) = await Authorize();
        (await Exchange(second, redirect: "http://localhost:9/other")).Text("error").ShouldBe("invalid_grant");
    }

    [Fact]
    public async Task Every_refresh_rotates_and_only_the_previous_token_may_be_retried()
    {
        var first = (await Connect()).Text("refresh_token");
        var second = (await Refresh(first)).Text("refresh_token");
        second.ShouldNotBe(first);

        var retried = await Refresh(first);

        retried.Status.ShouldBe(200);
        (await Refresh(second)).Text("error").ShouldBe("invalid_grant", "the token in the lost answer was replaced");
        var third = (await Refresh(retried.Text("refresh_token"))).Text("refresh_token");
        (await Refresh(first)).Text("error").ShouldBe("invalid_grant", "it is no longer the previous one");
        (await Refresh(third)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task The_previous_token_may_be_retried_for_thirty_minutes_from_its_first_use()
    {
        var first = (await Connect()).Text("refresh_token");
        await Refresh(first);
        await Advance(TimeSpan.FromMinutes(29));
        (await Refresh(first)).Status.ShouldBe(200);
        await Advance(TimeSpan.FromMinutes(1));

        (await Refresh(first)).Text("error").ShouldBe("invalid_grant");
    }

    [Fact]
    public async Task A_refresh_token_dies_after_sixty_days()
    {
        var first = (await Connect()).Text("refresh_token");
        await Advance(TimeSpan.FromDays(59));
        var second = (await Refresh(first)).Text("refresh_token");
        await Advance(TimeSpan.FromDays(60));

        (await Refresh(second)).Text("error").ShouldBe("invalid_grant");
    }

    [Fact]
    public async Task Without_offline_access_there_is_no_refresh_token()
    {
        var (_, code) = await Authorize(("scope", "accounting.invoices"));

        (await Exchange(code)).Json.TryGetProperty("refresh_token", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task After_a_disconnect_the_token_lives_but_calls_are_403_and_connections_are_empty()
    {
        var token = (await Connect()).Text("access_token");
        var id = (await Call(HttpMethod.Get, "/connections", token: token)).Json[0].Text("id");

        (await Call(HttpMethod.Delete, "/connections/" + id, token: token)).Status.ShouldBe(204);

        (await Call(HttpMethod.Get, "/connections", token: token)).Json.GetArrayLength().ShouldBe(0);
        var reply = await Get("/Organisation", token, tenant: DefaultTenant);
        reply.Status.ShouldBe(403);
        reply.Text("Detail").ShouldBe("AuthenticationUnsuccessful");
        (await Call(HttpMethod.Delete, "/connections/" + id, token: token)).Status.ShouldBe(404);
    }

    [Fact]
    public async Task The_access_token_names_the_consent_that_its_connection_carries()
    {
        var other = (await Simulator(HttpMethod.Post, "/organisations", new { name = "Other" })).Text("tenantId");
        await Connect();
        var (_, code) = await Authorize(("simulator_tenant", other));
        var tokens = await Exchange(code);

        var consent = Consent(tokens.Text("access_token"));

        consent.ShouldNotBeNull();
        await ConnectedBy(consent!, tokens.Text("access_token"), "Other");
        var refreshed = await Refresh(tokens.Text("refresh_token"));
        Consent(refreshed.Text("access_token")).ShouldBe(consent, "a refreshed token still belongs to its consent");
    }

    [Fact]
    public async Task Agreeing_again_moves_the_connection_to_the_new_consent()
    {
        var other = (await Simulator(HttpMethod.Post, "/organisations", new { name = "Other" })).Text("tenantId");
        var first = (await Connect()).Text("access_token");
        await Exchange((await Authorize(("simulator_tenant", other))).Code);

        var again = (await Connect()).Text("access_token");

        Consent(again).ShouldNotBe(Consent(first));
        await ConnectedBy(Consent(again)!, again, "Demo Company (UK)");
    }

    [Fact]
    public async Task A_custom_connections_token_names_no_consent() =>
        Consent((await Token(CustomClient, ("grant_type", "client_credentials"))).Text("access_token")).ShouldBeNull();

    [Fact]
    public async Task A_revoked_refresh_token_ends_the_consent()
    {
        var tokens = await Connect();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/revocation");
        request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(WebClient)));
        request.Content = new FormUrlEncodedContent([KeyValuePair.Create("token", tokens.Text("refresh_token"))]);

        using var response = await Http.SendAsync(request);

        ((int)response.StatusCode).ShouldBe(200);
        (await Refresh(tokens.Text("refresh_token"))).Text("error").ShouldBe("invalid_grant");
        (await Get("/Organisation", tokens.Text("access_token"), tenant: DefaultTenant)).Status.ShouldBe(403);
    }

    private async Task ConnectedBy(string consent, string token, string name)
    {
        var connections = (await Call(HttpMethod.Get, "/connections", token: token)).Json;
        connections.EnumerateArray().Where(connection => connection.Text("authEventId") == consent).ShouldHaveSingleItem().Text("tenantName").ShouldBe(name);
    }

    /// <summary>What a client reads from the token itself: Xero's access tokens are JWTs.</summary>
    private static string? Consent(string token)
    {
        using var payload = JsonDocument.Parse(WebEncoders.Base64UrlDecode(token.Split('.')[1]));
        return payload.RootElement.TryGetProperty("authentication_event_id", out var id) ? id.GetString() : null;
    }

    private async Task<Reply> Connect()
    {
        var (_, code) = await Authorize();
        var reply = await Exchange(code);
        reply.Status.ShouldBe(200, reply.Body);
        return reply;
    }

    private async Task<(Uri Location, string Code)> Authorize(params (string Name, string Value)[] instead)
    {
        using var response = await Http.GetAsync(AuthorizeUrl(instead));
        ((int)response.StatusCode).ShouldBe(302);
        var location = response.Headers.Location!;
        return (location, QueryHelpers.ParseQuery(location.Query)["code"].ToString());
    }

    private static string AuthorizeUrl(params (string Name, string Value)[] instead)
    {
        var query = new Dictionary<string, string?>
        {
            ["response_type"] = "code",
            ["client_id"] = "simulator-app",
            ["redirect_uri"] = Redirect,
            ["scope"] = Scope,
            ["state"] = "s t&1",
            ["code_challenge"] = WebEncoders.Base64UrlEncode(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier))),
            ["code_challenge_method"] = "S256",
        };
        foreach (var (name, value) in instead)
            query[name] = value;
        return QueryHelpers.AddQueryString("/identity/connect/authorize", query);
    }

    private Task<Reply> Exchange(string code, string verifier = Verifier, string redirect = Redirect) =>
        Token(WebClient, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect), ("code_verifier", verifier));

    private Task<Reply> Refresh(string token) => Token(WebClient, ("grant_type", "refresh_token"), ("refresh_token", token));
}
