using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli;

/// <summary>A service refused, or does not answer. The message is the sentence to show.</summary>
sealed class ApiException(string message) : Exception(message);

/// <summary>JSON over HTTP to one address. Whatever is no success becomes an <see cref="ApiException"/>.</summary>
/// <param name="who">The service's name in sentences.</param>
sealed class Api(string who, Uri address, string? key) : IDisposable
{
    readonly HttpClient _client = new()
    {
        BaseAddress = address,
        Timeout = TimeSpan.FromSeconds(30),
        DefaultRequestHeaders = { Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key) },
    };

    public Uri Address => address;
    public string? Key => key;

    public Task<JsonNode> GetAsync(string path, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, body: null, cancellationToken);

    /// <returns>Null: there is no such thing.</returns>
    public Task<JsonNode?> FindAsync(string path, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, body: null, mayBeMissing: true, cancellationToken);

    public async Task<JsonNode> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancellationToken) =>
        (await SendAsync(method, path, body, mayBeMissing: false, cancellationToken))!;

    async Task<JsonNode?> SendAsync(HttpMethod method, string path, JsonNode? body, bool mayBeMissing, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative)) { Content = body is null ? null : JsonContent.Create(body) };
        using var answer = await SendAsync(request, cancellationToken);
        var text = await answer.Content.ReadAsStringAsync(cancellationToken);
        if (mayBeMissing && answer.StatusCode == System.Net.HttpStatusCode.NotFound)
            return null;
        if (!answer.IsSuccessStatusCode)
            throw new ApiException(Sentence((int)answer.StatusCode, text));
        return Read(text) ?? throw new ApiException($"{who} at {address} answered {method} {path} without JSON. Is another program listening there?");
    }

    /// <summary>An answer of any length, line by line as it comes.</summary>
    public async IAsyncEnumerable<string> LinesAsync(string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(path, UriKind.Relative));
        using var answer = await SendAsync(request, cancellationToken, HttpCompletionOption.ResponseHeadersRead);
        if (!answer.IsSuccessStatusCode)
            throw new ApiException(Sentence((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(cancellationToken)));
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(cancellationToken));
        while (await lines.ReadLineAsync(cancellationToken) is { } line)
            yield return line;
    }

    /// <summary>The bare exchange; the answer's status is the caller's business.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken, HttpCompletionOption until = HttpCompletionOption.ResponseContentRead)
    {
        try
        {
            return await _client.SendAsync(request, until, cancellationToken);
        }
        catch (HttpRequestException problem)
        {
            throw new ApiException($"{who} does not answer at {address} ({problem.Message}). Is it running? ./dev up starts it.");
        }
        catch (TaskCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ApiException($"{who} at {address} did not answer within {_client.Timeout.TotalSeconds:0} seconds.");
        }
    }

    public void Dispose() => _client.Dispose();

    string Sentence(int status, string text)
    {
        var problem = Read(text) as JsonObject;
        var sentence = status == 401 ? $"{who} does not know this operator key; check --key or PAYMENTSYNC_KEY." : problem.Text("detail") ?? problem.Text("title") ?? $"{who} at {address} answered {status}.";
        return problem.Text("code") is { } code ? $"{sentence} ({code})" : sentence;
    }

    static JsonNode? Read(string text)
    {
        try
        {
            return text.Length == 0 ? new JsonObject() : JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
