using System.CommandLine;
using PaymentSync.Cli.Demo;

namespace PaymentSync.Cli;

/// <summary><c>paymentsync</c>: a client of the public HTTP API. The folders are the tree of its commands.</summary>
static class CommandTree
{
    const int Failed = 1;
    const int WrongUsage = 2;

    /// <returns>0 done, 1 the service refused or something is not as it should be (one sentence on <paramref name="error"/>), 2 wrong usage.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, CancellationToken cancellationToken = default)
    {
        var parsed = Build(output).Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var problem in parsed.Errors)
                await error.WriteLineAsync(problem.Message);
            await error.WriteLineAsync($"paymentsync {string.Join(' ', parsed.CommandResult.Command.Parents().Prepend(parsed.CommandResult.Command).Reverse().Skip(1).Select(part => part.Name).Append("--help"))} shows how it is used.");
            return WrongUsage;
        }
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false }, cancellationToken);
        }
        catch (UsageException problem)
        {
            await error.WriteLineAsync(problem.Message);
            return WrongUsage;
        }
        catch (ApiException problem)
        {
            await error.WriteLineAsync(problem.Message);
            return Failed;
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync("Stopped.");
            return Failed;
        }
    }

    static RootCommand Build(TextWriter output)
    {
        var globals = new GlobalOptions(output);
        var root = new RootCommand("Looks at PaymentSync and tells it what a person decided.")
        {
            DemoCommand.Build(globals),
            StatusCommand.Build(globals),
            new Command("syncs", "What Xero must be told, one sync for each invoice and each payment.") { Syncs.ListCommand.Build(globals), Syncs.ShowCommand.Build(globals), Syncs.JournalCommand.Build(globals) },
            JournalCommand.Build(globals),
            ReplayCommand.Build(globals),
            ResolveCommand.Build(globals),
            new Command("events", "What payment providers told us.") { Events.ListCommand.Build(globals), Events.ResolveCommand.Build(globals) },
            new Command("recovery", "What crashes left behind and what contradicted itself: settled, or left to a person.")
            {
                Recovery.ReportsCommand.Build(globals), Recovery.ItemsCommand.Build(globals), Recovery.RunCommand.Build(globals), Recovery.ResolveCommand.Build(globals),
            },
        };
        foreach (var option in globals.All)
            root.Add(option);
        return root;
    }

    static IEnumerable<Symbol> Parents(this Symbol symbol) => symbol.Parents.SelectMany(parent => parent.Parents().Prepend(parent));
}

/// <summary>The command line lacks something that no option's own rules can see. The message says what.</summary>
sealed class UsageException(string message) : Exception(message);
