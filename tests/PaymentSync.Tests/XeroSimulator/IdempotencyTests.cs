using Shouldly;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class IdempotencyTests : SimulatorTest
{
    [Fact]
    public async Task The_same_request_under_the_same_key_gets_the_same_bytes_and_is_done_once()
    {
        var batch = Sample.Batch(new { Type = "ACCREC", Contact = new { Name = "Ann" } });
        var first = await Put("/Invoices", batch, key: "k");
        var second = await Put("/Invoices", batch, key: "k");

        second.Body.ShouldBe(first.Body);
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(1);
    }

    [Fact]
    public async Task Without_a_key_the_same_request_is_done_twice()
    {
        var batch = Sample.Batch(new { Type = "ACCREC", Contact = new { Name = "Ann" } });
        await Put("/Invoices", batch);
        await Put("/Invoices", batch);

        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(2);
    }

    [Fact]
    public async Task A_stored_refusal_is_replayed_even_when_the_cause_is_gone()
    {
        var batch = Sample.Batch(Sample.Invoice("A-1", currency: "CHF"));
        (await Put("/Invoices", batch, key: "k")).Status.ShouldBe(400);
        await Change(new { currencies = new[] { "GBP", "CHF" } });

        (await Put("/Invoices", batch, key: "k")).Status.ShouldBe(400);
        (await Put("/Invoices", batch, key: "another")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_key_used_with_another_body_url_or_method_is_refused()
    {
        const string message = "Idempotency Key: k is used with a different request.";
        await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1")), key: "k");

        foreach (var reply in new[]
        {
            await Put("/Invoices", Sample.Batch(Sample.Invoice("A-2")), key: "k"),
            await Put("/Invoices?summarizeErrors=false", Sample.Batch(Sample.Invoice("A-1")), key: "k"),
            await Post("/Invoices", Sample.Batch(Sample.Invoice("A-1")), key: "k"),
        })
        {
            reply.Status.ShouldBe(400);
            reply.Body.ShouldContain(message);
        }
    }

    [Fact]
    public async Task After_six_minutes_from_the_first_call_a_key_is_new_and_the_document_is_made_again()
    {
        var batch = Sample.Batch(new { Type = "ACCREC", Contact = new { Name = "Ann" } });
        var first = await Put("/Invoices", batch, key: "k");
        await Advance(TimeSpan.FromSeconds(350));
        (await Put("/Invoices", batch, key: "k")).Body.ShouldBe(first.Body);
        await Advance(TimeSpan.FromSeconds(10));

        (await Put("/Invoices", batch, key: "k")).Body.ShouldNotBe(first.Body);
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(2);
    }

    [Fact]
    public async Task A_concurrent_duplicate_waits_and_gets_the_first_ones_answer()
    {
        await Change(new { latencyMilliseconds = 300 });
        var batch = Sample.Batch(new { Type = "ACCREC", Contact = new { Name = "Ann" } });

        var replies = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Put("/Invoices", batch, key: "k")));

        replies.Select(reply => reply.Body).Distinct().ShouldHaveSingleItem();
        (await Ledger()).GetProperty("invoices").GetArrayLength().ShouldBe(1);
    }

    [Fact]
    public async Task A_key_has_at_most_128_characters()
    {
        (await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1")), key: new string('k', 129))).Status.ShouldBe(400);
        (await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1")), key: new string('k', 128))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Keys_are_the_apps_own()
    {
        await Put("/Invoices", Sample.Batch(Sample.Invoice("A-1")), key: "k");
        await Simulator(HttpMethod.Post, "/organisations", new { name = "Other", clientId = "other", clientSecret = "s" });
        var token = await NewToken("other:s");

        (await Put("/Invoices", Sample.Batch(Sample.Invoice("B-1")), key: "k", token: token)).Status.ShouldBe(200);
    }
}
