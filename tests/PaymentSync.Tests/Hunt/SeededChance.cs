namespace PaymentSync.Tests.Hunt;

/// <summary>The service's chance in a hunt: begun anew with each seed, and fit for several lanes at once.</summary>
sealed class SeededChance : Random
{
    readonly Lock _gate = new();
    Random _chance = new(0);

    public void Begin(int seed)
    {
        lock (_gate)
            _chance = new Random(seed);
    }

    public override double NextDouble()
    {
        lock (_gate)
            return _chance.NextDouble();
    }
}
