using System.Text.Json;

namespace XeroSimulator.Gate;

/// <summary>What surrounds the elements of an answer.</summary>
internal static class Envelope
{
    public static Answer Of<T>(ApiCall call, string name, IEnumerable<T> items, Action<Utf8JsonWriter, T> write, Page? page = null) =>
        Answer.OfJson(200, XeroJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("Id", Guid.NewGuid());
            json.WriteString("Status", "OK");
            json.WriteString("ProviderName", call.ProviderName);
            json.WriteString("DateTimeUTC", $"/Date({call.Now.ToUnixTimeMilliseconds()})/");
            if (page is not null)
                page.Write(json);
            json.WriteStartArray(name);
            foreach (var item in items)
                write(json, item);
            json.WriteEndArray();
            json.WriteEndObject();
        }));

    /// <summary>The answer to a batch of writes, in either of the two ways <c>summarizeErrors</c> chooses.</summary>
    public static Answer OfBatch<T>(ApiCall call, string name, IReadOnlyList<T> results, Func<T, bool> failed, Action<Utf8JsonWriter, T> write)
    {
        if (call.Organisation.Settings.AnswerOrder == Organisations.AnswerOrder.Reversed)
            results = [.. results.Reverse()];
        return call.Query.SummarizeErrors && results.Any(failed)
            ? Refused(results.Where(failed), write)
            : Of(call, name, results, write);
    }

    /// <summary>Only the bad elements are listed; the good ones were written all the same, and the caller is not told their ids.</summary>
    private static Answer Refused<T>(IEnumerable<T> bad, Action<Utf8JsonWriter, T> write) => Answer.OfJson(400, XeroJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("ErrorNumber", 10);
        json.WriteString("Type", "ValidationException");
        json.WriteString("Message", "A validation exception occurred");
        json.WriteStartArray("Elements");
        foreach (var item in bad)
            write(json, item);
        json.WriteEndArray();
        json.WriteEndObject();
    }));
}

internal sealed record Page(int Number, int Size, int Items)
{
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("pagination");
        json.WriteNumber("page", Number);
        json.WriteNumber("pageSize", Size);
        json.WriteNumber("pageCount", (Items + Size - 1) / Size);
        json.WriteNumber("itemCount", Items);
        json.WriteEndObject();
    }

    public static (IEnumerable<T> Items, Page? Page) Cut<T>(IReadOnlyList<T> all, Query query) =>
        query.Page is { } number
            ? (all.Skip((int)Math.Min((long)(number - 1) * query.PageSize, int.MaxValue)).Take(query.PageSize), new Page(number, query.PageSize, all.Count))
            : (all, null);
}
