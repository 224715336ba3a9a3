using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace XeroSimulator.Gate;

/// <summary>Xero's own way of writing: <c>/Date(ms+0000)/</c>, money with two decimals, absent instead of null.</summary>
internal static class XeroJson
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, Options))
            write(json);
        return buffer.WrittenSpan.ToArray();
    }

    public static string Ticks(DateTimeOffset at) => string.Create(CultureInfo.InvariantCulture, $"/Date({at.ToUnixTimeMilliseconds()}+0000)/");

    public static string Ticks(DateOnly day) => Ticks(new DateTimeOffset(day, TimeOnly.MinValue, TimeSpan.Zero));

    public static void WriteTime(this Utf8JsonWriter json, string name, DateTimeOffset at) => json.WriteString(name, Ticks(at));

    /// <summary>A calendar date twice: in milliseconds of its midnight UTC, and readable.</summary>
    public static void WriteDay(this Utf8JsonWriter json, string name, DateOnly? day)
    {
        if (day is null)
            return;
        json.WriteString(name + "String", day.Value.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) + "T00:00:00");
        json.WriteString(name, Ticks(day.Value));
    }

    public static void WriteMoney(this Utf8JsonWriter json, string name, decimal amount) => json.WriteNumber(name, decimal.Round(amount, 2) + 0.00m);

    public static void WriteText(this Utf8JsonWriter json, string name, string? text)
    {
        if (text is not null)
            json.WriteString(name, text);
    }

    public static void WriteEmptyArray(this Utf8JsonWriter json, string name)
    {
        json.WriteStartArray(name);
        json.WriteEndArray();
    }

    public static void WriteMessages(this Utf8JsonWriter json, string name, IReadOnlyList<string> messages)
    {
        if (messages.Count == 0)
            return;
        json.WriteStartArray(name);
        foreach (var message in messages)
        {
            json.WriteStartObject();
            json.WriteString("Message", message);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
