using System.CommandLine;

namespace PaymentSync.Cli;

/// <summary>What every command takes: where the service is, whose key to show, and how to print.</summary>
sealed class GlobalOptions(TextWriter output)
{
    readonly Option<string> _url = Address("--url", "Where PaymentSync answers (or PAYMENTSYNC_URL).", "PAYMENTSYNC_URL", "http://127.0.0.1:8080");

    readonly Option<string?> _key = new("--key")
    {
        Description = "The operator key (or PAYMENTSYNC_KEY, which other people on this machine cannot see in the process list).",
        Recursive = true,
    };

    readonly Option<bool> _json = new("--json") { Description = "Print the answer as JSON.", Recursive = true };

    public IEnumerable<Option> All => [_url, _key, _json];

    public Invocation Of(ParseResult parsed)
    {
        var key = Secret(parsed, _key, "PAYMENTSYNC_KEY");
        return new Invocation(new Api("PaymentSync", new Uri(parsed.GetRequiredValue(_url)), key), output, parsed.GetValue(_json));
    }

    /// <summary>What the option or its variable says. No default of the option's own, which the help would show to everybody.</summary>
    /// <exception cref="UsageException">Neither is set.</exception>
    public static string Secret(ParseResult parsed, Option<string?> option, string variable) =>
        (parsed.GetValue(option) ?? Environment.GetEnvironmentVariable(variable)) is { Length: > 0 } secret ? secret : throw new UsageException($"Give {option.Name}, or set {variable}.");

    /// <summary>An option for an http address, with the environment variable that it may come from.</summary>
    public static Option<string> Address(string name, string description, string variable, string otherwise)
    {
        var option = new Option<string>(name)
        {
            Description = description,
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? set : otherwise,
            Recursive = true,
        };
        option.Validators.Add(given =>
        {
            if (!Uri.TryCreate(given.GetValueOrDefault<string>(), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
                given.AddError($"{name} must be an address like {otherwise}.");
        });
        return option;
    }
}
