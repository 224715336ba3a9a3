using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Xero;
using Shouldly;

namespace PaymentSync.Tests.Testing;

/// <summary>A person with a browser who connects an organisation: follows each redirect by hand, so that a test can stop or bend any step.</summary>
sealed class OAuthBrowser(World world) : IDisposable
{
    /// <summary>Settings of a service whose app is the simulator's web app.</summary>
    public static Dictionary<string, string> Settings(params (string Key, string Value)[] more)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Xero:ClientId"] = "simulator-app", ["Xero:ClientSecret"] = "simulator-app-secret-do-not-use" };
        foreach (var (key, value) in more)
            settings[key] = value;
        return settings;
    }

    readonly HttpClient _http = new(new HttpClientHandler { AllowAutoRedirect = false });

    /// <returns>A world whose organisation is connected by OAuth.</returns>
    public static async Task<World> ConnectedWorldAsync(PostgresServer server, params (string Key, string Value)[] settings)
    {
        var world = await World.StartAsync(server, connected: false, settings: Settings(settings));
        using var browser = new OAuthBrowser(world);
        await browser.ConnectAsync();
        return world;
    }

    /// <summary>The whole way, expected to end well.</summary>
    /// <returns>The page that the person sees.</returns>
    public async Task<string> ConnectAsync(Guid? organisation = null, string? tenant = null, string? force = null)
    {
        var (status, page) = await TryAsync(organisation, tenant, force);
        status.ShouldBe(200, page);
        return page;
    }

    /// <param name="force">The reason to force another tenant.</param>
    public async Task<(int Status, string Page)> TryAsync(Guid? organisation = null, string? tenant = null, string? force = null) =>
        await ReturnAsync(await AgreeAsync(await DepartAsync(organisation, force), tenant));

    /// <returns>Where the service sends the browser: Xero's page.</returns>
    public async Task<Uri> DepartAsync(Guid? organisation = null, string? force = null, WebApplication? node = null)
    {
        var query = $"/xero/connect?organizationId={organisation ?? world.Organisation}" + (force is null ? "" : $"&force=true&reason={Uri.EscapeDataString(force)}");
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(new Uri((node ?? world.Service).Urls.First()), query));
        request.Headers.Authorization = new("Bearer", World.AdminKey);
        using var answer = await _http.SendAsync(request);
        ((int)answer.StatusCode).ShouldBe(302, await answer.Content.ReadAsStringAsync());
        return answer.Headers.Location!;
    }

    /// <returns>Where Xero sends the browser: back to the service.</returns>
    public async Task<Uri> AgreeAsync(Uri page, string? tenant = null, bool deny = false)
    {
        var address = page.AbsoluteUri;
        if (tenant is not null)
            address = QueryHelpers.AddQueryString(address, "simulator_tenant", tenant);
        if (deny)
            address = QueryHelpers.AddQueryString(address, "simulator_deny", "true");
        using var answer = await _http.GetAsync(new Uri(address));
        ((int)answer.StatusCode).ShouldBe(302, await answer.Content.ReadAsStringAsync());
        return answer.Headers.Location!;
    }

    public async Task<(int Status, string Page)> ReturnAsync(Uri callback)
    {
        using var answer = await _http.GetAsync(callback);
        answer.Content.Headers.ContentType!.ToString().ShouldBe("text/html; charset=utf-8");
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>The refresh and access token that the database keeps, decrypted with the service's own keys.</summary>
    public static async Task<(string? Refresh, string? Access)> TokensAsync(World world, Guid? organisation = null)
    {
        var id = organisation ?? world.Organisation;
        var secrets = world.Service.Services.GetRequiredService<XeroSecrets>();
        var refresh = await world.Database.ScalarAsync<byte[]>("SELECT protected_refresh FROM paymentsync.connections WHERE organization_id = $1", id);
        var access = await world.Database.ScalarAsync<byte[]>("SELECT protected_access FROM paymentsync.connections WHERE organization_id = $1", id);
        return (refresh is null ? null : secrets.Token(id, refresh), access is null ? null : secrets.Token(id, access));
    }

    /// <summary>How often an identity endpoint was asked.</summary>
    public static async Task<int> AskedAsync(World world, string resource = "POST /connect/token") => (await world.CallsAsync())["identity"]![resource]?.GetValue<int>() ?? 0;

    /// <summary>A fault with its seconds.</summary>
    public static async Task FaultAsync(World world, string fault, int seconds, string resource = "POST /connect/token") =>
        (await world.Simulator.PostAsJsonAsync("/simulator/faults", new { fault, resource, seconds })).EnsureSuccessStatusCode();

    /// <summary>What an app, or a thief, posts to an identity endpoint.</summary>
    public static async Task<JsonNode?> PostAsync(World world, string path, params (string Name, string Value)[] form)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value))) };
        request.Headers.Authorization = new("Basic", Convert.ToBase64String("simulator-app:simulator-app-secret-do-not-use"u8));
        using var answer = await world.Simulator.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    /// <summary>Another organisation in Xero.</summary>
    public static async Task<string> FoundAsync(World world, string name)
    {
        using var answer = await world.Simulator.PostAsJsonAsync("/simulator/organisations", new { name });
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["tenantId"]!.GetValue<string>();
    }

    public void Dispose() => _http.Dispose();
}
