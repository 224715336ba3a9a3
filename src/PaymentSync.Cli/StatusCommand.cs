using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace PaymentSync.Cli;

/// <summary><c>paymentsync status</c>: is everything booked, and if not, since when and why.</summary>
static class StatusCommand
{
    public static Command Build(GlobalOptions globals)
    {
        var command = new Command("status", "Is everything booked, and if not, since when and why?");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var invocation = globals.Of(parsed);
            var status = await invocation.Api.GetAsync("/api/status", cancellationToken);
            return invocation.Print(status, console => console.Write(Words.Facts(Facts(status))));
        });
        return command;
    }

    static IEnumerable<(string, string?)> Facts(JsonNode status)
    {
        foreach (var (name, count) in (status["syncs"] as JsonObject ?? []).OrderBy(pair => pair.Key, StringComparer.Ordinal))
            yield return ($"syncs {name}", count?.ToJsonString());
        yield return ("outcome not known now", status.Text("uncertain"));
        yield return ("events for a person", status.Text("eventsWaiting"));
        yield return ("recovery items for a person", status["recovery"].Text("openItems"));
        if (status["recovery"].Text("mode") == "true")
            yield return ("recovery mode", $"on: {status["recovery"].Text("recovering")} or more syncs are being recovered, replays are refused");
        if (double.TryParse(status.Text("oldestUnsyncedSeconds"), CultureInfo.InvariantCulture, out var seconds))
            yield return ("oldest unfinished", TimeSpan.FromSeconds(Math.Round(seconds)).ToString("c", CultureInfo.InvariantCulture));
        foreach (var failure in status.Items("failures"))
            yield return ($"  {failure.Text("code")}", failure.Text("syncs"));
        foreach (var tenant in status.Items("calls"))
        {
            yield return ($"Xero tenant {tenant.Text("tenantId")}", string.Join(", ", new[]
            {
                $"{tenant.Text("lastMinute")} calls in the last minute",
                tenant.Text("leftToday") is { } left ? $"{left} left today" : null,
                tenant.Text("blockedUntil") is { } until ? $"blocked until {Words.Time(until)} ({tenant.Text("blockedBecause")})" : null,
            }.OfType<string>()));
        }
    }
}
