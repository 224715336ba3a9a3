using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;
using Npgsql;

namespace PaymentSync.Database;

/// <summary>The data-protection key ring in PostgreSQL, shared by all nodes. Each key is wrapped by the master key before it is stored.</summary>
sealed class KeyRing(NpgsqlDataSource database) : IXmlRepository
{
    // Data Protection's contract is synchronous; it reads the ring once a day and writes it once in 90.
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        using var command = database.CreateCommand("SELECT xml FROM paymentsync.data_protection_keys");
        using var reader = command.ExecuteReader();
        var elements = new List<XElement>();
        while (reader.Read())
            elements.Add(XElement.Parse(reader.GetString(0)));
        return elements;
    }

    public void StoreElement(XElement element, string friendlyName)
    {
        using var command = database.CreateCommand("INSERT INTO paymentsync.data_protection_keys (id, xml) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING");
        command.Parameters.AddWithValue(friendlyName);
        command.Parameters.AddWithValue(element.ToString(SaveOptions.DisableFormatting));
        command.ExecuteNonQuery();
    }
}

/// <summary>What wraps the key ring: PAYMENTSYNC_MASTER_KEY, any text of at least 16 characters.</summary>
sealed class MasterKey
{
    const int MinimumLength = 16;
    readonly byte[] _key;

    MasterKey(string secret) => _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret), 32, info: "PaymentSync key ring"u8.ToArray());

    /// <exception cref="StartException">Outside Development no usable master key is set.</exception>
    public static MasterKey From(IConfiguration configuration, IHostEnvironment environment)
    {
        var secret = configuration["PAYMENTSYNC_MASTER_KEY"];
        if (secret is { Length: >= MinimumLength })
            return new MasterKey(secret);
        if (secret is null or "" && environment.IsDevelopment())
            return new MasterKey("development only: not a secret");
        throw new StartException($"PAYMENTSYNC_MASTER_KEY must be set to at least {MinimumLength} characters: it encrypts the Xero credentials in the database. Make one with: openssl rand -base64 32");
    }

    public byte[] Wrap(byte[] plain)
    {
        using var aes = new AesGcm(_key, AesGcm.TagByteSizes.MaxSize);
        var wrapped = new byte[NonceSize + TagSize + plain.Length];
        RandomNumberGenerator.Fill(wrapped.AsSpan(0, NonceSize));
        aes.Encrypt(wrapped.AsSpan(0, NonceSize), plain, wrapped.AsSpan(NonceSize + TagSize), wrapped.AsSpan(NonceSize, TagSize));
        return wrapped;
    }

    /// <exception cref="StartException">The ring was wrapped by another master key.</exception>
    public byte[] Unwrap(byte[] wrapped)
    {
        using var aes = new AesGcm(_key, AesGcm.TagByteSizes.MaxSize);
        var plain = new byte[wrapped.Length - NonceSize - TagSize];
        try
        {
            aes.Decrypt(wrapped.AsSpan(0, NonceSize), wrapped.AsSpan(NonceSize + TagSize), wrapped.AsSpan(NonceSize, TagSize), plain);
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new StartException("PAYMENTSYNC_MASTER_KEY is not the key that the stored credentials were encrypted with. Set the former key. "
                + "If it is lost: delete the rows of paymentsync.data_protection_keys, start again, and connect every organisation anew.");
        }
        return plain;
    }

    static int NonceSize => AesGcm.NonceByteSizes.MaxSize;
    static int TagSize => AesGcm.TagByteSizes.MaxSize;
}

sealed class KeyRingEncryptor(MasterKey master) : IXmlEncryptor
{
    public EncryptedXmlInfo Encrypt(XElement plaintextElement) => new(
        new XElement("wrapped", Convert.ToBase64String(master.Wrap(Encoding.UTF8.GetBytes(plaintextElement.ToString(SaveOptions.DisableFormatting))))),
        typeof(KeyRingDecryptor));
}

/// <summary>Named in the stored XML and made by Data Protection itself, hence public and with this constructor.</summary>
public sealed class KeyRingDecryptor(IServiceProvider services) : IXmlDecryptor
{
    public XElement Decrypt(XElement encryptedElement) =>
        XElement.Parse(Encoding.UTF8.GetString(services.GetRequiredService<MasterKey>().Unwrap(Convert.FromBase64String(encryptedElement.Value))));
}

/// <summary>
/// Opens the whole ring at start. Data Protection itself would only log that it cannot read a key, and make a new one: what the former
/// one protects would be found to be unreadable much later, one organisation after another.
/// </summary>
sealed class KeyRingCheck(KeyRing ring, MasterKey master) : IHostedService
{
    /// <exception cref="StartException">A key of the ring was wrapped by another master key.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var wrapped in ring.GetAllElements().Descendants("wrapped"))
            master.Unwrap(Convert.FromBase64String(wrapped.Value));
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
