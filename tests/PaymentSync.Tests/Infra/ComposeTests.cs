using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;
using YamlDotNet.RepresentationModel;
using static PaymentSync.Tests.Infra.ComposeFile;

namespace PaymentSync.Tests.Infra;

/// <summary>What must not rot in docker-compose.yml and the environment files beside it.</summary>
public sealed partial class ComposeTests
{
    public static TheoryData<string> EveryService => [.. Services.Keys];

    [Fact]
    public void The_services_are_those_of_the_README() =>
        Services.Keys.ShouldBe(["postgres", "migrate", "web", "worker", "simulator", "prometheus", "grafana"], ignoreOrder: true);

    [Theory]
    [MemberData(nameof(EveryService))]
    public void A_service_can_change_nothing_but_its_volumes_and_has_no_privileges(string name)
    {
        var service = Services[name];

        Scalar(At(service, "read_only")).ShouldBe("true");
        Scalar(At(service, "user")).ShouldMatch("^[1-9][0-9]*:[0-9]+$");
        List(At(service, "cap_drop")).ShouldBe(["ALL"]);
        At(service, "cap_add").ShouldBeNull();
        At(service, "privileged").ShouldBeNull();
        List(At(service, "security_opt")).ShouldContain("no-new-privileges:true");
        List(At(service, "tmpfs")).ShouldContain(mount => mount.StartsWith("/tmp:", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(EveryService))]
    public void A_service_has_limits_and_an_image_that_can_be_another(string name)
    {
        var service = Services[name];

        decimal.Parse(Scalar(At(service, "cpus")), CultureInfo.InvariantCulture).ShouldBePositive();
        Scalar(At(service, "mem_limit")).ShouldMatch("^[0-9]+[mg]$");
        int.Parse(Scalar(At(service, "pids_limit")), CultureInfo.InvariantCulture).ShouldBePositive();
        Scalar(At(service, "image")).ShouldMatch(@"^\$\{[A-Z]+_IMAGE:-[^:}]+(:[^}]+)?\}$");
        if (At(service, "ports") is { } ports)
            List(ports).ShouldAllBe(port => port.Contains("_LISTEN:-127.0.0.1:", StringComparison.Ordinal), "Only this machine is let in unless somebody says otherwise.");
    }

    [Fact]
    public void Two_workers_tell_Xero_and_the_web_node_only_hears()
    {
        Scalar(At(Services["worker"], "scale")).ShouldBe("2");
        At(Services["worker"], "environment", "Worker__Enabled").ShouldBeNull();
        At(Services["worker"], "ports").ShouldBeNull();
        Scalar(At(Services["web"], "environment", "Worker__Enabled")).ShouldBe("false");
    }

    [Fact]
    public void Nothing_starts_before_the_schema_is_there()
    {
        List(At(Services["migrate"], "command")).ShouldBe(["migrate"]);
        Scalar(At(Services["migrate"], "restart")).ShouldBe("no");
        Scalar(At(Services["migrate"], "depends_on", "postgres", "condition")).ShouldBe("service_healthy");
        foreach (var node in new[] { "web", "worker" })
            Scalar(At(Services[node], "depends_on", "migrate", "condition")).ShouldBe("service_completed_successfully");
    }

    [Fact]
    public async Task A_node_that_is_stopped_gets_the_time_that_it_takes()
    {
        await using var app = Service.Create(["--environment=Development", "--ConnectionStrings:PaymentSync=Host=127.0.0.1", "--Stripe:WebhookSecrets:0=whsec_1", "--Jobs:Engine=None"]);
        var takes = app.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout;

        foreach (var node in new[] { "web", "worker" })
        {
            var given = Scalar(At(Services[node], "stop_grace_period"));
            given.ShouldEndWith("s");
            TimeSpan.FromSeconds(int.Parse(given[..^1], CultureInfo.InvariantCulture)).ShouldBeGreaterThan(takes);
        }
    }

    [Fact]
    public void No_secret_has_a_value_or_a_default()
    {
        foreach (var (service, variable, value) in
            from service in Services
            where At(service.Value, "environment") is not null
            from variable in Map(At(service.Value, "environment")!)
            select (service.Key, variable.Key, Scalar(variable.Value)))
        {
            if (SecretName().IsMatch(variable))
                value.ShouldMatch(@"^(\$\{[A-Za-z0-9_]+:\?[^}]+\})?$", $"{service}: {variable}");
        }
        foreach (Match used in Used().Matches(Text))
        {
            if (SecretName().IsMatch(used.Groups["name"].Value))
                used.Groups["rest"].Value.ShouldStartWith(":?", customMessage: used.Value);
        }
    }

    [Theory]
    [InlineData("infra/demo.env")]
    [InlineData("infra/production.env.example")]
    public void What_an_environment_file_sets_is_used_and_what_is_required_is_in_it(string file)
    {
        var known = Used().Matches(Text).Select(used => used.Groups["name"].Value)
            .Concat(Services.Values.Select(service => At(service, "environment")).OfType<YamlMappingNode>().SelectMany(environment => Map(environment).Keys)).Append("COMPOSE_PROFILES").ToHashSet(StringComparer.Ordinal);
        var required = Used().Matches(Text).Where(used => used.Groups["rest"].Value.StartsWith(":?", StringComparison.Ordinal)).Select(used => used.Groups["name"].Value).Distinct(StringComparer.Ordinal);
        var set = Setting().Matches(File.ReadAllText(Path.Combine(Repository.Root, file))).ToLookup(line => line.Groups["name"].Value, line => line.Groups["off"].Length == 0, StringComparer.Ordinal);

        set.Select(line => line.Key).ShouldBeSubsetOf(known);
        foreach (var name in required)
            set[name].ShouldContain(true, name);
    }

    [Fact]
    public void Volumes_and_networks_that_are_used_exist()
    {
        var root = Root(Text);
        foreach (var service in Services.Values)
        {
            if (At(service, "volumes") is { } volumes)
            {
                foreach (var source in List(volumes).Select(volume => volume.Split(':')[0]))
                {
                    if (source.StartsWith('.'))
                        Directory.Exists(Path.Combine(Repository.Root, source)).ShouldBeTrue(source);
                    else
                        At(root, "volumes").ShouldNotBeNull().ShouldBeOfType<YamlMappingNode>().Children.Keys.Select(key => Scalar(key)).ShouldContain(source);
                }
            }
        }
        Scalar(At(root, "networks", "database", "internal")).ShouldBe("true");
        List(At(Services["postgres"], "networks")).ShouldBe(["database"]);
    }

    [GeneratedRegex("password|_key$|keys__|secret", RegexOptions.IgnoreCase, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex SecretName();

    [GeneratedRegex(@"\$\{(?<name>[A-Za-z0-9_]+)(?<rest>[^}]*)\}", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Used();

    [GeneratedRegex("^(?<off>#?)(?<name>[A-Za-z][A-Za-z0-9_]*)=", RegexOptions.Multiline, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Setting();
}
