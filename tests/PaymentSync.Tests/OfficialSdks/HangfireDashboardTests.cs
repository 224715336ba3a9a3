using System.Net;
using System.Text.RegularExpressions;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.OfficialSdks;

public sealed partial class HangfireDashboardTests(PostgresServer server)
{
    static readonly Uri Dashboard = new("/hangfire", UriKind.Relative);
    static readonly Uri SignIn = new("/hangfire/sign-in", UriKind.Relative);
    static readonly Uri SignOut = new("/hangfire/sign-out", UriKind.Relative);
    static readonly Uri Trigger = new("/hangfire/recurring/trigger", UriKind.Relative);

    [Fact]
    public async Task Without_a_key_a_browser_is_led_to_the_form_and_others_are_told()
    {
        await using var world = await StartAsync();
        using var browser = Browser(world);
        using var led = await browser.GetAsync(Dashboard, TestContext.Current.CancellationToken);
        led.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        led.Headers.Location!.ToString().ShouldBe("/hangfire/sign-in");

        using var script = World.Client(world.Service, key: null);
        foreach (var path in new[] { "/hangfire", "/hangfire/recurring", "/hangfire/jobs/enqueued" })
        {
            using var told = await script.GetAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken);
            told.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            (await told.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldContain("operator_key.missing");
        }
        using var order = await script.PostAsync(Trigger, Jobs("sweep"), TestContext.Current.CancellationToken);
        order.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);

        using var stranger = World.Client(world.Service, "no-such-key-0123456789");
        using var refused = await stranger.GetAsync(Dashboard, TestContext.Current.CancellationToken);
        refused.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task An_operator_signs_in_with_the_form_and_sees_our_figures()
    {
        await using var world = await StartAsync();
        await world.PayAsync(await world.LinkAsync(), "pi_1");
        using var browser = Browser(world);
        using var signedIn = await SignInAsync(browser, World.OperatorKey);
        signedIn.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        signedIn.Headers.Location!.ToString().ShouldBe("/hangfire");
        var cookie = signedIn.Headers.GetValues("Set-Cookie").Single(header => header.StartsWith("paymentsync_operator=", StringComparison.Ordinal));
        cookie.ShouldContain("httponly");
        cookie.ShouldContain("samesite=strict");
        cookie.ShouldNotContain(World.OperatorKey);

        var page = await browser.GetStringAsync(Dashboard, TestContext.Current.CancellationToken);
        page.ShouldContain("PaymentSync jobs");
        foreach (var figure in new[] { "Syncs PENDING", "Syncs RETRYING", "Syncs FAILED", "Waiting for a person", "Oldest unsynced", "Xero calls left today" })
            page.ShouldContain(figure);
        Value(page, "paymentsync:pending").ShouldBe("2");
        Value(page, "paymentsync:people").ShouldBe("0");
        Value(page, "paymentsync:oldest").ShouldEndWith(" s");

        var (styles, scripts) = (Resource().Matches(page).Count(match => match.Value.Contains("/css", StringComparison.Ordinal)), Resource().Matches(page).Count(match => match.Value.Contains("/js", StringComparison.Ordinal)));
        styles.ShouldBeGreaterThan(0);
        scripts.ShouldBeGreaterThan(0);
        foreach (Match resource in Resource().Matches(page))
            (await browser.GetByteArrayAsync(new Uri(resource.Value, UriKind.Relative), TestContext.Current.CancellationToken)).Length.ShouldBeGreaterThan(100, resource.Value);
        (await browser.GetStringAsync(new Uri("/hangfire/recurring", UriKind.Relative), TestContext.Current.CancellationToken)).ShouldContain("unlinked-payments");
    }

