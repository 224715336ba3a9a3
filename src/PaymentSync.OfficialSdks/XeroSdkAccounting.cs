using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;
using PaymentSync.Xero;
using PaymentSync.XeroSyncs;
using Xero.NetStandard.OAuth2.Api;
using Xero.NetStandard.OAuth2.Client;

namespace PaymentSync.OfficialSdks;

/// <summary>The accounting conversation through Xero's SDK: its resources, its models, its client.</summary>
/// <remarks>
/// What is handed on is Xero's own text once the SDK has read it, not the SDK's models written again: those leave out every field and every word that is newer than
/// they are, and the journal keeps what Xero said. A 200 that the SDK cannot read, for one new word in an enum for example, is Unknown:
/// what was sent is looked up, and what was looked up stays unknown. One client is kept, since each brings its own connections.
/// </remarks>
sealed class XeroSdkAccounting : IXeroAccounting, IDisposable
{
    // A custom connection names no tenant, but the SDK insists on one; the empty one does not leave (XeroSdkClient).
    const string NoTenant = "";

    readonly XeroOptions _options;
    readonly XeroSdkClient _client;
    readonly AccountingApi _api;

    public XeroSdkAccounting(IOptions<XeroOptions> options)
    {
        _options = options.Value;
        var basePath = _options.ApiUrl.AbsoluteUri.TrimEnd('/');
        _client = new XeroSdkClient(basePath);
        // The SDK starts a timer for its time-out at every call, does not obey it, and never ends it; with 0 there is none, and the token bounds the call.
        _api = new AccountingApi(_client, _client, new Configuration { BasePath = basePath, Timeout = 0 })
        {
            ExceptionFactory = static (_, response) => (int)response.StatusCode is >= 200 and < 300 ? null : new Refused(response),
        };
    }

    public void Dispose() => _client.Dispose();

    public Task<XeroReply> GetAsync(string resource, string query, XeroAccess access, CancellationToken cancellationToken)
    {
        var asked = QueryHelpers.ParseQuery(query);
        var (token, tenant) = (access.AccessToken, access.TenantId ?? NoTenant);
        return resource switch
        {
            "Invoices" => GetInvoicesAsync(asked, access, cancellationToken),
            "Contacts" => CallAsync(stop => _api.GetContactsAsyncWithHttpInfo(token, tenant, where: Only(asked, "where"), includeArchived: Flag(asked, "includeArchived"), page: Number(asked, "page"), pageSize: Number(asked, "pageSize"), cancellationToken: stop), null, cancellationToken),
            "Accounts" => CallAsync(stop => _api.GetAccountsAsyncWithHttpInfo(token, tenant, cancellationToken: stop), null, cancellationToken),
            "Currencies" => CallAsync(stop => _api.GetCurrenciesAsyncWithHttpInfo(token, tenant, cancellationToken: stop), null, cancellationToken),
            "TaxRates" => CallAsync(stop => _api.GetTaxRatesAsyncWithHttpInfo(token, tenant, cancellationToken: stop), null, cancellationToken),
            "Organisation" => CallAsync(stop => _api.GetOrganisationsAsyncWithHttpInfo(token, tenant, stop), null, cancellationToken),
            _ => throw new ArgumentOutOfRangeException(nameof(resource), resource, "Not a resource that is read through Xero's SDK."),
        };
    }

    /// <remarks>
    /// The frozen bytes become the SDK's models, and what is sent is what the SDK writes of them: the same document in other bytes, and in the same bytes each time, which the
    /// idempotency key needs. A document that its models cannot carry is not sent.
    /// </remarks>
    public Task<XeroReply> PutAsync(string resource, byte[] body, string idempotencyKey, long intendedAt, XeroAccess access, CancellationToken cancellationToken)
    {
        var (token, tenant) = (access.AccessToken, access.TenantId ?? NoTenant);
        var intent = new XeroSdkIntent(intendedAt, _options.MaxIntentAge);
        return resource switch
        {
            "Invoices" => CallAsync(stop => _api.CreateInvoicesAsyncWithHttpInfo(token, tenant, SentInvoices.Read(body), summarizeErrors: false, unitdp: 4, idempotencyKey, stop), intent, cancellationToken),
            "Payments" => CallAsync(stop => _api.CreatePaymentsAsyncWithHttpInfo(token, tenant, SentPayments.Read(body), summarizeErrors: false, idempotencyKey, stop), intent, cancellationToken),
            _ => throw new ArgumentOutOfRangeException(nameof(resource), resource, "Not a resource that is written through Xero's SDK."),
        };
    }

