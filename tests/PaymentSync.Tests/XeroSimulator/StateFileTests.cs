using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Shouldly;
using XeroSimulator;
using Xunit;

namespace PaymentSync.Tests.XeroSimulation;

public sealed class StateFileTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"xero-simulator-{Guid.NewGuid():N}", "state.json");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Fact]
    public async Task Books_connections_keys_and_the_clock_survive_a_restart()
    {
        string ledger;
        await using (var first = await Start())
        {
            using var http = Client(first);
            await Order(http, "/simulator/organisations", new { name = "Kept", clientId = "kept", clientSecret = "secret" });
            await Order(http, "/simulator/humans", new { action = "createInvoice", invoiceNumber = "H-1", amount = 50, currencyCode = "USD" });
            await Order(http, "/simulator/humans", new { action = "payInvoice", invoiceNumber = "H-1", amount = 20, accountCode = "091", reference = "cash" });
            await Order(http, "/simulator/clock", new { advanceSeconds = 100_000 });
            ledger = await http.GetStringAsync("/simulator/ledger");
            await first.StopAsync();
        }

        await using var second = await Start();
        using var again = Client(second);

        (await again.GetStringAsync("/simulator/ledger")).ShouldBe(ledger);
        var now = (await again.GetFromJsonAsync<JsonElement>("/simulator/clock")).GetProperty("now").GetDateTimeOffset();
        now.ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddSeconds(99_000));
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = "kept",
            ["client_secret"] = "secret",
        });
        using var token = await again.PostAsync("/connect/token", form);
        ((int)token.StatusCode).ShouldBe(200);
        await Order(again, "/simulator/humans", new { action = "payInvoice", invoiceNumber = "H-1", accountCode = "091" });
        (await again.GetFromJsonAsync<JsonElement>("/simulator/ledger")).GetProperty("organisations")[0].GetProperty("invoices")[0].Text("status").ShouldBe("PAID");
    }

    [Fact]
    public async Task A_change_is_on_disk_soon_without_a_shutdown()
    {
        await using var app = await Start();
        using var http = Client(app);
        await Order(http, "/simulator/humans", new { action = "createInvoice", invoiceNumber = "H-1" });

        for (var tries = 0; tries < 200 && !(File.Exists(_path) && (await File.ReadAllTextAsync(_path)).Contains("H-1", StringComparison.Ordinal)); tries++)
            await Task.Delay(50);

        (await File.ReadAllTextAsync(_path)).ShouldContain("H-1");
        Directory.GetFiles(Path.GetDirectoryName(_path)!).Length.ShouldBeLessThanOrEqualTo(2);
    }

    private async Task<WebApplication> Start()
    {
        var app = SimulatorApp.Create(["--urls", "http://127.0.0.1:0", "--state", _path]);
        await app.StartAsync();
        return app;
    }

    private static HttpClient Client(WebApplication app) => new() { BaseAddress = new Uri(app.Urls.First()) };

    private static async Task Order(HttpClient http, string path, object body)
    {
        using var response = await http.PostAsJsonAsync(path, body);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync());
    }
}