    [Fact]
    public async Task A_wrong_key_is_told_so_and_opens_nothing()
    {
        await using var world = await StartAsync();
        using var browser = Browser(world);
        using var refused = await SignInAsync(browser, "no-such-key-<b>0123456789");
        refused.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldContain("This operator key is unknown or revoked.");
        using var led = await browser.GetAsync(Dashboard, TestContext.Current.CancellationToken);
        led.StatusCode.ShouldBe(HttpStatusCode.Redirect);

        using var forged = new FormUrlEncodedContent([new("key", World.AdminKey)]);
        using var crossSite = await browser.PostAsync(SignIn, forged, TestContext.Current.CancellationToken);
        crossSite.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        crossSite.Headers.Contains("Set-Cookie").ShouldBeFalse();
    }

    [Fact]
    public async Task A_viewer_sees_but_cannot_act()
    {
        await using var world = await StartAsync();
        using var browser = Browser(world);
        using var signedIn = await SignInAsync(browser, World.ViewerKey);
        var page = await browser.GetStringAsync(new Uri("/hangfire/recurring", UriKind.Relative), TestContext.Current.CancellationToken);
        page.ShouldContain("sweep");
        page.ShouldNotContain("recurring/trigger");

        using var order = await OrderAsync(browser, page, "sweep");
        order.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await AuditAsync(world)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(World.OperatorKey, "operator")]
    [InlineData(World.AdminKey, "admin")]
    public async Task What_is_ordered_through_the_dashboard_is_done_and_audited(string key, string role)
    {
        await using var world = await StartAsync();
        using var browser = Browser(world);
        using var signedIn = await SignInAsync(browser, key);
        var page = await browser.GetStringAsync(new Uri("/hangfire/recurring", UriKind.Relative), TestContext.Current.CancellationToken);

        using (var crossSite = await browser.PostAsync(Trigger, Jobs("sweep"), TestContext.Current.CancellationToken))
            crossSite.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await AuditAsync(world)).ShouldBeEmpty();