    Task<XeroReply> GetInvoicesAsync(Dictionary<string, StringValues> asked, XeroAccess access, CancellationToken cancellationToken)
    {
        var ids = new List<Guid>();
        foreach (var text in List(asked, "IDs") ?? [])
        {
            if (!Guid.TryParse(text, out var id))
                return Task.FromResult<XeroReply>(new XeroReply.NotSent($"{text} is no id of Xero's."));
            ids.Add(id);
        }
        return CallAsync(stop => _api.GetInvoicesAsyncWithHttpInfo(access.AccessToken, access.TenantId ?? NoTenant, iDs: ids.Count > 0 ? ids : null, invoiceNumbers: List(asked, "InvoiceNumbers"),
            page: Number(asked, "page"), pageSize: Number(asked, "pageSize"), cancellationToken: stop), null, cancellationToken);
    }

    async Task<XeroReply> CallAsync<T>(Func<CancellationToken, Task<ApiResponse<T>>> call, XeroSdkIntent? intent, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(_options.CallTimeout);
        _client.Intent = intent;
        try
        {
            var response = await call(timeout.Token);
            return new XeroReply.Answered((int)response.StatusCode, await ((HttpContent)response.Content).ReadAsByteArrayAsync(timeout.Token), Headers(response.Headers));
        }
        catch (Refused refused)
        {
            return refused.Reply;
        }
        // Whatever else the SDK throws says nothing about what Xero did; only our own content knows whether a byte of it left.
        catch (Exception problem)
        {
            if (intent is { Started: false })
                return new XeroReply.NotSent(intent.TooOld ? "The intent was too old to be sent." : Reason(problem));
            return problem switch
            {
                OperationCanceledException => new XeroReply.Unknown(FailureCodes.TimedOut, $"Xero did not answer within {_options.CallTimeout.TotalSeconds:0} seconds.", null, null),
                HttpRequestException or IOException => new XeroReply.Unknown(FailureCodes.ConnectionLost, $"The connection to Xero was lost after the request was sent ({Reason(problem)}).", null, null),
                // The SDK calls this status 500, whatever it was.
                _ => new XeroReply.Unknown(FailureCodes.AnswerUnreadable, $"Xero's SDK cannot read the answer ({Reason(problem)}).", null, null),
            };
        }
    }

    /// <summary>An answer that is no yes, with all that the SDK's own exceptions leave out.</summary>
    sealed class Refused(IApiResponse response) : Exception
    {
        public XeroReply Reply { get; } = new XeroReply.Answered((int)response.StatusCode, Encoding.UTF8.GetBytes((string)response.Content), Headers(response.Headers));
    }

    static XeroHeaders Headers(Multimap<string, string> headers)
    {
        string? First(string name) => headers.FirstOrDefault(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value?.FirstOrDefault();
        int? Whole(string name) => int.TryParse(First(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
        return new XeroHeaders(First("Xero-Correlation-Id"), Whole("X-DayLimit-Remaining"), Whole("X-AppMinLimit-Remaining"), First("X-Rate-Limit-Problem"),
            Whole("Retry-After") is { } seconds ? TimeSpan.FromSeconds(seconds) : null);
    }

    static string Reason(Exception problem) => problem switch
    {
        HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } http => http.HttpRequestError.ToString(),
        OperationCanceledException => "time-out",
        _ => problem.GetType().Name,
    };

    static string? Only(Dictionary<string, StringValues> asked, string name) => asked.TryGetValue(name, out var values) ? values.ToString() : null;

    static List<string>? List(Dictionary<string, StringValues> asked, string name) => Only(asked, name)?.Split(',').ToList();

    static int? Number(Dictionary<string, StringValues> asked, string name) => Only(asked, name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    static bool? Flag(Dictionary<string, StringValues> asked, string name) => Only(asked, name) is { } text ? bool.Parse(text) : null;
}
