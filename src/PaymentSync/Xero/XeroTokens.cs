using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace PaymentSync.Xero;

/// <summary>
/// Access tokens, kept in this node's memory and renewed before they end. Those of custom connections are asked for by each node;
/// those of OAuth connections are renewed by one node for all (<see cref="OAuthRefresh"/>).
/// </summary>
sealed class XeroTokens(XeroIdentity identity, OAuthRefresh refresh, XeroConnections connections, XeroSecrets secrets, TimeProvider time)
{
    public static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(2);
    static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(10);
    readonly ConcurrentDictionary<Guid, Token> _kept = new();
    readonly ConcurrentDictionary<Guid, SemaphoreSlim> _gates = new();

    sealed record Token(string TenantId, Answer.Granted Granted);

    /// <summary>A token, or why there is none now.</summary>
    public abstract record Answer
    {
        /// <param name="Version">Of the connection's tokens: a later one replaces it.</param>
        public sealed record Granted(string AccessToken, DateTimeOffset Ends, int Version) : Answer
        {
            public override string ToString() => $"granted until {Ends:u}";
        }

        /// <summary>The connection is ended; a person must connect again.</summary>
        public sealed record Disconnected(Disconnection Why) : Answer;

        /// <summary>Nothing is lost: later there may be one.</summary>
        public sealed record Unavailable(string Reason, TimeSpan RetryAfter) : Answer;
    }

    /// <param name="notThis">A token that Xero just refused: another one is asked for.</param>
    public async Task<Answer> GetAsync(XeroConnection connection, string? notThis, CancellationToken cancellationToken)
    {
        if (Kept(connection, notThis) is { } kept)
            return kept;
        // Lanes of one node ask once. Between nodes no lock is held: see the refresh.
        var gate = _gates.GetOrAdd(connection.OrganisationId, _ => new SemaphoreSlim(1, 1));
        await gate.WaitAsync(cancellationToken);
        try
        {
            if (Kept(connection, notThis) is { } meanwhile)
                return meanwhile;
            var answer = connection.Kind == ConnectionKind.OAUTH
                ? await refresh.GetAsync(connection, notThis, cancellationToken)
                : await AskAsync(connection, cancellationToken);
            if (answer is Answer.Granted granted)
                _kept[connection.OrganisationId] = new Token(connection.TenantId, granted);
            return answer;
        }
        finally
        {
            gate.Release();
        }
    }

    Answer.Granted? Kept(XeroConnection connection, string? notThis) =>
        _kept.TryGetValue(connection.OrganisationId, out var kept) && kept.TenantId == connection.TenantId && kept.Granted.Version >= connection.TokenVersion
        && kept.Granted.AccessToken != notThis && kept.Granted.Ends - RenewBefore > time.GetUtcNow()
            ? kept.Granted
            : null;

    async Task<Answer> AskAsync(XeroConnection connection, CancellationToken cancellationToken)
    {
        string secret;
        try
        {
            secret = secrets.ClientSecret(connection.ProtectedSecret!);
        }
        catch (CryptographicException)
        {
            return await DisconnectAsync(connection, Disconnection.Unreadable, cancellationToken);
        }
        return await identity.ClientCredentialsAsync(new XeroApp(connection.ClientId, secret), cancellationToken) switch
        {
            TokenReply.Granted granted => new Answer.Granted(granted.AccessToken, granted.Ends, connection.TokenVersion),
            TokenReply.Refused refused => await DisconnectAsync(connection, Disconnection.Refused(refused.Error), cancellationToken),
            TokenReply.NotUsed notUsed => new Answer.Unavailable(notUsed.Reason, TryAgainAfter),
            TokenReply.Lost lost => new Answer.Unavailable(lost.Reason, TryAgainAfter),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }

    async Task<Answer> DisconnectAsync(XeroConnection connection, Disconnection why, CancellationToken cancellationToken) =>
        await connections.DisconnectAsync(connection.OrganisationId, connection.TokenVersion, why, cancellationToken)
            ? new Answer.Disconnected(why)
            : new Answer.Unavailable("The connection was changed meanwhile.", TimeSpan.Zero);
}
