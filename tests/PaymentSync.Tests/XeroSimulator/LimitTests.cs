using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class LimitTests : SimulatorTest
{
    [Fact]
    public async Task Every_answer_says_what_is_left()
    {
        var reply = await Get("/Organisation");

        reply.Headers["X-DayLimit-Remaining"].ShouldBe("4999");
        reply.Headers["X-MinLimit-Remaining"].ShouldBe("59");
        reply.Headers["X-AppMinLimit-Remaining"].ShouldBe("9999");
        Guid.TryParse(reply.Headers["Xero-Correlation-Id"], out _).ShouldBeTrue();
        (await Get("/Invoices/none")).Headers["X-MinLimit-Remaining"].ShouldBe("58");
    }

    [Fact]
    public async Task The_sixty_first_call_of_a_rolling_minute_is_refused_until_the_first_is_a_minute_old()
    {
        await Get("/Organisation");
        await Advance(TimeSpan.FromSeconds(40));
        await Times(59);

        var reply = await Get("/Organisation");

        reply.Status.ShouldBe(429);
        reply.Headers["X-Rate-Limit-Problem"].ShouldBe("minute");
        int.Parse(reply.Headers["Retry-After"], System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(1, 20);
        reply.Headers["X-MinLimit-Remaining"].ShouldBe("0");
        await Advance(TimeSpan.FromSeconds(20));
        (await Get("/Organisation")).Status.ShouldBe(200);
        (await Get("/Organisation")).Status.ShouldBe(429, "only the first call has left the window");
    }

    [Fact]
    public async Task The_day_limit_is_the_organisations_own()
    {
        await Change(new { dayLimit = 3 });
        await Times(3);

        var reply = await Get("/Organisation");

        reply.Status.ShouldBe(429);
        reply.Headers["X-Rate-Limit-Problem"].ShouldBe("day");
        int.Parse(reply.Headers["Retry-After"], System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(86_000, 86_400);
        await Advance(TimeSpan.FromDays(1));
        (await Get("/Organisation", await NewToken())).Status.ShouldBe(200);
    }

    [Fact]
    public async Task The_sixth_call_in_flight_is_refused_without_a_time_to_retry()
    {
        await Change(new { latencyMilliseconds = 400 });
        var replies = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Put("/Invoices", Sample.Batch(Sample.Invoice($"A-{i}")))));

        var refused = replies.Where(reply => reply.Status == 429).ShouldHaveSingleItem();

        refused.Headers["X-Rate-Limit-Problem"].ShouldBe("concurrent");
        refused.Headers.ContainsKey("Retry-After").ShouldBeFalse();
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(5);
        (await Simulator(HttpMethod.Get, "/calls")).Json.GetProperty("maxInFlight").GetInt32().ShouldBe(5);
    }

    [Fact]
    public async Task Five_at_a_time_without_a_pause_are_never_too_many()
    {
        var replies = await Task.WhenAll(Enumerable.Range(0, 5).Select(async _ =>
        {
            var statuses = new List<int>();
            for (var i = 0; i < 11; i++)
                statuses.Add((await Get("/Organisation")).Status);
            return statuses;
        }));

        replies.SelectMany(statuses => statuses).ShouldAllBe(status => status == 200);
    }

    [Fact]
    public async Task Limits_come_before_the_key_so_a_replay_costs_quota_and_can_be_refused()
    {
        var first = await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1")), key: "k");
        var replay = await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1")), key: "k");
        replay.Body.ShouldBe(first.Body);
        replay.Headers["X-MinLimit-Remaining"].ShouldBe("58");
        await Times(58);

        (await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1")), key: "k")).Status.ShouldBe(429);
    }

    [Fact]
    public async Task A_refused_call_costs_nothing_and_is_counted_apart()
    {
        await Times(60);
        (await Get("/Organisation")).Status.ShouldBe(429);

        var calls = (await Simulator(HttpMethod.Get, "/calls")).Json;

        calls.GetProperty("total").GetInt32().ShouldBe(61);
        calls.GetProperty("perDay").GetInt32().ShouldBe(60);
        calls.GetProperty("maxPerMinute").GetInt32().ShouldBe(60);
        calls.GetProperty("rateLimited").GetInt32().ShouldBe(1);
    }

    [Fact]
    public void An_app_has_ten_thousand_calls_a_minute_over_all_its_organisations()
    {
        var now = new DateTimeOffset(2026, 9, 1, 12, 0, 0, TimeSpan.Zero);
        var app = new XeroSimulator.Limits.AppLimit();
        for (var i = 0; i < 10_000; i++)
            app.TryAdd(now, out _).ShouldBeTrue();
        var tenant = new XeroSimulator.Limits.TenantLimits(5000);

        var admission = tenant.Enter(app, now);

        admission.Problem.ShouldBe("appminute");
        admission.RetryAfterSeconds.ShouldBeNull();
        tenant.Enter(app, now + TimeSpan.FromMinutes(1)).Problem.ShouldBeNull();
    }

    private async Task Times(int calls)
    {
        for (var i = 0; i < calls; i++)
            (await Get("/Organisation")).Status.ShouldBe(200);
    }
}
