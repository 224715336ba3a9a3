using System.Globalization;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli.Demo;

/// <summary>What a run came to.</summary>
/// <param name="RowsByStatus">Of this run's sync rows.</param>
/// <param name="XeroCalls">Calls that the simulator counted during this run.</param>
sealed record Figures(IReadOnlyCollection<Answer> Answers, TimeSpan Sending, IReadOnlyList<JsonNode> Rows, int Booked, Books Books, long XeroCalls, IReadOnlyList<string> Problems)
{
    public int Accepted => Answers.Count(answer => answer.Status == 200);
    public int Refused => Answers.Count(answer => answer.Delivery.MustBeRefused && answer.Status == 400);
    public int Outcomes(string outcome) => Answers.Count(answer => answer.Outcome == outcome);
    public decimal CallsPerPayment => Booked == 0 ? 0 : Math.Round((decimal)XeroCalls / Booked, 3);
    public double Median => Percentile(0.5);
    public double P99 => Percentile(0.99);

    public IEnumerable<(string Status, string Type, int Count)> RowsByStatus => Rows.GroupBy(row => (Status: row.Text("status") ?? "", Type: row.Text("syncType") ?? ""))
        .OrderBy(group => group.Key).Select(group => (group.Key.Status, group.Key.Type, group.Count()));

    public JsonObject ToJson() => new()
    {
        ["deliveries"] = Answers.Count,
        ["accepted"] = Accepted,
        ["duplicates"] = Outcomes("DUPLICATE"),
        ["refused"] = Refused,
        ["rows"] = new JsonArray([.. RowsByStatus.Select(row => new JsonObject { ["status"] = row.Status, ["syncType"] = row.Type, ["rows"] = row.Count })]),
        ["booked"] = Booked,
        ["xeroCalls"] = XeroCalls,
        ["callsPerPayment"] = CallsPerPayment,
        ["answerMilliseconds"] = new JsonObject { ["median"] = Median, ["p99"] = P99 },
        ["ledger"] = new JsonArray([.. Books.Accounts.Select(account => new JsonObject { ["accountCode"] = account.Code, ["currency"] = account.Currency, ["payments"] = Money(account.Ours), ["xero"] = Money(account.Xeros) })]),
        ["problems"] = new JsonArray([.. Problems.Select(problem => JsonValue.Create(problem))]),
    };

    static string Money(decimal amount) => amount.ToString("0.00", CultureInfo.InvariantCulture);

    /// <summary>Milliseconds until a genuine delivery was answered; strangers are turned away faster and would flatter it.</summary>
    double Percentile(double part)
    {
        var sorted = Answers.Where(answer => !answer.Delivery.MustBeRefused).Select(answer => answer.Took.TotalMilliseconds).Order().ToList();
        return sorted.Count == 0 ? 0 : Math.Round(sorted[(int)Math.Ceiling(part * sorted.Count) - 1], 1);
    }
}
