namespace PaymentSync.Tests.Hunt;

sealed record PlannedOrganisation(Guid Id, Guid TenantId, string Name, string Contacts, string AmountPolicy, string LineAmountTypes, string TaxType);

/// <param name="Late">Registered only after money has come for it.</param>
sealed record PlannedLink(Guid Id, PlannedOrganisation Organisation, string ShortCode, decimal Amount, string Currency, string Customer, bool Late)
{
    public string Number => "PL-" + ShortCode;
}

/// <param name="Charged">In major units; may differ from the link's amount.</param>
sealed record PlannedPayment(PlannedLink Link, string Id, decimal Charged);

/// <summary>One thing that happens, in the order of the script.</summary>
abstract record Step
{
    /// <param name="Fact">paid, intent (also paid), unpaid or expired.</param>
    public sealed record Deliver(PlannedPayment Payment, string Fact) : Step;

    public sealed record Register(PlannedLink Link) : Step;

    public sealed record Cancel(PlannedLink Link) : Step;

    /// <summary>A stranger gives an invoice of theirs the number that is frozen for this link.</summary>
    public sealed record TakeNumber(PlannedLink Link) : Step;

    public sealed record Advance(TimeSpan By) : Step;

    /// <param name="Nodes">Which nodes drain, at the same time.</param>
    public sealed record Drain(int[] Nodes) : Step;

    public sealed record Recover : Step;

    /// <summary>An operator orders a replay of the row that is this far down the list of those not done.</summary>
    public sealed record Replay(double Which) : Step;

    public sealed record Disconnect(PlannedOrganisation Organisation) : Step;

    public sealed record Connect(PlannedOrganisation Organisation) : Step;

    /// <summary>The organisation changes its settings in Xero.</summary>
    public sealed record Change(PlannedOrganisation Organisation, string Json) : Step;

    /// <summary>From here on one in so many statements of the service fails, as if the database went away; 0 is none.</summary>
    public sealed record Flaky(int PerThousand) : Step;

    public sealed override string ToString() => this switch
    {
        Deliver step => $"deliver {step.Fact} {step.Payment.Id} {step.Payment.Charged} {step.Payment.Link.Currency} for {step.Payment.Link.Number}",
        Register step => $"register {step.Link.Number}",
        Cancel step => $"cancel {step.Link.Number}",
        TakeNumber step => $"a stranger takes {step.Link.Number}",
        Advance step => $"{step.By} pass",
        Drain step => $"node {string.Join(" and ", step.Nodes)} drains",
        Recover => "recovery",
        Replay step => $"replay {step.Which:0.00}",
        Disconnect step => $"disconnect {step.Organisation.Name}",
        Connect step => $"connect {step.Organisation.Name}",
        Change step => $"{step.Organisation.Name} changes {step.Json}",
        Flaky step => $"the database fails {step.PerThousand} of 1000 statements",
        _ => GetType().Name,
    };
}

/// <summary>A small world and what happens in it, all from one seed: nothing here reads a clock or draws from elsewhere.</summary>
sealed record Plan(
    int Seed, IReadOnlyList<PlannedOrganisation> Organisations, IReadOnlyList<PlannedLink> Links, IReadOnlyList<PlannedPayment> Payments, IReadOnlyList<Step> Script,
    IReadOnlyDictionary<string, double> Faults, double Humans);
