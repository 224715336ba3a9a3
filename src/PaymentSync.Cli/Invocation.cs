using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace PaymentSync.Cli;

/// <summary>What a command works with: the service, and where its words go.</summary>
sealed class Invocation(Api api, TextWriter output, bool json) : IDisposable
{
    static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public Api Api { get; } = api;
    public bool Json { get; } = json;
    public IAnsiConsole Console { get; } = ConsoleOn(output);
    /// <summary>How a person types this program, for commands that are printed to be copied.</summary>
    public string Self { get; } = Environment.GetEnvironmentVariable("PAYMENTSYNC_COMMAND") is { Length: > 0 } told ? told : "paymentsync";

    /// <summary>Prints the answer: as it came, or in words.</summary>
    /// <returns>Exit code 0.</returns>
    public int Print(JsonNode answer, Action<IAnsiConsole> words)
    {
        if (Json)
            output.WriteLine(answer.ToJsonString(Readable));
        else
            words(Console);
        return 0;
    }

    /// <summary>A line as it is: wrapped at the screen's edge by the terminal itself, so that it can be copied whole.</summary>
    public void Say(string line) => output.WriteLine(line);

    public void Dispose() => Api.Dispose();

    static IAnsiConsole ConsoleOn(TextWriter output)
    {
        var terminal = ReferenceEquals(output, System.Console.Out) && !System.Console.IsOutputRedirected;
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
            // Asks nothing, so that it does not matter where the input comes from.
            Interactive = terminal ? InteractionSupport.Yes : InteractionSupport.No,
        });
        // A file has no width: ids must not be broken in two.
        if (!terminal)
            console.Profile.Width = 200;
        return console;
    }
}
