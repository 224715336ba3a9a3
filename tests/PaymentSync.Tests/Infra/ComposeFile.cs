using PaymentSync.Tests.Testing;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PaymentSync.Tests.Infra;

/// <summary>docker-compose.yml as compose reads it: merge keys merged, everything else as it is written.</summary>
static class ComposeFile
{
    public static string Text { get; } = File.ReadAllText(Path.Combine(Repository.Root, "docker-compose.yml"));

    public static IReadOnlyDictionary<string, YamlMappingNode> Services { get; } =
        Map(Map(Root(Text))["services"]).ToDictionary(service => service.Key, service => (YamlMappingNode)service.Value, StringComparer.Ordinal);

    public static YamlNode Root(string text)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(text));
        return yaml.Documents[0].RootNode;
    }

    /// <summary>What is written in the mapping goes before what is merged into it, and the first that is merged before the second.</summary>
    public static Dictionary<string, YamlNode> Map(YamlNode node)
    {
        var values = new Dictionary<string, YamlNode>(StringComparer.Ordinal);
        foreach (var (key, value) in ((YamlMappingNode)node).Where(pair => Scalar(pair.Key) != "<<"))
            values.Add(Scalar(key), value);
        foreach (var (_, merged) in ((YamlMappingNode)node).Where(pair => Scalar(pair.Key) == "<<"))
        {
            foreach (var one in merged is YamlSequenceNode several ? several.Children : [merged])
            {
                foreach (var (key, value) in Map(one))
                    values.TryAdd(key, value);
            }
        }
        return values;
    }

    /// <summary>The value at the path; null when there is none.</summary>
    public static YamlNode? At(YamlNode node, params ReadOnlySpan<string> path)
    {
        foreach (var key in path)
        {
            if (!Map(node).TryGetValue(key, out var next))
                return null;
            node = next;
        }
        return node;
    }

    public static string Scalar(YamlNode? node) => (node as YamlScalarNode)?.Value ?? throw new YamlException($"Not a scalar: {node}");

    public static IReadOnlyList<string> List(YamlNode? node) => [.. ((node as YamlSequenceNode)?.Children ?? throw new YamlException($"Not a list: {node}")).Select(Scalar)];
}
