using System.Text;
using Microsoft.AspNetCore.DataProtection;

namespace PaymentSync.Xero;

/// <summary>
/// Encrypts what the database keeps of Xero's credentials. Tokens and verifiers are bound to their organisation: the bytes of one
/// row are of no use in another.
/// </summary>
sealed class XeroSecrets(IDataProtectionProvider protection)
{
    readonly IDataProtector _clientSecrets = protection.CreateProtector("PaymentSync.XeroCredentials.v1");
    readonly IDataProtector _tokens = protection.CreateProtector("PaymentSync.XeroTokens.v1");
    readonly IDataProtector _verifiers = protection.CreateProtector("PaymentSync.OAuthVerifier.v1");

    public byte[] ProtectClientSecret(string secret) => _clientSecrets.Protect(Encoding.UTF8.GetBytes(secret));

    /// <exception cref="System.Security.Cryptography.CryptographicException">The key ring no longer has the key it was encrypted with.</exception>
    public string ClientSecret(byte[] kept) => Encoding.UTF8.GetString(_clientSecrets.Unprotect(kept));

    public byte[] ProtectToken(Guid organisation, string token) => Of(_tokens, organisation).Protect(Encoding.UTF8.GetBytes(token));

    /// <inheritdoc cref="ClientSecret"/>
    public string Token(Guid organisation, byte[] kept) => Encoding.UTF8.GetString(Of(_tokens, organisation).Unprotect(kept));

    public byte[] ProtectVerifier(Guid organisation, string verifier) => Of(_verifiers, organisation).Protect(Encoding.UTF8.GetBytes(verifier));

    /// <inheritdoc cref="ClientSecret"/>
    public string Verifier(Guid organisation, byte[] kept) => Encoding.UTF8.GetString(Of(_verifiers, organisation).Unprotect(kept));

    static IDataProtector Of(IDataProtector protector, Guid organisation) => protector.CreateProtector(organisation.ToString());
}
