using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Xero.NetStandard.OAuth2.Client;

namespace PaymentSync.OfficialSdks;

/// <summary>The SDK's HTTP client, held to what calls that move money need.</summary>
/// <remarks>
/// The SDK makes its HttpClient itself and lets nobody set it up: it follows redirects, keeps cookies, and gives up after 100 s on its own. Its two fields are
/// reached by name; should a later version name them otherwise, the service does not start, instead of following a redirect with an invoice.
/// </remarks>
sealed class XeroSdkClient : ApiClient
{
    const int LongestAnswer = 32 * 1024 * 1024;
    readonly AsyncLocal<XeroSdkIntent?> _intent = new();

    public XeroSdkClient(string basePath) : base(basePath)
    {
        var handler = Handler(this);
        handler.AllowAutoRedirect = false;
        handler.UseCookies = false;
        handler.AutomaticDecompression = DecompressionMethods.All;
        var http = Http(this);
        http.Timeout = Timeout.InfiniteTimeSpan;
        http.MaxResponseContentBufferSize = LongestAnswer;
    }

    /// <summary>What the call that this flow is about to make stands for; null for a read.</summary>
    public XeroSdkIntent? Intent
    {
        set => _intent.Value = value;
    }

    protected override void InterceptRequest(HttpRequestMessage req)
    {
        if (req.Headers.TryGetValues("xero-tenant-id", out var tenants) && tenants.All(string.IsNullOrEmpty))
            req.Headers.Remove("xero-tenant-id");
        if (req.Content is { } written && _intent.Value is { } intent)
            req.Content = intent.Guard(written);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_httpClientHandler")]
    static extern ref HttpClientHandler Handler(ApiClient client);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_httpClient")]
    static extern ref HttpClient Http(ApiClient client);
}

/// <summary>Knows whether a byte of one write was ever handed to the connection, and stops it when its intent has grown too old just before.</summary>
/// <param name="intendedAt">Monotonic time (Stopwatch) from before the intent was committed.</param>
sealed class XeroSdkIntent(long intendedAt, TimeSpan maxAge)
{
    public bool Started { get; private set; }
    public bool TooOld { get; private set; }

    public HttpContent Guard(HttpContent written) => new Guarded(this, written);

    void Start()
    {
        if (Stopwatch.GetElapsedTime(intendedAt) > maxAge)
        {
            TooOld = true;
            throw new HttpRequestException("The intent is too old to be sent.");
        }
        Started = true;
    }

    sealed class Guarded : HttpContent
    {
        readonly XeroSdkIntent _intent;
        readonly HttpContent _written;

        public Guarded(XeroSdkIntent intent, HttpContent written)
        {
            (_intent, _written) = (intent, written);
            Headers.ContentType = written.Headers.ContentType;
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            _intent.Start();
            return _written.CopyToAsync(stream, context, cancellationToken);
        }

        protected override bool TryComputeLength(out long length) => (length = _written.Headers.ContentLength ?? -1) >= 0;

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _written.Dispose();
            base.Dispose(disposing);
        }
    }
}
