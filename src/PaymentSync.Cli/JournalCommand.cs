using System.CommandLine;
using System.Globalization;

namespace PaymentSync.Cli;

/// <summary><c>paymentsync journal</c>: everything that was planned, sent and tried in a time, as JSON lines.</summary>
static class JournalCommand
{
    const string LastLine = """{"kind":"end",""";

    public static Command Build(GlobalOptions globals)
    {
        var from = new Option<DateTimeOffset>("--from") { Description = "Begin, for example 2026-11-01 (UTC where no zone is given).", Required = true, CustomParser = Time };
        var to = new Option<DateTimeOffset?>("--to") { Description = "End, not included; now where it is not given.", CustomParser = result => Time(result) };
        var command = new Command("journal", "Writes the journal of a time as JSON lines, with every document and answer; the last line counts them.") { from, to };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var last = "";
            await foreach (var line in invocation.Api.LinesAsync("/api/journal" + Json.Query(("from", Iso(parsed.GetValue(from))), ("to", Iso(parsed.GetValue(to)))), cancellationToken))
                invocation.Say(last = line);
            return last.StartsWith(LastLine, StringComparison.Ordinal) ? 0 : throw new ApiException("The export broke off before its end; run it again.");
        });
        return command;
    }

    static DateTimeOffset Time(System.CommandLine.Parsing.ArgumentResult given)
    {
        if (DateTimeOffset.TryParse(given.Tokens.Count > 0 ? given.Tokens[0].Value : null, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            return time;
        given.AddError("A time is written like 2026-11-01 or 2026-11-01T08:30:00Z.");
        return default;
    }

    static string? Iso(DateTimeOffset? time) => time?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
}
