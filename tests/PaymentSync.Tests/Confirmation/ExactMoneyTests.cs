using System.Text.RegularExpressions;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Confirmation;

/// <summary>Money is decimal, or whole minor units: no binary fraction comes near it.</summary>
public sealed partial class ExactMoneyTests
{
    /// <summary>Where money passes through: here no floating point is allowed for anything.</summary>
    static readonly string[] Way = ["src/PaymentSync/Confirmation/", "src/PaymentSync/StripeWebhooks/", "src/PaymentSync/Xero/XeroDocuments.cs", "src/PaymentSync/Xero/XeroAnswer.cs", "migrations/sql/06"];

    [Fact]
    public void No_floating_point_and_no_rounding_comes_near_money()
    {
        var lines = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(Path.Combine(Repository.Root, "migrations", "sql"), "*.sql"))
            .Select(file => (Name: Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'), Lines: File.ReadAllLines(file)))
            .Where(file => !file.Name.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(file => file.Lines.Select((line, number) => (Where: $"{file.Name}:{number + 1}", Line: line)))
            .ToList();

        lines.Count.ShouldBeGreaterThan(5_000);
        lines.Where(line => FloatingPoint().IsMatch(line.Line) && (Array.Exists(Way, folder => line.Where.StartsWith(folder, StringComparison.Ordinal)) || AboutMoney().IsMatch(line.Line)))
            .Select(line => $"{line.Where} {line.Line.Trim()}").ShouldBeEmpty();
    }

    [Theory]
    [InlineData("public double Amount { get; }", true)]
    [InlineData("var total = (float)invoice.Total;", true)]
    [InlineData("amount = Math.Round(amount, 2);", true)]
    [InlineData("SELECT sum(amount)::float8 FROM xero_syncs", true)]
    [InlineData("var amount = element.GetDouble();", true)]
    [InlineData("amount double precision NOT NULL", true)]
    [InlineData("decimal Amount, double OldestSeconds", true)]
    [InlineData("TimeSpan Doubled(double chance)", false)]
    [InlineData("var amount = element.GetDecimal();", false)]
    public void The_search_finds_what_it_is_for(string line, bool found) => (FloatingPoint().IsMatch(line) && AboutMoney().IsMatch(line)).ShouldBe(found);

    [GeneratedRegex(@"\b(double|float|Double|Single|Half|GetDouble|GetSingle|ToDouble|ToSingle|float4|float8|real)\b|Math\.(Round|Floor|Ceiling|Pow)|BitConverter", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex FloatingPoint();

    [GeneratedRegex(@"amount|money|balance|price|charged|minor|\btotals?\b|[a-z]total\b", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
    private static partial Regex AboutMoney();
}
