namespace PaymentSync.Xero;

/// <summary>Reads from Xero under a drain's token and budget. A read changes nothing, so whatever goes wrong is only a failed read.</summary>
sealed class XeroReads(IXeroAccounting client, Telemetry.Metrics metrics)
{
    /// <param name="resource">For example Invoices.</param>
    /// <param name="slot">Used up.</param>
    /// <returns>Null: our token had ended, and the budget had no call left to ask with the new one. Nobody refused that one.</returns>
    public async Task<XeroReply?> GetAsync(XeroSession session, string resource, string query, CallSlot slot, CancellationToken stopping)
    {
        for (var renewed = false; ; renewed = true)
        {
            var access = session.Access;
            var reply = await client.GetAsync(resource, query, access, CancellationToken.None);
            await session.AnsweredAsync(slot, reply);
            metrics.XeroCalled($"GET /{resource}", reply);
            if (reply is not XeroReply.Answered { Status: 401 } || renewed || !await session.RenewAsync(access, stopping))
                return reply;
            if (await session.ReserveAsync(forLook: true, stopping) is not { } next)
                return null;
            slot = next;
        }
    }
}
