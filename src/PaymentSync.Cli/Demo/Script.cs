using System.Globalization;

namespace PaymentSync.Cli.Demo;

/// <summary>
/// What happens in a demo: sales, and the deliveries that Stripe, its network and some strangers make of them. All of it follows
/// from the seed, so that a run can be played again.
/// </summary>
sealed class Script
{
    static readonly string[] Customers = ["Ann Lee", "Zoë Álvarez", "Łukasz Nowak", "O'Brien & Sons", "佐藤 花子", "Marta Rossi", "Acme Ltd", "Jean-Luc Martin"];
    static readonly string[] Goods = ["Oak table", "Hosting, one year", "Guitar lessons", "Coffee, 5 kg", "Annual report", "Bicycle repair", "Photo prints", "Garden design"];

    readonly Random _random;
    readonly StripeEvents _events;

    public Script(int seed, DateTimeOffset now)
    {
        Seed = seed;
        Run = seed.ToString("x8", CultureInfo.InvariantCulture);
        _random = new Random(seed);
        _events = new StripeEvents(Run, now);
        foreach (var (currency, links) in new[] { ("GBP", 52), ("USD", 30), ("EUR", 23), ("JPY", 15) })
        {
            for (var link = 0; link < links; link++)
                Sell(currency, Ending.Booked);
        }
        OfSlowBank = Sales[0];
        RegisteredLate = Sales[1];
        PaidTwice = Sales[2];
        PaidTooLittle = Sell("GBP", Ending.Held);
        Abandoned = Sell("EUR", Ending.NotPaid);
    }

    public int Seed { get; }
    /// <summary>Part of every id of this run.</summary>
    public string Run { get; }
    public List<Sale> Sales { get; } = [];
    public Sale OfSlowBank { get; }
    public Sale RegisteredLate { get; }
    public Sale PaidTwice { get; }
    public Sale PaidTooLittle { get; }
    public Sale Abandoned { get; }

    /// <summary>Before the rush: a session that is complete but unpaid, and an event whose link nobody has registered yet.</summary>
    public IReadOnlyList<Delivery> First() => [new(_events.Session(OfSlowBank, paymentStatus: "unpaid")), new(_events.Session(RegisteredLate))];

    /// <summary>The rush, in no order: two events of each payment, repetitions, strangers, and what is of no interest.</summary>
    public IReadOnlyList<Delivery> Rush()
    {
        var deliveries = new List<Delivery>();
        foreach (var sale in Sales.Where(sale => sale.Ending == Ending.Booked && sale != OfSlowBank && sale != RegisteredLate))
            deliveries.AddRange([new(_events.Session(sale)), new(_events.Intent(sale, namesLink: _random.Next(3) == 0))]);
        deliveries.Add(new(_events.Session(OfSlowBank, "checkout.session.async_payment_succeeded")));
        deliveries.Add(new(_events.Session(PaidTooLittle, minor: PaidTooLittle.Minor - 1000)));
        deliveries.Add(new(_events.Session(Abandoned, "checkout.session.expired", "unpaid")));

        // Stripe sends again what it believes was not heard, and sometimes tells one fact with two events.
        var genuine = deliveries.ToList();
        deliveries.AddRange(Pick(genuine, 15));
        deliveries.AddRange(Pick(genuine, 1).Select(delivery => delivery with { Copies = 8 }));
        deliveries.AddRange(Sales.Where(sale => sale.Ending == Ending.Booked).Skip(3).Take(4).Select(sale => new Delivery(_events.Session(sale))));

        deliveries.AddRange(Pick(genuine, 4).Select(delivery => delivery with { Signing = Signing.WrongSecret }));
        deliveries.AddRange(Pick(genuine, 3).Select(delivery => delivery with { Signing = Signing.Altered }));
        deliveries.AddRange(Pick(genuine, 2).Select(delivery => delivery with { Signing = Signing.Stale }));
        deliveries.Add(new("{\"object\":\"event\"", Signing.Missing));

        deliveries.AddRange([new(_events.Other("customer.created", "customer")), new(_events.Other("invoice.finalized", "invoice")), new(_events.Other("radar.early_fraud_warning.created", "issuer_fraud_record"))]);
        deliveries.Add(new($"this is no JSON, but it is signed ({Run})"));
        return [.. deliveries.OrderBy(_ => _random.Next())];
    }

    /// <summary>After the rush: the unpaid session once more, and somebody who pays a link that is paid.</summary>
    public IReadOnlyList<Delivery> Last() => [new(_events.Session(OfSlowBank, paymentStatus: "unpaid")), new(_events.Session(PaidTwice, payment: $"pi_demo{Run}twice"))];

    Sale Sell(string currency, Ending ending)
    {
        var number = Sales.Count + 1;
        var link = new byte[16];
        _random.NextBytes(link);
        var payment = string.Create(CultureInfo.InvariantCulture, $"pi_demo{Run}{number:D3}");
        var customer = Customers[_random.Next(Customers.Length)];
        var sale = new Sale(new Guid(link), payment, $"cs_test_demo{Run}{number:D3}", currency, _random.Next(1_500, 250_000), customer,
            $"customer{Array.IndexOf(Customers, customer) + 1}@example.com", Goods[_random.Next(Goods.Length)], number % 4 == 0 ? $"plink_demo{Run}{number:D3}" : null, ending);
        Sales.Add(sale);
        return sale;
    }

    IEnumerable<Delivery> Pick(List<Delivery> from, int count) => from.OrderBy(_ => _random.Next()).Take(count);
}
