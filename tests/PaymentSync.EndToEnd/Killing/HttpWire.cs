using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace PaymentSync.EndToEnd.Killing;

/// <summary>One call to Xero: read whole, passed on, and its answer read whole before the caller sees any of it.</summary>
sealed partial class HttpWire(KillGate gate, Stream client, Uri server)
{
    public async Task ServeAsync(CancellationToken process)
    {
        var head = await ReadHeadAsync(process);
        var body = new byte[LengthOf(head)];
        await client.ReadExactlyAsync(body, process);
        await gate.UnlessDyingAsync(process);
        if (Key().Match(head) is { Success: true } found)
            gate.Intended(found.Groups["key"].Value);
        var words = head.Split(' ', 3);
        var what = $"{words[0]} {Ids().Replace(words[1].Split('?')[0], "{id}")}";
        var death = body.Length > 1 ? gate.Meet(PointKind.Call, what, Moment.Before, Moment.Torn, Moment.After) : gate.Meet(PointKind.Call, what, Moment.Before, Moment.After);
        if (death == Moment.Before)
            await gate.DieAsync(process);

        using var connection = new TcpClient { NoDelay = true };
        await connection.ConnectAsync(server.Host, server.Port, process);
        await using var upstream = connection.GetStream();
        // One call for each connection: its answer ends where the connection does.
        var line = head.IndexOf("\r\n", StringComparison.Ordinal) + 2;
        await upstream.WriteAsync(Encoding.Latin1.GetBytes(head.Insert(line, "Connection: close\r\n")), process);
        if (death == Moment.Torn)
        {
            await upstream.WriteAsync(body.AsMemory(0, body.Length / 2), process);
            await gate.DieAsync(process);
        }
        using var answer = new MemoryStream();
        try
        {
            await upstream.WriteAsync(body, process);
            await upstream.CopyToAsync(answer, process);
        }
        catch (Exception problem) when (death == Moment.After && problem is IOException or SocketException)
        {
            // Xero cut the line, and now the caller dies, too: whether it was done is for the next one to find out.
        }
        if (death == Moment.After)
            await gate.DieAsync(process);
        await gate.UnlessDyingAsync(process);
        await client.WriteAsync(answer.GetBuffer().AsMemory(0, (int)answer.Length), process);
    }

    async Task<string> ReadHeadAsync(CancellationToken process)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (head.Count < 4 || !(head[^4] == '\r' && head[^3] == '\n' && head[^2] == '\r' && head[^1] == '\n'))
        {
            await client.ReadExactlyAsync(one, process);
            head.Add(one[0]);
        }
        return Encoding.Latin1.GetString([.. head]);
    }

    static int LengthOf(string head) => Length().Match(head) is { Success: true } found ? int.Parse(found.Groups["bytes"].ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"\r\nContent-Length: *(?<bytes>\d+)", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Length();

    [GeneratedRegex(@"\r\nIdempotency-Key: *(?<key>[^\r ]+)", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Key();

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f-]{27}", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Ids();
}
