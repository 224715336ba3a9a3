using Hangfire.Logging;
using LogLevel = Hangfire.Logging.LogLevel;

namespace PaymentSync.OfficialSdks.Jobs;

/// <summary>
/// Hangfire's log lines in ours. It keeps one logger for the process and holds on to what it made of it; so each line asks for the logger of the service that
/// started last, and there is none any more once that has ended.
/// </summary>
sealed class HangfireLog(ILoggerFactory loggers) : ILogProvider, IDisposable
{
    static HangfireLog? s_current;

    public void Use()
    {
        Volatile.Write(ref s_current, this);
        LogProvider.SetCurrentLogProvider(this);
    }

    public ILog GetLogger(string name) => new Lines(name);

    public void Dispose() => Interlocked.CompareExchange(ref s_current, null, this);

    sealed class Lines(string name) : ILog
    {
        public bool Log(LogLevel logLevel, Func<string>? messageFunc, Exception? exception = null)
        {
            if (Volatile.Read(ref s_current) is not { } current)
                return false;
            var level = logLevel switch
            {
                LogLevel.Trace => Microsoft.Extensions.Logging.LogLevel.Trace,
                LogLevel.Debug => Microsoft.Extensions.Logging.LogLevel.Debug,
                // Its options and the comings and goings of its threads, several lines at each start.
                LogLevel.Info => Microsoft.Extensions.Logging.LogLevel.Debug,
                LogLevel.Warn => Microsoft.Extensions.Logging.LogLevel.Warning,
                LogLevel.Error => Microsoft.Extensions.Logging.LogLevel.Error,
                _ => Microsoft.Extensions.Logging.LogLevel.Critical,
            };
            var log = current.Logger(name);
            if (!log.IsEnabled(level))
                return false;
            // Asked without a message it wants to know whether one would be written.
            if (messageFunc is not null)
                log.Log(level, default, messageFunc(), exception, static (message, _) => message);
            return true;
        }
    }

    ILogger Logger(string name)
    {
        try
        {
            return loggers.CreateLogger(name);
        }
        catch (ObjectDisposedException)
        {
            return Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;
        }
    }
}
