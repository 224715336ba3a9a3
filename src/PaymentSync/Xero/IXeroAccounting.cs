namespace PaymentSync.Xero;

/// <summary>The accounting conversation: our own client, or Xero's SDK. Whatever is not known to be nothing is <see cref="XeroReply.Unknown"/>.</summary>
interface IXeroAccounting
{
    /// <summary>A read. It changes nothing in Xero, so every failure of it is only a failed read.</summary>
    /// <param name="resource">Invoices, Contacts, Accounts, Currencies or Organisation.</param>
    /// <param name="query">From the question mark on, escaped; or empty.</param>
    Task<XeroReply> GetAsync(string resource, string query, XeroAccess access, CancellationToken cancellationToken);

    /// <summary>Creates what <paramref name="body"/> says. PUT refuses a taken number; POST would overwrite a stranger's document.</summary>
    /// <param name="resource">Invoices or Payments.</param>
    /// <param name="body">The intent's frozen bytes, JSON.</param>
    /// <param name="intendedAt">Monotonic time (Stopwatch) from before the intent was committed; older than Xero:MaxIntentAge it is not sent.</param>
    Task<XeroReply> PutAsync(string resource, byte[] body, string idempotencyKey, long intendedAt, XeroAccess access, CancellationToken cancellationToken);
}
