using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace PaymentSync.Tests.Testing;

/// <summary>
/// Stands between the service and the simulator and changes Xero's answers on the way: for what Xero may do and the simulator, which
/// keeps its rules, never does.
/// </summary>
sealed class TamperingProxy : IAsyncDisposable
{
    readonly WebApplication _app;
    readonly HttpClient _behind;

    TamperingProxy(WebApplication app, HttpClient behind) => (_app, _behind) = (app, behind);

    public string Url => _app.Urls.First();

    /// <summary>Gets "METHOD resource" and the answer's body; what it does to the body is sent.</summary>
    public Action<string, JsonNode>? OnAnswer { get; set; }

    /// <summary>Gets "METHOD resource"; a status and text here is the answer, and the simulator sees nothing.</summary>
    public Func<string, string, (int Status, string Body)?>? OnRequest { get; set; }

    /// <summary>Gets each exchange as it passed, after all tampering.</summary>
    public Action<Exchange>? OnExchange { get; set; }

    public static async Task<TamperingProxy> StartAsync(Uri simulator, string url = "http://127.0.0.1:0")
    {
        var builder = WebApplication.CreateSlimBuilder(["--urls", url]);
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var proxy = new TamperingProxy(app, new HttpClient { BaseAddress = simulator });
        app.Run(proxy.PassAsync);
        await app.StartAsync();
        return proxy;
    }

    async Task PassAsync(HttpContext context)
    {
        var resource = $"{context.Request.Method} {context.Request.Path.Value!.Replace("/api.xro/2.0", "", StringComparison.Ordinal)}";
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        if (OnRequest?.Invoke(resource, System.Text.Encoding.UTF8.GetString(body.ToArray())) is { } instead)
        {
            context.Response.StatusCode = instead.Status;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(instead.Body);
            return;
        }
        using var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), context.Request.Path + context.Request.QueryString);
        if (body.Length > 0)
            request.Content = new ByteArrayContent(body.ToArray());
        foreach (var header in context.Request.Headers.Where(header => header.Key is not ("Host" or "Content-Length" or "Connection")))
        {
            if (!request.Headers.TryAddWithoutValidation(header.Key, header.Value.ToArray()))
                request.Content?.Headers.TryAddWithoutValidation(header.Key, header.Value.ToArray());
        }
        using var answer = await _behind.SendAsync(request);
        context.Response.StatusCode = (int)answer.StatusCode;
        foreach (var header in answer.Headers.Where(header => header.Key != "Transfer-Encoding"))
            context.Response.Headers[header.Key] = header.Value.ToArray();
        context.Response.ContentType = answer.Content.Headers.ContentType?.ToString();
        var text = await answer.Content.ReadAsStringAsync();
        if (OnAnswer is not null && text.StartsWith('{'))
        {
            var json = JsonNode.Parse(text)!;
            OnAnswer(resource, json);
            text = json.ToJsonString();
        }
        OnExchange?.Invoke(new Exchange(
            context.Request.Method, context.Request.Path.Value!.Replace("/api.xro/2.0", "", StringComparison.Ordinal),
            context.Request.Query.ToDictionary(parameter => parameter.Key, parameter => parameter.Value.ToString(), StringComparer.Ordinal),
            context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            System.Text.Encoding.UTF8.GetString(body.ToArray()), (int)answer.StatusCode, text));
        await context.Response.WriteAsync(text);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _behind.Dispose();
    }
}

/// <summary>One call to the accounting API and its answer.</summary>
/// <param name="Path">Below the API's base: <c>/Invoices</c>.</param>
sealed record Exchange(string Method, string Path, IReadOnlyDictionary<string, string> Query, IReadOnlyDictionary<string, string> Headers, string Body, int Status, string Answer);
