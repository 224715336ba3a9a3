using PaymentSync.Cli;
using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.Cli;

/// <summary>The command line as a person types it, in this process.</summary>
static class Paymentsync
{
    public sealed record Result(int ExitCode, string Output, string Error);

    /// <summary>With the address of the world's service and its admin's key, unless the arguments say otherwise.</summary>
    public static Task<Result> RunAsync(World world, params string[] arguments) =>
        RunAsync([.. arguments, .. arguments.Contains("--url") ? Array.Empty<string>() : ["--url", world.Api.BaseAddress!.ToString()], .. arguments.Contains("--key") ? Array.Empty<string>() : ["--key", World.AdminKey]]);

    public static async Task<Result> RunAsync(params string[] arguments)
    {
        await using var output = new StringWriter();
        await using var error = new StringWriter();
        var code = await CommandTree.RunAsync(arguments, output, error);
        return new Result(code, output.ToString(), error.ToString());
    }
}
