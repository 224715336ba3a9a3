using System.Collections.Concurrent;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Xero;

/// <summary>What one drain of one organisation shares between its lanes: the connection, the token, the budget, and which invoices it has read.</summary>
sealed class XeroSession(XeroConnection connection, string owner, string accessToken, XeroTokens tokens, CallBudget budget)
{
    const int MostSeen = 20_000;
    readonly ConcurrentDictionary<string, XeroInvoice> _seen = new(StringComparer.Ordinal);
    string _accessToken = accessToken;
    long _waitTicks;
    readonly Lock _renewing = new();
    readonly ConcurrentDictionary<SettingsPart, bool> _contradicted = new();
    readonly ConcurrentDictionary<string, DateTime> _recovered = new(StringComparer.Ordinal);
    readonly Task<TenantSettings>?[] _settings = new Task<TenantSettings>?[2];
    string? _renewedFrom;
    Task<bool> _renewal = Task.FromResult(false);
    volatile bool _refused;
    volatile XeroTokens.Answer? _noToken;

    public Guid Organisation => connection.OrganisationId;
    public string TenantId => connection.TenantId;
    /// <summary>The drain's name on rows, slots and leases.</summary>
    public string Owner => owner;
    /// <summary>A custom connection names no tenant: its token is good for one only.</summary>
    public XeroAccess Access => new(Volatile.Read(ref _accessToken), connection.Kind == ConnectionKind.OAUTH ? connection.TenantId : null);
    /// <summary>Xero said that the organisation is not connected (403), or refused a token it gave a moment ago: this drain makes no further call.</summary>
    public bool Refused => _refused;
    /// <summary>Set when a token was refused and no other was to be had: why.</summary>
    public XeroTokens.Answer? NoToken => _noToken;
    /// <summary>Set when the budget refused a call: how long until it grants one again.</summary>
    public TimeSpan? Wait => Volatile.Read(ref _waitTicks) is > 0 and var ticks ? TimeSpan.FromTicks(ticks) : null;

    /// <summary>A slot for one call, or null: no call now, and <see cref="Wait"/> says how long, unless nothing is called any more.</summary>
    public Task<CallSlot?> ReserveAsync(CancellationToken cancellationToken) => ReserveAsync(forLook: false, cancellationToken);

    /// <inheritdoc cref="ReserveAsync(CancellationToken)"/>
    public async Task<CallSlot?> ReserveAsync(bool forLook, CancellationToken cancellationToken)
    {
        if (_refused || _noToken is not null)
            return null;
        var slot = await budget.ReserveAsync(TenantId, owner, forLook, cancellationToken);
        if (slot.IsGranted)
            return slot;
        Volatile.Write(ref _waitTicks, Math.Max(1, slot.Wait!.Value.Ticks));
        return null;
    }

    public Task AnsweredAsync(CallSlot slot, XeroReply reply)
    {
        if (reply is XeroReply.Answered { Status: 403 })
            _refused = true;
        return budget.AnsweredAsync(slot, reply, CancellationToken.None);
    }

    public Task GiveBackAsync(CallSlot slot) => budget.GiveBackAsync(slot, CancellationToken.None);

    /// <summary>After a 401: another token, or false when there is none. Once in a drain: what Xero refuses again, it does not refuse for its age.</summary>
    public Task<bool> RenewAsync(XeroAccess refused, CancellationToken cancellationToken)
    {
        lock (_renewing)
        {
            if (_renewedFrom is null)
            {
                _renewedFrom = refused.AccessToken;
                _renewal = RenewOnceAsync(refused.AccessToken, cancellationToken);
            }
            else if (_renewedFrom != refused.AccessToken)
            {
                _refused = true;
                return Task.FromResult(false);
            }
            // Lanes that come with the same old token get the same new one.
            return _renewal;
        }
    }

    async Task<bool> RenewOnceAsync(string refused, CancellationToken cancellationToken)
    {
        var answer = await tokens.GetAsync(connection, notThis: refused, cancellationToken);
        if (answer is XeroTokens.Answer.Granted granted)
            Volatile.Write(ref _accessToken, granted.AccessToken);
        else
            _noToken = answer;
        return answer is XeroTokens.Answer.Granted;
    }

    /// <summary>The organisation's settings in Xero, read by the lane that needs them first: once as they are known, and once to be sure before a no.</summary>
    public Task<TenantSettings> SettingsAsync(bool sure, Func<Task<TenantSettings>> read)
    {
        lock (_renewing)
            return _settings[sure ? 1 : 0] ??= read();
    }

    /// <summary>What Xero refused in this drain for settings that were not foreseen to refuse it.</summary>
    public ICollection<SettingsPart> Contradicted => _contradicted.Keys;
    /// <summary>Codes of which a row went through.</summary>
    public ICollection<string> Recovered => _recovered.Keys;
    /// <summary>The database's time of the latest claim that went through: rows that were refused before it are worth a try.</summary>
    public DateTime RecoveredAt => _recovered.Values.Max();

    /// <summary>What Xero's answer to a sent document tells about its other documents.</summary>
    public void Learn(SyncResult result)
    {
        if (result.Status != XeroSyncStatus.SUCCESS)
        {
            foreach (var part in result.FailureCode is { } code ? Refusals.SeenIn(code) : [])
                _contradicted[part] = true;
            return;
        }
        if (result.Sync.SyncType == XeroSyncType.INVOICE)
            _recovered[Refusals.PlanLimit] = result.Sync.ClaimedAt;
        if (result.Sync.FailureCode is { } former && Refusals.WaitingCodes.Contains(former, StringComparer.Ordinal) && Refusals.SeenIn(former).Length == 0)
            _recovered[former] = result.Sync.ClaimedAt;
    }

    /// <summary>The invoice as Xero showed it during this drain, if it did.</summary>
    public XeroInvoice? Seen(string? invoiceId) => invoiceId is not null && _seen.TryGetValue(invoiceId, out var invoice) ? invoice : null;

    public void Saw(XeroInvoice invoice)
    {
        if (_seen.Count > MostSeen)
            _seen.Clear();
        _seen[invoice.Id!] = invoice;
    }

    /// <summary>We are about to change it: what was read is no longer its state.</summary>
    public void Forget(string invoiceId) => _seen.TryRemove(invoiceId, out _);
}
