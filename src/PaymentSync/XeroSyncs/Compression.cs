using System.Buffers;
using System.IO.Compression;

namespace PaymentSync.XeroSyncs;

/// <summary>Brotli for the journal: batches of alike documents shrink to a twentieth at its fast setting.</summary>
static class Compression
{
    const int Quality = 4;
    const int Window = 22;

    public static byte[] Compress(ReadOnlySpan<byte> plain)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BrotliEncoder.GetMaxCompressedLength(plain.Length));
        try
        {
            return BrotliEncoder.TryCompress(plain, buffer, out var written, Quality, Window)
                ? buffer.AsSpan(0, written).ToArray()
                : throw new InvalidOperationException("Brotli refused a buffer of its own maximum size.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <exception cref="InvalidDataException">It is not what <see cref="Compress"/> made.</exception>
    public static byte[] Decompress(byte[] compressed)
    {
        using var plain = new MemoryStream();
        using (var brotli = new BrotliStream(new MemoryStream(compressed), CompressionMode.Decompress))
            brotli.CopyTo(plain);
        return plain.ToArray();
    }
}
