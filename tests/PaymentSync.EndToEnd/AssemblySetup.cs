using Xunit;

// Each test starts several processes of its own; together they would only wait for each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
