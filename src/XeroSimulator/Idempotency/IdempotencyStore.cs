using System.Security.Cryptography;
using XeroSimulator.Gate;

namespace XeroSimulator.Idempotency;

/// <summary>Answers kept under Idempotency-Key: per app, six minutes from the first call, stored 500s included.</summary>
/// <remarks>The organisation is no part of the comparison: the scope is the app. A key that ran out is a new request, duplicates and all.</remarks>
internal sealed class IdempotencyStore
{
    public const int MaxKeyLength = 128;
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(6);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string App, string Key), Entry> _entries = [];
    private readonly Queue<((string App, string Key) Name, DateTimeOffset First)> _byAge = new();

    /// <summary>Runs the request once; a duplicate waits for the first one's answer and gets the same bytes.</summary>
    public async Task<Answer> OnceAsync(string app, string key, string method, string url, byte[] body, DateTimeOffset now, Func<Task<Answer>> run)
    {
        var request = $"{method} {url} {Convert.ToHexString(SHA256.HashData(body))}";
        Entry? earlier;
        Entry mine = new(request, now);
        lock (_gate)
        {
            Forget(now);
            if (!_entries.TryGetValue((app, key), out earlier))
            {
                _entries[(app, key)] = mine;
                _byAge.Enqueue(((app, key), now));
            }
        }

        if (earlier is not null)
            return earlier.Request == request ? await earlier.Answer.Task : Mismatch(key);

        try
        {
            var answer = await run();
            mine.Answer.SetResult(answer);
            return answer;
        }
        catch
        {
            // Whoever waits for this call must not wait for ever: it gets the 500 that would have been stored.
            mine.Answer.SetResult(Gate.Answer.ServerError);
            throw;
        }
    }

    public static Answer KeyTooLong() =>
        Answer.Problem(400, "Bad Request", $"The Idempotency-Key header must be at most {MaxKeyLength} characters long.");

    public void Clear()
    {
        lock (_gate)
        {
            _entries.Clear();
            _byAge.Clear();
        }
    }

    public IReadOnlyList<StoredAnswer> Snapshot()
    {
        lock (_gate)
            return [.. _entries.Where(e => e.Value.Answer.Task.IsCompletedSuccessfully)
                .Select(e => new StoredAnswer(e.Key.App, e.Key.Key, e.Value.Request, e.Value.First, e.Value.Answer.Task.Result))];
    }

    public void Restore(IEnumerable<StoredAnswer> stored)
    {
        lock (_gate)
        {
            foreach (var one in stored.OrderBy(s => s.First))
            {
                var entry = new Entry(one.Request, one.First);
                entry.Answer.SetResult(one.Answer);
                _entries[(one.App, one.Key)] = entry;
                _byAge.Enqueue(((one.App, one.Key), one.First));
            }
        }
    }

    private static Answer Mismatch(string key) => Answer.Problem(400, "Bad Request",
        $"Idempotency Key: {key} is used with a different request. Please check and retry with the original request, or use a different idempotency key.");

    private void Forget(DateTimeOffset now)
    {
        while (_byAge.TryPeek(out var oldest) && oldest.First + Lifetime <= now)
        {
            _byAge.Dequeue();
            _entries.Remove(oldest.Name);
        }
    }

    private sealed class Entry(string request, DateTimeOffset first)
    {
        public string Request => request;

        public DateTimeOffset First => first;

        public TaskCompletionSource<Answer> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

internal sealed record StoredAnswer(string App, string Key, string Request, DateTimeOffset First, Answer Answer);
