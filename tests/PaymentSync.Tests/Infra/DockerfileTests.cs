using System.Text.RegularExpressions;
using System.Xml.Linq;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Infra;

/// <summary>What must not rot in infra/Dockerfile.</summary>
public sealed partial class DockerfileTests
{
    static readonly string Text = File.ReadAllText(Path.Combine(Repository.Root, "infra", "Dockerfile"));

    [Fact]
    public void Base_images_are_build_arguments()
    {
        var stages = From().Matches(Text).Select(stage => stage.Groups["stage"].Value).ToHashSet(StringComparer.Ordinal);

        From().Matches(Text).Select(stage => stage.Groups["image"].Value).Where(image => !stages.Contains(image)).ShouldBe(["${SDK_IMAGE}", "${RUNTIME_IMAGE}"]);
        Text.ShouldContain("ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0\n");
        Text.ShouldContain("ARG RUNTIME_IMAGE=mcr.microsoft.com/dotnet/aspnet:10.0\n");
    }

    [Fact]
    public void The_programs_run_as_nobody_and_stop_on_SIGTERM()
    {
        User().Matches(Text).Select(user => user.Groups["user"].Value).ShouldBe(["10001:10001"]);
        Text.ShouldContain("\nSTOPSIGNAL SIGTERM\n");
        Text[Text.IndexOf("FROM ${RUNTIME_IMAGE}", StringComparison.Ordinal)..].ShouldNotContain("\nRUN ", customMessage: "A base image without a shell could not do it.");
    }

    [Theory]
    [InlineData("src/PaymentSync.OfficialSdks/PaymentSync.OfficialSdks.csproj")]
    [InlineData("src/PaymentSync.Cli/PaymentSync.Cli.csproj")]
    [InlineData("src/XeroSimulator/XeroSimulator.csproj")]
    public void The_layer_that_restores_has_every_project_file_it_needs(string project)
    {
        Text.ShouldContain($"\nCOPY {project} {Path.GetDirectoryName(project)}/\n");
        var path = Path.Combine(Repository.Root, project);
        foreach (var referenced in XDocument.Load(path).Descendants("ProjectReference").Select(reference => reference.Attribute("Include")!.Value))
            The_layer_that_restores_has_every_project_file_it_needs(Path.GetRelativePath(Repository.Root, Path.Combine(Path.GetDirectoryName(path)!, referenced)));
    }

    [GeneratedRegex(@"^FROM (?<image>\S+) AS (?<stage>\S+)$", RegexOptions.Multiline, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex From();

    [GeneratedRegex(@"^USER (?<user>.+)$", RegexOptions.Multiline, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex User();
}
