using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace PaymentSync.EndToEnd.Killing;

/// <summary>One connection to PostgreSQL, one statement (or what the driver sends with it up to its Sync) at a time.</summary>
sealed partial class PostgresWire(KillGate gate, Stream client, Func<CancellationToken, Task<Stream>> connect)
{
    const int Cancel = 80877102;
    const int Encrypt = 80877103;
    const int EncryptGss = 80877104;
    const int LabelLength = 72;
    readonly Dictionary<string, string> _prepared = new(StringComparer.Ordinal);

    public async Task ServeAsync(CancellationToken process)
    {
        byte[] first;
        while (true)
        {
            first = await ReadStartAsync(process);
            if (BinaryPrimitives.ReadInt32BigEndian(first.AsSpan(4)) is not (Encrypt or EncryptGss))
                break;
            await client.WriteAsync("N"u8.ToArray(), process);
        }
        await using var server = await connect(process);
        await server.WriteAsync(first, process);
        if (BinaryPrimitives.ReadInt32BigEndian(first.AsSpan(4)) == Cancel)
            return;
        await LogInAsync(server, process);
        while (await PassAsync(server, process))
        {
            // The next one.
        }
    }

    async Task LogInAsync(Stream server, CancellationToken process)
    {
        byte[] frame;
        do
        {
            frame = await ReadFrameAsync(server, process);
            await client.WriteAsync(frame, process);
            // Clear text, MD5, SASL and its second step wait for the client's word.
            if (frame[0] == 'R' && BinaryPrimitives.ReadInt32BigEndian(frame.AsSpan(5)) is 3 or 5 or 10 or 11)
                await server.WriteAsync(await ReadFrameAsync(client, process), process);
        }
        while (frame[0] != 'Z');
    }

    /// <returns>False: the client said good-bye.</returns>
    async Task<bool> PassAsync(Stream server, CancellationToken process)
    {
        using var asked = new MemoryStream();
        var statements = new List<string>();
        byte[] frame;
        do
        {
            frame = await ReadFrameAsync(client, process);
            asked.Write(frame);
            Note(frame, statements);
        }
        while (frame[0] is not ((byte)'S' or (byte)'Q' or (byte)'X'));
        await gate.UnlessDyingAsync(process);
        var death = Meet(string.Join("; ", statements));
        if (death == Moment.Before)
            await gate.DieAsync(process);
        await server.WriteAsync(asked.GetBuffer().AsMemory(0, (int)asked.Length), process);
        if (frame[0] == 'X')
            return false;

        using var answer = new MemoryStream();
        do
        {
            frame = await ReadFrameAsync(server, process);
            answer.Write(frame);
        }
        while (frame[0] != 'Z');
        if (death == Moment.After)
            await gate.DieAsync(process);
        await gate.UnlessDyingAsync(process);
        await client.WriteAsync(answer.GetBuffer().AsMemory(0, (int)answer.Length), process);
        return true;
    }

    Moment? Meet(string text) =>
        text.Length == 0 ? null
        : Driver().IsMatch(text) ? gate.Meet(PointKind.Driver, Label(text), Moment.Before)
        : Changes().IsMatch(text) ? gate.Meet(PointKind.Change, Label(text), Moment.Before, Moment.After)
        : gate.Meet(PointKind.Read, Label(text), Moment.Before);

    void Note(byte[] frame, List<string> statements)
    {
        var body = frame.AsSpan(5);
        switch ((char)frame[0])
        {
            case 'Q':
                statements.Add(Text(ref body));
                break;
            case 'P':
                var name = Text(ref body);
                _prepared[name] = Text(ref body);
                break;
            case 'B':
                Text(ref body);
                statements.Add(_prepared.GetValueOrDefault(Text(ref body), ""));
                break;
        }
    }

    static string Text(ref Span<byte> from)
    {
        var end = from.IndexOf((byte)0);
        var text = Encoding.UTF8.GetString(from[..end]);
        from = from[(end + 1)..];
        return text;
    }

    /// <summary>Statements often begin alike, so a mark of the whole text tells them apart.</summary>
    static string Label(string statement)
    {
        var words = Blanks().Replace(statement, " ").Trim();
        return words.Length <= LabelLength ? words : $"{words[..LabelLength]}… #{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(words)))[..4]}";
    }

    async Task<byte[]> ReadStartAsync(CancellationToken process)
    {
        var length = new byte[4];
        await client.ReadExactlyAsync(length, process);
        var message = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
        length.CopyTo(message, 0);
        await client.ReadExactlyAsync(message.AsMemory(4), process);
        return message;
    }

    static async Task<byte[]> ReadFrameAsync(Stream from, CancellationToken process)
    {
        var head = new byte[5];
        await from.ReadExactlyAsync(head, process);
        var frame = new byte[1 + BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(1))];
        head.CopyTo(frame, 0);
        await from.ReadExactlyAsync(frame.AsMemory(5), process);
        return frame;
    }

    [GeneratedRegex(@"\s+", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Blanks();

    [GeneratedRegex(@"^\s*(discard all|set session authorization|select version\(\))", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Driver();

    // Functions of ours may change something, all but the clock.
    [GeneratedRegex(@"\b(insert into|update|delete from|commit|paymentsync\.(?!now\b)\w+\()", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Changes();
}
