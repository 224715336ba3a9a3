using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PaymentSync.Tests.Hunt;

/// <summary>Draws a plan from its seed.</summary>
sealed class Planner(int seed)
{
    static readonly string[] Currencies = ["GBP", "GBP", "USD", "EUR", "JPY"];
    static readonly string[] Customers = ["Ann Lee", "Bo Diaz", "Ólafur Þór", "Ann  Lee <b>", ""];
    static readonly int[] Seconds = [1, 4, 6, 12, 31, 61, 70, 100, 400, 2400, 20_000, 100_000];

    /// <summary>What is tried, and the most of it. A hang costs real time, so only some plans have any.</summary>
    static readonly (string Fault, double Most)[] Faults =
    [
        ("commit-then-reset", 0.25), ("commit-then-500", 0.08), ("reset-before", 0.1), ("truncated-200", 0.08), ("status-503", 0.08), ("html-502", 0.06), ("expire-token", 0.04),
        ("429-minute", 0.04), ("429-day", 0.01), ("429-concurrent", 0.06), ("late-lists", 0.25),
    ];

    static readonly string[] Outages = ["status-503", "html-502", "reset-before", "truncated-200"];

    static readonly string[] Changes =
    [
        """{"periodLockDate":"2199-12-31"}""", """{"periodLockDate":null}""", """{"endOfYearLockDate":"2199-12-31"}""", """{"currencies":["GBP"]}""", """{"currencies":["GBP","USD","EUR","JPY"]}""",
        """{"accounts":[{"code":"200","status":"ARCHIVED"}]}""", """{"accounts":[{"code":"200","status":"ACTIVE"}]}""", """{"accounts":[{"code":"090","status":"ARCHIVED"}]}""",
        """{"invoiceLimit":2}""", """{"invoiceLimit":null}""", """{"answerOrder":"Reversed"}""",
    ];

    readonly Random _random = new(seed);

    public static Plan Draw(int seed) => new Planner(seed).Draw();

    Plan Draw()
    {
        var organisations = Enumerable.Range(1, _random.Next(1, 4)).Select(Organisation).ToList();
        var size = _random.NextDouble() switch { < 0.7 => _random.Next(5, 13), < 0.95 => _random.Next(13, 26), _ => _random.Next(26, 41) };
        var links = Enumerable.Range(0, size).Select(index => Link(organisations[_random.Next(organisations.Count)], index)).ToList();
        var payments = links.SelectMany((link, index) => PaymentsOf(link, index)).ToList();
        var faults = Faults.Where(_ => Chance(0.5)).ToDictionary(fault => fault.Fault, fault => Math.Round(_random.NextDouble() * fault.Most, 3), StringComparer.Ordinal);
        // A bad day: so many calls fail that look-ups do too, again and again.
        if (Chance(0.25))
            faults[Pick(Outages)] = 0.45;
        if (Chance(0.15))
            faults["commit-then-hang"] = 0.03;
        if (Chance(0.1))
            faults["slow-drip"] = 0.05;
        var sum = faults.Values.Sum();
        if (sum > 0.9)
            faults = faults.ToDictionary(fault => fault.Key, fault => Math.Round(fault.Value * 0.9 / sum, 3), StringComparer.Ordinal);
        var humans = Chance(0.5) ? Math.Round(_random.NextDouble() * 0.3, 3) : 0;
        return new Plan(seed, organisations, links, payments, [.. Script(organisations, links, payments)], faults, humans);
    }

    PlannedOrganisation Organisation(int number) => new(Id($"organisation {number}"), Id($"tenant {number}"), $"Hunt {seed}-{number}",
        Chance(0.3) ? "Shared" : "PerCustomer", Chance(0.3) ? "AsCharged" : "MustEqualLink", Chance(0.3) ? "Inclusive" : "NoTax", Chance(0.5) ? "OUTPUT2" : "NONE");

