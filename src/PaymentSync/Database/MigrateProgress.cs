using System.Diagnostics;
using System.Globalization;
using PaymentSync.Migrations;

namespace PaymentSync.Database;

/// <summary>How far an adoption is: a bar on a terminal, a line now and then elsewhere.</summary>
sealed class MigrateProgress(TextWriter log) : IDisposable
{
    static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan NextLine = TimeSpan.FromSeconds(10);
    const int Width = 40;

    readonly bool _terminal = log == Console.Out ? !Console.IsOutputRedirected : !Console.IsErrorRedirected;
    readonly Lock _gate = new();
    readonly Stopwatch _running = Stopwatch.StartNew();
    TimeSpan _toldAt;
    string _step = "";
    bool _open;

    public void Tell(AdoptionProgress progress)
    {
        lock (_gate)
        {
            if (progress.Step != _step)
            {
                EndLine();
                _step = progress.Step;
                _toldAt = _running.Elapsed;
                log.WriteLine($"{_running.Elapsed:mm\\:ss}  {Words(progress.Step)}");
            }
            else if (progress.Total > 0 && (_running.Elapsed - _toldAt > (_terminal ? Redraw : NextLine) || progress.Done == progress.Total))
            {
                _toldAt = _running.Elapsed;
                var filled = (int)(Width * progress.Done / progress.Total);
                var counts = string.Create(CultureInfo.InvariantCulture, $"{progress.Done:N0} of {progress.Total:N0} pages");
                if (_terminal)
                    log.Write($"\r       [{new string('#', filled)}{new string('.', Width - filled)}] {counts}");
                else
                    log.WriteLine($"{_running.Elapsed:mm\\:ss}    {counts}");
                _open = _terminal;
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
            EndLine();
    }

    void EndLine()
    {
        if (_open)
            log.WriteLine();
        _open = false;
    }

    static string Words(string step) => step switch
    {
        "columns" => "Adding columns to xero_syncs; from here on the host's updates keep the old row",
        "plan" => "Ranking all rows, and deciding what becomes of them",
        "duplicates" => "Archiving duplicates",
        "rows" => "Filling the rows that stay",
        "archive" => "Indexing the archive and the work list",
        "constraint" => "Building the unique constraint",
        "indexes" => "Building indexes",
        "checks" => "Checking every row",
        "guards" => "Setting up the guards",
        "tally" => "Counting what was decided",
        "totals" => "Counting what was booked before",
        _ => "Verifying",
    };
}
