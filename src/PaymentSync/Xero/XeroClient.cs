using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Options;

namespace PaymentSync.Xero;

/// <summary>What came back from one call: a closed set, so that the caller has to say what each means for the rows.</summary>
abstract record XeroReply
{
    /// <summary>Xero answered and the answer was read to its end.</summary>
    public sealed record Answered(int Status, byte[] Body, XeroHeaders Headers) : XeroReply;

    /// <summary>No byte of the request's body left this machine: nothing can have come of it.</summary>
    public sealed record NotSent(string Reason) : XeroReply;

    /// <summary>It was sent, and what came of it is not known.</summary>
    public sealed record Unknown(string Code, string Reason, int? Status, XeroHeaders? Headers) : XeroReply;
}

/// <summary>What Xero says beside its answers. Header names arrive in any case.</summary>
sealed record XeroHeaders(string? CorrelationId, int? RemainingToday, int? AppRemainingThisMinute, string? LimitProblem, TimeSpan? RetryAfter)
{
    public static XeroHeaders From(HttpResponseMessage response) => new(
        First(response, "Xero-Correlation-Id"),
        Number(response, "X-DayLimit-Remaining"),
        Number(response, "X-AppMinLimit-Remaining"),
        First(response, "X-Rate-Limit-Problem"),
        response.Headers.RetryAfter?.Delta);

