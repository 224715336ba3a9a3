using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace PaymentSync.Tests.Testing;

/// <summary>A throw-away PostgreSQL in a temporary folder, reached through a socket there: no port to choose, none to lose.</summary>
/// <remarks>
/// A test process is often killed: by a time-out, a debugger, an impatient person. So the server does not hang on our
/// clean-up. A small shell in a process group of its own waits at the other end of a pipe; when our end closes, for whatever
/// reason, it stops the server and deletes the folder. Should the shell be killed too, the kernel tells the server.
/// (Not our own death directly: the kernel means the death of the thread that started a process, and ours come and go.)
/// </remarks>
public sealed class PostgresCluster : IAsyncDisposable
{
    // $1 PostgreSQL's programs, $2 where the folder may be. Prints the folder when the server answers.
    const string Keeper = """
        set -eu
        trap '' INT TERM HUP PIPE
        place=$2
        # Not everybody may write into root's temporary folder, and the path of a socket has at most 107 bytes.
        if [ ! -w "$place" ] || [ ${#place} -gt 60 ]; then place=/tmp; fi
        folder=$(mktemp -d "$place/paymentsync-tests-XXXXXX")
        server=
        trap 'if [ -n "$server" ]; then kill -QUIT "$server" && wait "$server"; fi; rm -rf "$folder"' EXIT
        if ! "$1/initdb" --pgdata "$folder/data" --auth trust --username postgres --encoding UTF8 --locale C.UTF-8 --no-sync >"$folder/log" 2>&1; then
            cat "$folder/log" >&2
            exit 1
        fi
        bound=
        if command -v setpriv >/dev/null; then bound='setpriv --pdeathsig QUIT'; fi
        start() {
            $bound "$1/postgres" -D "$folder/data" -c unix_socket_directories="$folder" -c listen_addresses= -c max_connections=400 \
                -c fsync=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 ${PAYMENTSYNC_TEST_POSTGRES_OPTIONS:-} >>"$folder/log" 2>&1 </dev/null &
            server=$!
            until "$1/pg_isready" --quiet --host "$folder"; do
                if ! kill -0 "$server" 2>/dev/null; then
                    cat "$folder/log" >&2
                    exit 1
                fi
                sleep 0.05
            done
            echo "$folder"
        }
        start "$1"
        while read -r _; do
            kill -QUIT "$server"
            wait "$server" || true
            start "$1"
        done
        """;

    readonly Process _keeper;

    PostgresCluster(Process keeper, string folder)
    {
        _keeper = keeper;
        Folder = folder;
    }

    public string Folder { get; }

    public string ConnectionString => new NpgsqlConnectionStringBuilder
    {
        Host = Folder,
        Username = "postgres",
        Database = "postgres",
        GssEncryptionMode = GssEncryptionMode.Disable,
    }.ConnectionString;

    public static async Task<PostgresCluster> StartAsync()
    {
        var command = Command();
        var keeper = Process.Start(new ProcessStartInfo(command[0], command.Skip(1))
        {
            // The user that the server runs as may not be allowed into ours.
            WorkingDirectory = "/",
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var complaint = keeper.StandardError.ReadToEndAsync();
        if (await keeper.StandardOutput.ReadLineAsync() is { } folder)
            return new PostgresCluster(keeper, folder);

        throw new InvalidOperationException($"PostgreSQL could not be started for the tests ({string.Join(' ', command.Take(5))} …): {await complaint}");
    }

    public async ValueTask DisposeAsync()
    {
        _keeper.StandardInput.Close();
        await _keeper.WaitForExitAsync();
        _keeper.Dispose();
    }

    /// <summary>An immediate shutdown, as a crash of the server is, and its start. Returns when it answers again.</summary>
    public async Task RestartAsync()
    {
        await _keeper.StandardInput.WriteLineAsync("restart");
        await _keeper.StandardInput.FlushAsync();
        if (await _keeper.StandardOutput.ReadLineAsync() is null)
            throw new InvalidOperationException("PostgreSQL did not come back.");
    }

    /// <summary>For the test of what happens then.</summary>
    internal void KillKeeper() => _keeper.Kill();

    /// <summary>What starts a cluster that lives as long as the command's standard input stays open.</summary>
    /// <exception cref="InvalidOperationException">This machine has no PostgreSQL; says what to do about it.</exception>
    internal static string[] Command()
    {
        var programs = Programs() ?? throw new InvalidOperationException(
            "These tests need PostgreSQL 14 or newer, and none was found on the PATH or below /usr/lib/postgresql. " +
            "Run: apt-get install postgresql; or put an admin connection string into PAYMENTSYNC_TEST_DATABASE.");

        return ["setsid", .. AsSomebodyElseThanRoot(), "sh", "-c", Keeper, "keeper", programs, Path.TrimEndingDirectorySeparator(Path.GetTempPath())];
    }

    static string? Programs()
    {
        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => new FileInfo(Path.Combine(folder, "initdb")))
            .Where(initdb => initdb.Exists)
            .Select(initdb => ((initdb.ResolveLinkTarget(returnFinalTarget: true) as FileInfo) ?? initdb).DirectoryName!);
        var ofTheDistribution = new DirectoryInfo("/usr/lib/postgresql") is { Exists: true } versions
            ? versions.GetDirectories()
                .OrderByDescending(version => int.TryParse(version.Name, CultureInfo.InvariantCulture, out var number) ? number : 0)
                .Select(version => Path.Combine(version.FullName, "bin"))
            : [];

        return onPath.Concat(ofTheDistribution).FirstOrDefault(folder =>
            Array.TrueForAll(["initdb", "postgres", "pg_isready"], program => File.Exists(Path.Combine(folder, program))));
    }

    /// <summary>PostgreSQL refuses to run as root, which is who containers and CI machines run tests as.</summary>
    static string[] AsSomebodyElseThanRoot()
    {
        if (!Environment.IsPrivilegedProcess)
            return [];

        var users = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).ToList();
        var user = users.Find(fields => fields[0] == "postgres") ?? users.Find(fields => fields[0] == "nobody")
            ?? throw new InvalidOperationException("PostgreSQL refuses to run as root, and there is no user postgres or nobody. Run: useradd --system postgres");
        return ["setpriv", "--reuid", user[2], "--regid", user[3], "--clear-groups", "--"];
    }
}
