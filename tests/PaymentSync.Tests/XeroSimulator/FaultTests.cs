using System.Text.Json;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class FaultTests : SimulatorTest
{
    private static readonly object Batch = Sample.Batch(Sample.Invoice("A-1"));

    [Theory]
    [InlineData("commit-then-reset", 1)]
    [InlineData("reset-before", 0)]
    public async Task A_reset_loses_the_answer_after_or_before_the_work(string fault, int written)
    {
        await Fault(fault, "PUT /Invoices");

        await Should.ThrowAsync<HttpRequestException>(() => Put("/Invoices", Batch));

        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(written);
    }

    [Fact]
    public async Task After_commit_then_reset_the_key_brings_the_lost_answer()
    {
        await Fault("commit-then-reset", "PUT /Invoices");
        await Should.ThrowAsync<HttpRequestException>(() => Put("/Invoices", Batch, key: "k"));

        (await Put("/Invoices", Batch, key: "k")).Only("Invoices").Text("InvoiceNumber").ShouldBe("A-1");
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(1);
    }

    [Fact]
    public async Task Commit_then_hang_writes_and_stays_silent_in_flight_until_the_client_leaves()
    {
        await Fault("commit-then-hang", "PUT /Invoices");
        using var patience = new CancellationTokenSource();
        var hanging = Http.SendAsync(await WriteRequest(), patience.Token);
        await Until(async () => (await Ledger()).GetProperty("invoices").GetArrayLength() == 1);
        hanging.IsCompleted.ShouldBeFalse();
        (await InFlight()).ShouldBe(1);

        await patience.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => hanging);
        await Until(async () => await InFlight() == 0);
    }

    [Fact]
    public async Task Commit_then_500_writes_and_stores_the_500_under_the_key()
    {
        await Fault("commit-then-500", "PUT /Invoices");

        (await Put("/Invoices", Batch, key: "k")).Status.ShouldBe(500);

        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(1);
        (await Put("/Invoices", Batch, key: "k")).Status.ShouldBe(500);
        (await Put("/Invoices?summarizeErrors=false", Batch, key: "new")).Only("Invoices").Errors().ShouldBe(["Invoice # must be unique."]);
    }

    [Fact]
    public async Task A_truncated_200_is_first_a_cut_connection_and_then_half_a_document()
    {
        await Fault("truncated-200", "PUT /Invoices", next: 2);

        await Should.ThrowAsync<HttpRequestException>(() => Put("/Invoices", Batch, key: "k"));
        var half = await Put("/Invoices", Batch, key: "k");

        half.Status.ShouldBe(200);
        Should.Throw<JsonException>(() => half.Json);
        (await Put("/Invoices", Batch, key: "k")).Json.ValueKind.ShouldBe(JsonValueKind.Object);
    }

    [Theory]
    [InlineData("status-503", 503, "The Xero API is temporarily unavailable")]
    [InlineData("html-502", 502, "<html>")]
    public async Task A_failing_front_door_does_no_work_and_does_not_speak_JSON(string fault, int status, string text)
    {
        await Fault(fault, "PUT /Invoices");

        var reply = await Put("/Invoices", Batch, key: "k");

        reply.Status.ShouldBe(status);
        reply.Body.ShouldStartWith(text);
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(0);
        (await Put("/Invoices", Batch, key: "k")).Status.ShouldBe(200, "nothing was stored under the key");
    }

    [Fact]
    public async Task A_slow_drip_arrives_whole_but_late()
    {
        await Fault("slow-drip", "PUT /Invoices", seconds: 1);
        var started = TimeProvider.System.GetTimestamp();

        var reply = await Put("/Invoices", Batch);

        reply.Only("Invoices").Text("InvoiceNumber").ShouldBe("A-1");
        TimeProvider.System.GetElapsedTime(started).ShouldBeGreaterThan(TimeSpan.FromMilliseconds(700));
    }

    [Fact]
    public async Task An_expired_token_stops_a_batch_in_the_middle_until_a_new_one_is_fetched()
    {
        await Fault("expire-token", "PUT /Invoices");

        var reply = await Put("/Invoices", Batch);

        reply.Status.ShouldBe(401);
        reply.Text("Detail").ShouldStartWith("TokenExpired: ");
        (await Get("/Organisation")).Status.ShouldBe(401);
        (await Put("/Invoices", Batch, token: await NewToken())).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("429-minute", "minute", "X-MinLimit-Remaining")]
    [InlineData("429-day", "day", "X-DayLimit-Remaining")]
    [InlineData("429-concurrent", "concurrent", null)]
    public async Task A_429_can_be_ordered_and_writes_nothing(string fault, string problem, string? exhausted)
    {
        await Fault(fault, "PUT /Invoices");

        var reply = await Put("/Invoices", Batch);

        reply.Status.ShouldBe(429);
        reply.Headers["X-Rate-Limit-Problem"].ShouldBe(problem);
        reply.Headers.ContainsKey("Retry-After").ShouldBe(exhausted is not null);
        if (exhausted is not null)
            reply.Headers[exhausted].ShouldBe("0");
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(0);
        (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("rateLimited").GetInt32().ShouldBe(0);
    }

    [Theory]
    [InlineData("commit-then-reset")]
    [InlineData("truncated-200")]
    public async Task A_call_whose_answer_was_cut_leaves_its_place_in_flight(string fault)
    {
        await Fault(fault, "GET /Organisation", next: 25);

        await Task.WhenAll(Enumerable.Range(0, 5).Select(async _ =>
        {
            for (var i = 0; i < 10; i++)
                await Record.ExceptionAsync(() => Get("/Organisation"));
        }));

        (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("rateLimited").GetInt32().ShouldBe(0);
    }

    [Fact]
    public async Task Rotate_then_drop_loses_the_new_refresh_token_and_the_old_one_still_helps()
    {
        using var consent = await Http.GetAsync("/identity/connect/authorize?response_type=code&client_id=simulator-app&scope=offline_access%20accounting.invoices"
            + "&redirect_uri=http%3A%2F%2Flocalhost%2Fcallback");
        var code = Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(consent.Headers.Location!.Query)["code"].ToString();
        var tokens = await Token(WebClient, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "http://localhost/callback"));
        var old = tokens.Text("refresh_token");
        await Fault("rotate-then-drop");

        await Should.ThrowAsync<HttpRequestException>(() => Token(WebClient, ("grant_type", "refresh_token"), ("refresh_token", old)));

        (await Token(WebClient, ("grant_type", "refresh_token"), ("refresh_token", old))).Text("refresh_token").ShouldNotBe(old);
    }

    [Fact]
    public async Task Late_lists_hide_a_new_invoice_that_is_there_all_the_same()
    {
        await Fault("late-lists", "PUT /Invoices", seconds: 20);
        var invoice = await Written(Sample.Invoice("A-1"));

        (await Get("/Invoices?InvoiceNumbers=A-1&page=1")).Count("Invoices").ShouldBe(0);
        (await Get("/Invoices/" + invoice.Text("InvoiceID"))).Status.ShouldBe(200);
        (await Refused(Sample.Invoice("A-1"))).ShouldBe(["Invoice # must be unique."]);
        await Advance(TimeSpan.FromSeconds(20));
        (await Get("/Invoices?InvoiceNumbers=A-1&page=1")).Count("Invoices").ShouldBe(1);
    }

    [Fact]
    public async Task Late_lists_show_an_invoice_as_it_was_before_a_new_payment()
    {
        await Written(Sample.Invoice("A-1"));
        await Fault("late-lists", "PUT /Payments", seconds: 20);
        await Paid(Sample.Payment("A-1", 100m, reference: "pi_1"));

        var listed = (await Get("/Invoices?InvoiceNumbers=A-1&page=1")).Only("Invoices");
        listed.Text("Status").ShouldBe("AUTHORISED");
        listed.Money("AmountDue").ShouldBe(100m);
        listed.GetProperty("Payments").GetArrayLength().ShouldBe(0);
        (await Get("/Payments?page=1&where=" + Uri.EscapeDataString("Reference==\"pi_1\""))).Count("Payments").ShouldBe(0);
        (await RefusedPayment(Sample.Payment("A-1", 100m))).ShouldBe(["Payments can only be made against Authorised documents"]);
        await Advance(TimeSpan.FromSeconds(20));
        (await Get("/Invoices?InvoiceNumbers=A-1&page=1")).Only("Invoices").Text("Status").ShouldBe("PAID");
    }

    [Fact]
    public async Task A_fault_waits_for_its_resource_and_tenant_and_is_used_up_by_its_count()
    {
        await Fault("status-503", "PUT /Payments", next: 2);
        await Simulator(HttpMethod.Post, "/faults", new { fault = "html-502", tenantId = Guid.NewGuid() });

        (await Put("/Invoices", Batch)).Status.ShouldBe(200);
        (await Put("/Payments", Sample.Payments(Sample.Payment("A-1", 1m)))).Status.ShouldBe(503);
        (await Put("/Payments", Sample.Payments(Sample.Payment("A-1", 1m)))).Status.ShouldBe(503);
        (await Put("/Payments", Sample.Payments(Sample.Payment("A-1", 1m)))).Status.ShouldBe(200);
        (await Simulator(HttpMethod.Get, "/faults")).Json.GetArrayLength().ShouldBe(1);
    }

    [Fact]
    public async Task A_fault_without_a_resource_takes_any_call_and_clearing_forgets_it()
    {
        await Fault("status-503", next: 2);
        (await Token(CustomClient, ("grant_type", "client_credentials"))).Status.ShouldBe(503);

        (await Simulator(HttpMethod.Delete, "/faults")).Status.ShouldBe(204);

        (await Get("/Organisation")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task An_unknown_fault_is_refused() =>
        (await Simulator(HttpMethod.Post, "/faults", new { fault = "nonsense" })).Status.ShouldBe(400);

    private async Task<HttpRequestMessage> WriteRequest()
    {
        var request = new HttpRequestMessage(HttpMethod.Put, "/api.xro/2.0/Invoices");
        request.Headers.Authorization = new("Bearer", await NewToken());
        request.Headers.Accept.ParseAdd("application/json");
        request.Content = new StringContent(JsonSerializer.Serialize(Batch), System.Text.Encoding.UTF8, "application/json");
        return request;
    }

    private async Task<int> InFlight() =>
        (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("tenants").GetProperty(DefaultTenant).GetProperty("inFlight").GetInt32();

    /// <summary>Connections open and close in real time; ten seconds is for a machine that does much else.</summary>
    private static async Task Until(Func<Task<bool>> condition)
    {
        for (var tries = 0; tries < 200; tries++)
        {
            if (await condition())
                return;
            await Task.Delay(50);
        }

        throw new TimeoutException("What was waited for did not happen.");
    }
}
