using System.Text.Json;
using System.Text.RegularExpressions;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;
using YamlDotNet.RepresentationModel;
using static PaymentSync.Tests.Infra.ComposeFile;

namespace PaymentSync.Tests.Infra;

/// <summary>Dashboards and alerts ask for metrics that the code has, under the names that Prometheus gives them.</summary>
public sealed partial class MonitoringTests
{
    /// <summary>Of .NET and ASP.NET Core, in the meters that TelemetrySetup names.</summary>
    static readonly string[] OfThePlatform = ["http_server_request_duration_seconds_bucket", "dotnet_process_memory_working_set_bytes", "dotnet_process_cpu_time_seconds_total"];

    static readonly HashSet<string> OfTheCode = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", "PaymentSync"), "*.cs", SearchOption.AllDirectories).SelectMany(file => Instruments(File.ReadAllText(file)))];

    [Fact]
    public void The_dashboard_asks_for_what_there_is()
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "infra", "grafana", "dashboards", "paymentsync.json")));
        var panels = dashboard.RootElement.GetProperty("panels").EnumerateArray().ToList();
        var asked = panels.SelectMany(panel => panel.GetProperty("targets").EnumerateArray()).Select(target => target.GetProperty("expr").GetString()!).SelectMany(Names).ToHashSet(StringComparer.Ordinal);

        panels.Select(panel => panel.GetProperty("id").GetInt32()).ShouldBeUnique();
        asked.ShouldBeSubsetOf(OfTheCode.Concat(OfThePlatform));
        OfTheCode.ShouldBeSubsetOf(asked, "A metric that nobody sees.");
    }

    [Fact]
    public void Alerts_ask_for_what_there_is_and_say_what_to_do()
    {
        var rules = (YamlSequenceNode)At(((YamlSequenceNode)At(Root(Read("infra/prometheus/alerts.yml")), "groups")!).Children[0], "rules")!;

        rules.Children.Select(rule => Scalar(At(rule, "alert"))).ShouldBe(
            ["NothingDrains", "OutcomeUnknown", "WebhooksNotRecorded", "WebhooksRefused", "WaitsForAPerson", "CallsLeftLow", "ConnectionDies", "NoFigures"], ignoreOrder: true);
        foreach (var rule in rules.Children)
        {
            Names(Scalar(At(rule, "expr"))).ShouldNotBeEmpty();
            Names(Scalar(At(rule, "expr"))).ShouldBeSubsetOf(OfTheCode);
            Scalar(At(rule, "labels", "severity")).ShouldBeOneOf("critical", "warning");
            Scalar(At(rule, "annotations", "summary")).ShouldNotBeEmpty();
            Scalar(At(rule, "annotations", "action")).ShouldNotBeEmpty();
        }
    }

    [Fact]
    public void Prometheus_takes_what_the_nodes_push()
    {
        List(At(Services["prometheus"], "command")).ShouldContain("--web.enable-otlp-receiver");
        Read("infra/production.env.example").ShouldContain("OTEL_EXPORTER_OTLP_ENDPOINT=http://prometheus:9090/api/v1/otlp\n");
        foreach (var node in new[] { "web", "worker" })
        {
            Scalar(At(Services[node], "environment", "OTEL_EXPORTER_OTLP_PROTOCOL")).ShouldBe("${OTEL_EXPORTER_OTLP_PROTOCOL:-http/protobuf}");
            Scalar(At(Services[node], "environment", "OTEL_TRACES_EXPORTER")).ShouldBe("${OTEL_TRACES_EXPORTER:-none}");
        }
        Scalar(((YamlSequenceNode)At(Root(Read("infra/grafana/provisioning/datasources/prometheus.yml")), "datasources")!).Children.Select(source => At(source, "uid")).Single()).ShouldBe("prometheus");
    }

    static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    static IEnumerable<string> Names(string expression) => Metric().Matches(Labels().Replace(expression, "")).Select(match => match.Value);

    /// <summary>Prometheus names an OTLP metric by its name, then its unit unless the name has that word already or it is {counted}, then total for counters.</summary>
    static IEnumerable<string> Instruments(string code) => Instrument().Matches(code).Select(made =>
    {
        var name = made.Groups["name"].Value.Replace('.', '_');
        var unit = made.Groups["unit"].Value switch { "s" => "seconds", "d" => "days", ['{', ..] => "", var other => throw new NotSupportedException($"What does Prometheus make of {other}?") };
        return $"{name}{(unit.Length == 0 || name.Split('_').Contains(unit, StringComparer.Ordinal) ? "" : $"_{unit}")}{(made.Groups["kind"].Value == "Counter" ? "_total" : "")}";
    });

    [GeneratedRegex("""\.Create(?<kind>Counter|ObservableGauge)(?:<\w+>)?\("(?<name>paymentsync\.[a-z_.]+)",[^;]*?"(?<unit>\{[a-z]+\}|[a-z])", """, RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Instrument();

    [GeneratedRegex(@"\{[^}]*\}", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Labels();

    [GeneratedRegex(@"\b(?:paymentsync|http|dotnet)_[a-z_]+", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Metric();
}