    static string? First(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;

    static int? Number(HttpResponseMessage response, string name) =>
        int.TryParse(First(response, name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}

/// <summary>HTTP to Xero: one pooled client, a total time-out for each call, no redirects followed, nothing retried underneath.</summary>
sealed class XeroClient : IXeroAccounting, IDisposable
{
    const int LongestAnswer = 32 * 1024 * 1024;
    readonly HttpClient _http;
    readonly XeroOptions _options;

    public XeroClient(IOptions<XeroOptions> options)
    {
        _options = options.Value;
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.All,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            UseCookies = false,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LongestAnswer,
        };
    }

    public void Dispose() => _http.Dispose();

    public Task<XeroReply> GetAsync(string resource, string query, XeroAccess access, CancellationToken cancellationToken) =>
        CallAsync(new HttpRequestMessage(HttpMethod.Get, Address(resource + query)), access, content: null, cancellationToken);

    public Task<XeroReply> PutAsync(string resource, byte[] body, string idempotencyKey, long intendedAt, XeroAccess access, CancellationToken cancellationToken)
    {
        var content = new IntentContent(body, "application/json", intendedAt, _options.MaxIntentAge);
        var request = new HttpRequestMessage(HttpMethod.Put, Address(resource == "Invoices" ? "Invoices?summarizeErrors=false&unitdp=4" : $"{resource}?summarizeErrors=false")) { Content = content };
        request.Headers.Add("Idempotency-Key", idempotencyKey);
        return CallAsync(request, access, content, cancellationToken);
    }

    /// <summary>A form post to an identity endpoint, with the app's credentials in the Basic header.</summary>
    /// <param name="path">Below Xero:IdentityUrl, for example /connect/token.</param>
    /// <param name="intendedAt">Monotonic time (Stopwatch) from before the right to ask was taken.</param>
    public async Task<XeroReply> PostFormAsync(string path, XeroApp app, IReadOnlyDictionary<string, string> form, long intendedAt, CancellationToken cancellationToken)
    {
        using var fields = new FormUrlEncodedContent(form);
        var content = new IntentContent(await fields.ReadAsByteArrayAsync(cancellationToken), "application/x-www-form-urlencoded", intendedAt, _options.MaxIntentAge);
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_options.IdentityUrl, path)) { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic",
            Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"{Uri.EscapeDataString(app.ClientId)}:{Uri.EscapeDataString(app.ClientSecret)}")));
        return await SendAsync(request, content, cancellationToken);
    }

    /// <summary>GET /connections, which lives beside the accounting API, at its host's root.</summary>
    public Task<XeroReply> GetConnectionsAsync(string accessToken, CancellationToken cancellationToken) =>
        CallAsync(new HttpRequestMessage(HttpMethod.Get, new Uri(_options.ApiUrl, "/connections")), new XeroAccess(accessToken, TenantId: null), content: null, cancellationToken);

    /// <summary>DELETE /connections/{id}: the organisation no longer lets the app in.</summary>
    public Task<XeroReply> DeleteConnectionAsync(string connectionId, string accessToken, CancellationToken cancellationToken) =>
        CallAsync(new HttpRequestMessage(HttpMethod.Delete, new Uri(_options.ApiUrl, $"/connections/{Uri.EscapeDataString(connectionId)}")), new XeroAccess(accessToken, TenantId: null), content: null, cancellationToken);

    Uri Address(string pathAndQuery) => new($"{_options.ApiUrl.AbsoluteUri.TrimEnd('/')}/{pathAndQuery}");

    Task<XeroReply> CallAsync(HttpRequestMessage request, XeroAccess access, IntentContent? content, CancellationToken cancellationToken)
    {
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", access.AccessToken);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (access.TenantId is not null)
            request.Headers.Add("xero-tenant-id", access.TenantId);
        return SendAsync(request, content, cancellationToken);
    }

    async Task<XeroReply> SendAsync(HttpRequestMessage request, IntentContent? content, CancellationToken cancellationToken)
    {
        using var _ = request;
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(_options.CallTimeout);
        int? status = null;
        XeroHeaders? headers = null;
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
            status = (int)response.StatusCode;
            headers = XeroHeaders.From(response);
            await response.Content.LoadIntoBufferAsync(LongestAnswer, timeout.Token);
            return new XeroReply.Answered(status.Value, await response.Content.ReadAsByteArrayAsync(timeout.Token), headers);
        }
        catch (Exception problem) when (problem is HttpRequestException or OperationCanceledException or IOException)
        {
            if (content is { Started: false })
                return new XeroReply.NotSent(content.TooOld ? "The intent was too old to be sent." : Reason(problem));
            return problem is OperationCanceledException
                ? new XeroReply.Unknown(XeroSyncs.FailureCodes.TimedOut, $"Xero did not answer within {_options.CallTimeout.TotalSeconds:0} seconds.", status, headers)
                : new XeroReply.Unknown(XeroSyncs.FailureCodes.ConnectionLost, $"The connection to Xero was lost after the request was sent ({Reason(problem)}).", status, headers);
        }
    }

    static string Reason(Exception problem) => problem switch
    {
        HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } http => http.HttpRequestError.ToString(),
        OperationCanceledException => "time-out",
        _ => problem.GetType().Name,
    };

    /// <summary>
    /// The frozen bytes of an intent. It knows whether a byte of it was ever handed to the socket (the connection stands by then), and
    /// refuses to start when the intent has grown too old: its rows may have been verified as absent by somebody else since.
    /// </summary>
    sealed class IntentContent : HttpContent
    {
        readonly byte[] _body;
        readonly long _intendedAt;
        readonly TimeSpan _maxAge;

        public IntentContent(byte[] body, string mediaType, long intendedAt, TimeSpan maxAge)
        {
            (_body, _intendedAt, _maxAge) = (body, intendedAt, maxAge);
            Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        }

        public bool Started { get; private set; }
        public bool TooOld { get; private set; }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            if (Stopwatch.GetElapsedTime(_intendedAt) > _maxAge)
            {
                TooOld = true;
                throw new HttpRequestException("The intent is too old to be sent.");
            }
            Started = true;
            await stream.WriteAsync(_body, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = _body.Length;
            return true;
        }
    }
}

/// <summary>An app registered with Xero: the pair of Xero:ClientId and Xero:ClientSecret, or that of one custom connection.</summary>
sealed record XeroApp(string ClientId, string ClientSecret)
{
    public override string ToString() => $"app {ClientId}";
}

/// <summary>What a call is made with. A custom connection's calls name no tenant.</summary>
sealed record XeroAccess(string AccessToken, string? TenantId)
{
    public override string ToString() => $"access to tenant {TenantId ?? "(custom connection)"}";
}
