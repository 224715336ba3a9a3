using System.Globalization;
using System.Text.Json.Nodes;
using PaymentSync.Tests.Testing;
using YamlDotNet.RepresentationModel;

namespace PaymentSync.Tests.XeroSimulation.Conformance;

/// <summary>Xero's OpenAPI description: which operations there are, and what each takes and answers.</summary>
sealed class OpenApiSpec
{
    readonly JsonNode _root;
    readonly SchemaValidator _validator;

    OpenApiSpec(JsonNode root)
    {
        _root = root;
        _validator = new SchemaValidator(Resolve);
    }

    /// <summary>Fields that Xero's answers have and its description has not, with where we know them from.</summary>
    public static readonly IReadOnlyDictionary<string, string> NotDescribed = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["Id"] = "the envelope, in each of the description's own examples",
        ["Status"] = "the envelope, in each of the description's own examples",
        ["ProviderName"] = "the envelope, in each of the description's own examples",
        ["DateTimeUTC"] = "the envelope, in each of the description's own examples",
        ["DateString"] = "beside every Date of a document, in the description's own examples",
        ["Elements"] = "a refused batch echoes each document whole, with HasErrors; described are only the few fields that all kinds share",
        ["DueDateString"] = "beside every DueDate, in the description's own examples",
    };

    public static OpenApiSpec Load(string path)
    {
        var yaml = new YamlStream();
        using var text = File.OpenText(path);
        yaml.Load(text);
        return new OpenApiSpec(Json(yaml.Documents[0].RootNode)!);
    }

    /// <returns>Everything in which the exchange differs from the description; empty when it conforms.</returns>
    public IReadOnlyList<string> Check(Exchange exchange)
    {
        if (Find(exchange) is not var (path, operation))
            return [$"There is no {exchange.Method} {exchange.Path}."];
        var problems = new List<string>();
        var parameters = Parameters(path).Concat(Parameters(operation)).Select(Resolve).ToList();
        CheckParameters(exchange, parameters, problems);
        if (exchange.Body.Length > 0)
        {
            if (Schema(operation["requestBody"]) is { } schema)
                _validator.Check(JsonNode.Parse(exchange.Body), schema, "request", problems);
            else
                problems.Add("It takes no body.");
        }
        if (exchange.Answer.StartsWith('{') && exchange.Status is 200 or 400)
        {
            if (operation["responses"]![exchange.Status.ToString(CultureInfo.InvariantCulture)] is { } response && Schema(Resolve(response)) is { } schema)
                _validator.Check(JsonNode.Parse(exchange.Answer), schema, $"answer {exchange.Status}", problems);
            else if (exchange.Status == 200)
                problems.Add("It describes no 200.");
        }
        return problems;
    }

    /// <summary>A path of the description that fits, literal ones before those with a parameter.</summary>
    (JsonNode Path, JsonNode Operation)? Find(Exchange exchange)
    {
        var asked = exchange.Path.Split('/');
        foreach (var (template, path) in _root["paths"]!.AsObject().OrderBy(entry => entry.Key.Contains('{', StringComparison.Ordinal)))
        {
            var parts = template.Split('/');
            if (parts.Length == asked.Length && parts.Zip(asked).All(pair => pair.First == pair.Second || pair.First.StartsWith('{'))
                && path![exchange.Method switch { "GET" => "get", "PUT" => "put", "POST" => "post", _ => "delete" }] is { } operation)
                return (path, operation);
        }
        return null;
    }

    void CheckParameters(Exchange exchange, List<JsonNode> parameters, List<string> problems)
    {
        foreach (var (name, value) in exchange.Query)
        {
            if (parameters.Find(parameter => Text(parameter, "in") == "query" && Text(parameter, "name") == name) is { } known)
                CheckParameter(name, value, Resolve(known["schema"]!), problems);
            else
                problems.Add($"It takes no query parameter {name}.");
        }
        if (exchange.Headers.ContainsKey("Idempotency-Key") && !parameters.Exists(parameter => Text(parameter, "name") == "Idempotency-Key"))
            problems.Add("It takes no Idempotency-Key.");
        if (exchange.Headers.TryGetValue("Idempotency-Key", out var key) && key.Length > 128)
            problems.Add("The Idempotency-Key is longer than 128 characters.");
    }

    /// <summary>In a query all is text: what it stands for is checked.</summary>
    void CheckParameter(string name, string value, JsonNode schema, List<string> problems)
    {
        if (Text(schema, "type") == "array")
        {
            foreach (var one in value.Split(','))
                CheckParameter(name, one, Resolve(schema["items"]!), problems);
            return;
        }
        var node = Text(schema, "type") switch
        {
            "integer" or "number" => decimal.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? JsonValue.Create(number) : JsonValue.Create(value),
            "boolean" => bool.TryParse(value, out var flag) ? JsonValue.Create(flag) : JsonValue.Create(value),
            _ => JsonValue.Create(value),
        };
        _validator.Check(node, schema, $"parameter {name}", problems);
    }

    JsonNode Resolve(JsonNode node)
    {
        while (Text(node, "$ref") is { } reference)
            node = reference.TrimStart('#', '/').Split('/').Aggregate(_root, (at, part) => at[part]!);
        return node;
    }

    static IEnumerable<JsonNode> Parameters(JsonNode node) => node["parameters"]?.AsArray().Select(one => one!) ?? [];

    static JsonNode? Schema(JsonNode? body) => body?["content"]?["application/json"]?["schema"];

    static string? Text(JsonNode node, string name) => node is JsonObject known && known[name] is JsonValue value ? value.ToString() : null;

    static JsonNode? Json(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(child => KeyValuePair.Create(((YamlScalarNode)child.Key).Value!, Json(child.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(Json)]),
        _ => JsonValue.Create(((YamlScalarNode)node).Value),
    };
}
