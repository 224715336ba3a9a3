using System.Collections.Concurrent;

namespace PaymentSync.Tests.Hunt;

/// <summary>What a hunt met, over all its seeds: a hunt that meets nothing finds nothing.</summary>
sealed class Tally
{
    readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);

    public int this[string what] => _counts.GetValueOrDefault(what);

    public void Add(string what, int count = 1) => _counts.AddOrUpdate(what, count, (_, before) => before + count);

    public override string ToString() => string.Join(", ", _counts.OrderBy(count => count.Key, StringComparer.Ordinal).Select(count => $"{count.Key} {count.Value}"));
}
