using System.Net.Sockets;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Options;
using Npgsql;
using Npgsql.NameTranslation;

namespace PaymentSync.Database;

static class DatabaseSetup
{
    public static void AddDatabase(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(services => BuildDataSource(ConnectionString(builder.Configuration), services.GetRequiredService<ILoggerFactory>()));
        builder.Services.AddDbContextPool<PaymentSyncDbContext>((services, options) => options
            .UseNpgsql(services.GetRequiredService<NpgsqlDataSource>(), npgsql => npgsql
                .MapEnum<XeroSyncs.XeroSyncType>("XeroSyncType", nameTranslator: new NpgsqlNullNameTranslator())
                .MapEnum<XeroSyncs.XeroSyncStatus>("XeroSyncStatus", nameTranslator: new NpgsqlNullNameTranslator()))
            // One data source per process in production; tests run many services in one process, and that is no leak.
            .ConfigureWarnings(warnings => warnings.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning))
            .UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking));
        builder.Services.AddSingleton<DatabaseClock>();
        builder.Services.AddSingleton<TimeProvider>(services => services.GetRequiredService<DatabaseClock>());
        builder.Services.AddHostedService(services => services.GetRequiredService<DatabaseClock>());

        builder.Services.AddSingleton(MasterKey.From(builder.Configuration, builder.Environment));
        builder.Services.AddSingleton<KeyRing>();
        // Before Data Protection, whose own start would add a key wrapped by whatever master key is set.
        builder.Services.AddHostedService<KeyRingCheck>();
        builder.Services.AddDataProtection().SetApplicationName("PaymentSync");
        builder.Services.AddSingleton<IConfigureOptions<KeyManagementOptions>>(services => new ConfigureOptions<KeyManagementOptions>(options =>
        {
            options.XmlRepository = services.GetRequiredService<KeyRing>();
            options.XmlEncryptor = new KeyRingEncryptor(services.GetRequiredService<MasterKey>());
        }));
    }

    /// <exception cref="StartException">No connection string is configured.</exception>
    public static string ConnectionString(IConfiguration configuration) =>
        configuration.GetConnectionString("PaymentSync") is { Length: > 0 } connectionString
            ? connectionString
            : throw new StartException("no connection string. Set ConnectionStrings__PaymentSync, for example \"Host=127.0.0.1;Database=paymentsync;Username=paymentsync\".");

    public static NpgsqlDataSource BuildDataSource(string connectionString, ILoggerFactory? loggers = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            ApplicationName = "PaymentSync",
            // The default would look in a schema of the user's own name first, and many users are named paymentsync.
            SearchPath = "public",
            GssEncryptionMode = GssEncryptionMode.Disable,
            MaxAutoPrepare = 60,
        };
        // The guards of xero_syncs know us by this setting; everybody else is the host application.
        settings.Options = string.Join(' ', settings.Options, "-c paymentsync.writer=on").Trim();
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        builder.MapEnum<XeroSyncs.XeroSyncType>("XeroSyncType", new NpgsqlNullNameTranslator());
        builder.MapEnum<XeroSyncs.XeroSyncStatus>("XeroSyncStatus", new NpgsqlNullNameTranslator());
        builder.UseLoggerFactory(loggers);
        return builder.Build();
    }

    /// <summary>Whether the database could not be reached or refused to work, as opposed to refusing what was asked.</summary>
    public static bool IsUnavailable(Exception problem) => problem switch
    {
        // Connection, resources, operator and corruption; 40: a deadlock or serialisation victim; 55000, 3D000 and 28: it takes no connection of ours;
        // 55P03 and 57014: a lock or statement time-out; 25006: a standby.
        PostgresException refused => refused.SqlState is "PS503" or "25006" or "55000" or "55P03" or "3D000"
                                     || refused.SqlState[..2] is "08" or "28" or "40" or "53" or "57" or "XX",
        NpgsqlException or SocketException or TimeoutException => true,
        _ => problem.InnerException is { } inner && IsUnavailable(inner),
    };
}

/// <summary>The service cannot start; the message is a sentence that says what to do.</summary>
public sealed class StartException(string message) : Exception(message)
{
    /// <returns>A sentence for the operator, or null when the exception is a defect and should be seen whole.</returns>
    public static string? Explain(Exception problem) => problem switch
    {
        StartException known => known.Message,
        OptionsValidationException options => string.Join(" ", options.Failures),
        IOException { InnerException: Microsoft.AspNetCore.Connections.AddressInUseException } => $"{problem.Message} Set PAYMENTSYNC_URL to a free address.",
        PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.UndefinedFunction } =>
            "the database has no schema of this version yet. Run PaymentSync migrate first.",
        _ when DatabaseSetup.IsUnavailable(problem) => $"the database cannot be used: {problem.Message} Check ConnectionStrings__PaymentSync and that PostgreSQL runs.",
        _ => null,
    };
}
