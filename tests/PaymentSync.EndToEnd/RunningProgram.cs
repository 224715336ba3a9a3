using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace PaymentSync.EndToEnd;

/// <summary>A built program in a process of its own, which never outlives the test.</summary>
/// <remarks>
/// A test process is often killed itself. So a small shell in a process group of its own holds the other end of a pipe: when our end
/// closes, for whatever reason, it kills the program; should the shell be killed, the kernel kills the program.
/// </remarks>
sealed class RunningProgram : IAsyncDisposable
{
    // $1 where its output goes, then the program and its arguments. Prints the program's process id; ends as the program does.
    const string Keeper = """
        exec 2>/dev/null
        log=$1
        shift
        bound=
        if command -v setpriv >/dev/null; then bound='setpriv --pdeathsig KILL'; fi
        exec 3<&0
        $bound "$@" >"$log.out" 2>"$log.err" </dev/null 3<&- &
        program=$!
        echo "$program"
        { read -r _ <&3; kill -KILL "$program"; } >/dev/null 2>&1 &
        watch=$!
        code=0
        wait "$program" || code=$?
        kill -KILL "$watch"
        exit "$code"
        """;

    static readonly string Configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
    // Programs look for the runtime in the usual places; ours may run from elsewhere.
    static readonly string Runtime = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    readonly Process _keeper;
    readonly string _log;

    RunningProgram(string name, Process keeper, int id, string log) => (Name, _keeper, Id, _log) = (name, keeper, id, log);

    public string Name { get; }
    public int Id { get; }
    public bool HasExited => _keeper.HasExited;
    /// <summary>The test stopped or killed it: that it is gone is no failure.</summary>
    public bool MayExit { get; private set; }
    public string Output => Read(_log + ".out");
    public string Error => Read(_log + ".err");

    /// <param name="settings">Environment variables; of ours, those that configure a service are not passed on.</param>
    public static async Task<RunningProgram> StartAsync(string program, string name, string logFolder, IReadOnlyDictionary<string, string> settings, params string[] arguments)
    {
        // Beside the tests, which were built with it.
        var file = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", program, Configuration, program));
        var log = Path.Combine(logFolder, name);
        var start = new ProcessStartInfo("setsid", ["sh", "-c", Keeper, "keeper", log, file, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = Path.GetDirectoryName(file)!,
        };
        foreach (var ours in start.Environment.Keys.Where(key => key.Contains("__", StringComparison.Ordinal) || key.StartsWith("PAYMENTSYNC_", StringComparison.Ordinal)
            || key.StartsWith("XERO_", StringComparison.Ordinal) || key.StartsWith("ASPNETCORE_", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(ours);
        }
        start.Environment["DOTNET_ROOT"] = Runtime;
        foreach (var (key, value) in settings)
            start.Environment[key] = value;
        var keeper = Process.Start(start)!;
        var id = await keeper.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"{file} was not started.");
        return new RunningProgram(name, keeper, int.Parse(id, CultureInfo.InvariantCulture), log);
    }

    /// <summary>Sends TERM, KILL, STOP or CONT.</summary>
    public async Task SignalAsync(string signal)
    {
        if (_keeper.HasExited)
            return;
        MayExit |= signal is "TERM" or "KILL";
        using var kill = Process.Start("kill", [$"-{signal}", Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    /// <summary>SIGKILL, at once: no other program is started for it.</summary>
    public void Kill()
    {
        MayExit = true;
        try
        {
            using var program = Process.GetProcessById(Id);
            program.Kill();
        }
        catch (ArgumentException)
        {
            // It is gone already.
        }
    }

    /// <returns>Its exit code; 128 and the signal's number when it was killed by one.</returns>
    public async Task<int> ExitAsync(TimeSpan patience)
    {
        using var enough = new CancellationTokenSource(patience);
        try
        {
            await _keeper.WaitForExitAsync(enough.Token);
        }
        catch (OperationCanceledException tooLong)
        {
            throw new TimeoutException($"{Name} (process {Id}) was still running after {patience.TotalSeconds:0} seconds.", tooLong);
        }
        return _keeper.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        await SignalAsync("KILL");
        await _keeper.WaitForExitAsync();
        _keeper.Dispose();
    }

    static string Read(string file)
    {
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }
}