        using var order = await OrderAsync(browser, page, "sweep", "recovery");
        order.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await AuditAsync(world)).ShouldBe([$"{role} hangfire.recurring.trigger sweep, recovery"]);
        await World.EventuallyAsync(async () => await world.Database.ScalarAsync<long>("SELECT count(*) FROM hangfire.job WHERE statename = 'Succeeded'") >= 2, "both have run", TimeSpan.FromSeconds(60));

        var id = await world.Database.ScalarAsync<long>("SELECT min(id) FROM hangfire.job");
        using var again = await OrderAsync(browser, page, new Uri($"/hangfire/jobs/actions/requeue/{id}", UriKind.Relative));
        again.IsSuccessStatusCode.ShouldBeTrue();
        (await AuditAsync(world)).ShouldBe([$"{role} hangfire.recurring.trigger sweep, recovery", $"{role} hangfire.jobs.actions.requeue {id}"]);
    }

    [Fact]
    public async Task A_session_ends_with_its_key_after_eight_hours_or_when_it_is_given_back()
    {
        await using var world = await StartAsync();
        async Task<bool> OpenAsync(HttpClient browser)
        {
            using var answer = await browser.GetAsync(Dashboard, TestContext.Current.CancellationToken);
            return answer.StatusCode == HttpStatusCode.OK;
        }

        using var leaving = Browser(world);
        (await SignInAsync(leaving, World.OperatorKey)).Dispose();
        (await OpenAsync(leaving)).ShouldBeTrue();
        var form = await leaving.GetStringAsync(SignOut, TestContext.Current.CancellationToken);
        using (var token = new FormUrlEncodedContent([new("__RequestVerificationToken", FormToken().Match(form).Groups["token"].Value)]))
        using (var left = await leaving.PostAsync(SignOut, token, TestContext.Current.CancellationToken))
            left.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        (await OpenAsync(leaving)).ShouldBeFalse();

        using var late = Browser(world);
        (await SignInAsync(late, World.OperatorKey)).Dispose();
        await world.AdvanceAsync(TimeSpan.FromHours(7.9));
        (await OpenAsync(late)).ShouldBeTrue();
        await world.AdvanceAsync(TimeSpan.FromHours(0.2));
        (await OpenAsync(late)).ShouldBeFalse();

        using var revoked = Browser(world);
        (await SignInAsync(revoked, World.OperatorKey)).Dispose();
        (await OpenAsync(revoked)).ShouldBeTrue();
        await world.Database.ExecuteAsync("UPDATE paymentsync.operator_keys SET revoked_at = paymentsync.now() WHERE role = 'operator'");
        (await OpenAsync(revoked)).ShouldBeFalse();
    }

    [Fact]
    public async Task The_session_opens_pages_and_not_the_API()
    {
        await using var world = await StartAsync();
        using var browser = Browser(world);
        (await SignInAsync(browser, World.AdminKey)).Dispose();
        using var api = await browser.GetAsync(new Uri("/api/status", UriKind.Relative), TestContext.Current.CancellationToken);
        api.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    async Task<World> StartAsync()
    {
        var world = await World.StartAsync(server, settings: new(StringComparer.Ordinal) { ["Jobs:Engine"] = "Hangfire" });
        // Rows stay as the test leaves them: its worker neither sweeps nor is it told.
        await world.StartNodeAsync(worker: true, settings: new(StringComparer.Ordinal) { ["Jobs:Engine"] = "Hangfire", ["Worker:SweepInterval"] = "01:00:00", ["Worker:RecoveryInterval"] = "01:00:00", ["Worker:WakeDelay"] = "00:01:00" });
        await World.EventuallyAsync(async () => await world.Database.ScalarAsync<string>("SELECT to_regclass('hangfire.set')::text") is not null
            && await world.Database.ScalarAsync<long>("SELECT count(*) FROM hangfire.set WHERE key = 'recurring-jobs'") == 9, "the engine is at work", TimeSpan.FromSeconds(60));
        return world;
    }

    static HttpClient Browser(World world)
    {
        var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, CookieContainer = new CookieContainer() }) { BaseAddress = new Uri(world.Service.Urls.First()) };
        browser.DefaultRequestHeaders.Accept.ParseAdd("text/html,application/xhtml+xml,*/*;q=0.8");
        return browser;
    }

    static async Task<HttpResponseMessage> SignInAsync(HttpClient browser, string key)
    {
        var form = await browser.GetStringAsync(SignIn);
        using var filled = new FormUrlEncodedContent([new("__RequestVerificationToken", FormToken().Match(form).Groups["token"].Value), new("key", key)]);
        return await browser.PostAsync(SignIn, filled);
    }

    static FormUrlEncodedContent Jobs(params string[] ids) => new(ids.Select(id => KeyValuePair.Create("jobs[]", id)));

    static Task<HttpResponseMessage> OrderAsync(HttpClient browser, string page, params string[] jobs) => OrderAsync(browser, page, Trigger, jobs);

    /// <summary>As the page's own script posts it.</summary>
    static async Task<HttpResponseMessage> OrderAsync(HttpClient browser, string page, Uri where, params string[] jobs)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, where) { Content = Jobs(jobs) };
        var token = PageToken().Match(page);
        request.Headers.Add(token.Groups["header"].Value, token.Groups["token"].Value);
        return await browser.SendAsync(request);
    }

    static Task<IReadOnlyList<string>> AuditAsync(World world) =>
        world.Database.QueryAsync("SELECT role || ' ' || action || ' ' || target FROM paymentsync.audit_log WHERE action LIKE 'hangfire%' ORDER BY id", reader => reader.GetString(0));

    static string Value(string page, string metric) => Regex.Match(page, $"data-metric=\"{metric}\">(?<value>[^<]*)<", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)).Groups["value"].Value.Trim();

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"(?<token>[^\"]*)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex FormToken();

    [GeneratedRegex("\"csrf-header\" content=\"(?<header>[^\"]*)\".*?\"csrf-token\" content=\"(?<token>[^\"]*)\"", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PageToken();

    [GeneratedRegex("/hangfire/(css|js)[^\"']*", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Resource();
}