    PlannedLink Link(PlannedOrganisation organisation, int index)
    {
        var currency = Pick(Currencies);
        var amount = string.Equals(currency, "JPY", StringComparison.Ordinal) ? _random.Next(1, 100_000) : _random.Next(1, 100_000) / 100m;
        return new(Id($"link {index}"), organisation, Code(index), amount, currency, Pick(Customers), Late: Chance(0.08));
    }

    /// <summary>Mostly one; at times a second for the same link, or one that is not what the link says.</summary>
    IEnumerable<PlannedPayment> PaymentsOf(PlannedLink link, int index)
    {
        yield return new(link, string.Create(CultureInfo.InvariantCulture, $"pi_{seed}_{index}"), Chance(0.06) ? link.Amount + 1 : link.Amount);
        if (Chance(0.06))
            yield return new(link, string.Create(CultureInfo.InvariantCulture, $"pi_{seed}_{index}b"), link.Amount);
    }

    IEnumerable<Step> Script(List<PlannedOrganisation> organisations, List<PlannedLink> links, List<PlannedPayment> payments)
    {
        var deliveries = payments.SelectMany(Deliveries).OrderBy(_ => _random.Next()).ToList();
        for (var next = 0; next < deliveries.Count;)
        {
            for (var several = _random.Next(1, 9); several > 0 && next < deliveries.Count; several--)
                yield return deliveries[next++];
            foreach (var step in Between(organisations, links))
                yield return step;
        }
        foreach (var late in links.Where(link => link.Late))
            yield return new Step.Register(late);
        for (var rounds = _random.Next(3, 9); rounds > 0; rounds--)
        {
            foreach (var step in Between(organisations, links))
                yield return step;
        }
    }

    IEnumerable<Step> Deliveries(PlannedPayment payment)
    {
        for (var copies = Chance(0.3) ? _random.Next(2, 4) : 1; copies > 0; copies--)
            yield return new Step.Deliver(payment, "paid");
        if (Chance(0.25))
            yield return new Step.Deliver(payment, "intent");
        if (Chance(0.1))
            yield return new Step.Deliver(payment, "unpaid");
        if (Chance(0.05))
            yield return new Step.Deliver(payment, "expired");
    }

    IEnumerable<Step> Between(List<PlannedOrganisation> organisations, List<PlannedLink> links)
    {
        if (Chance(0.25))
            yield return Rarely(organisations, links);
        if (Chance(0.6))
            yield return new Step.Advance(TimeSpan.FromSeconds(Pick(Seconds)));
        if (Chance(0.15))
            yield return new Step.Recover();
        if (Chance(0.7))
            yield return new Step.Drain(_random.NextDouble() switch { < 0.45 => [0], < 0.75 => [1], _ => [0, 1] });
    }

    Step Rarely(List<PlannedOrganisation> organisations, List<PlannedLink> links) => _random.Next(14) switch
    {
        0 => new Step.Cancel(Pick(links)),
        1 => new Step.TakeNumber(Pick(links)),
        2 => new Step.Disconnect(Pick(organisations)),
        3 => new Step.Connect(Pick(organisations)),
        4 or 5 => new Step.Flaky(Pick([0, 20, 60])),
        6 or 7 or 8 => new Step.Replay(_random.NextDouble()),
        _ => new Step.Change(Pick(organisations), Pick(Changes)),
    };

    bool Chance(double probability) => _random.NextDouble() < probability;

    T Pick<T>(IReadOnlyList<T> some) => some[_random.Next(some.Count)];

    /// <summary>Of its own in every seed and in every place of it, and in no order: short codes have eight characters at most.</summary>
    string Code(int index)
    {
        const string digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        var code = new StringBuilder();
        for (var (rest, places) = ((seed * 64L) + index, 0); places < 7; places++, rest /= digits.Length)
            code.Append(digits[(int)(rest % digits.Length)]);
        return code.ToString();
    }

    Guid Id(string of) => new(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed} {of}"))).AsSpan(0, 16));
}
