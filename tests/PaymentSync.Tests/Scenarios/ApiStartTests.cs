using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Scenarios;

/// <summary>Settings with which nothing would be safe: the service does not start, and says in a sentence what to do.</summary>
public sealed class ApiStartTests(PostgresServer server)
{
    public static TheoryData<string, string, string> Refused => new()
    {
        { "Stripe:WebhookSecrets:1", "", "Set Stripe__WebhookSecrets__0 to the signing secret" },
        { "Stripe:WebhookSecrets:1", " ", "A Stripe webhook secret is empty" },
        { "Stripe:WebhookSecrets:1", "whsec_x ", "white space around it" },
        { "Operator:Keys:1", "admin:short", "Operator:Keys:1 is too short: a key has at least 16 characters." },
        { "Operator:Keys:1", "admin:", "Operator:Keys:1 is too short" },
        { "Operator:Keys:1", "owner:a-key-that-is-long-enough", "Operator:Keys:1 must be \"role:key\" with the role viewer, operator or admin." },
        { "Operator:Keys:1", "a-key-without-its-role", "Operator:Keys:1 must be \"role:key\"" },
        { "environment", "Production", "PAYMENTSYNC_MASTER_KEY must be set to at least 16 characters" },
        { "PAYMENTSYNC_MASTER_KEY", "short", "PAYMENTSYNC_MASTER_KEY must be set to at least 16 characters" },
        { "ConnectionStrings:PaymentSync", "", "no connection string. Set ConnectionStrings__PaymentSync" },
        { "Jobs:Engine", "Cron", "Jobs:Engine is \"Cron\"; this build has Quartz and None" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task A_setting_that_would_not_be_safe_stops_the_start_with_a_sentence(string setting, string value, string sentence)
    {
        await using var database = await server.CreateDatabaseAsync();

        var problem = await StartAsync(database, [(setting, value)]);

        PaymentSync.Database.StartException.Explain(problem.ShouldNotBeNull("it started")).ShouldNotBeNull().ShouldContain(sentence);
    }

    [Fact]
    public async Task Without_any_webhook_secret_it_does_not_start()
    {
        await using var database = await server.CreateDatabaseAsync();

        var problem = await StartAsync(database, [], except: "Stripe:WebhookSecrets:0");

        PaymentSync.Database.StartException.Explain(problem.ShouldNotBeNull("it started")).ShouldNotBeNull().ShouldContain("At least one Stripe webhook secret is needed.");
    }

    [Fact]
    public async Task The_same_settings_without_the_mistake_start()
    {
        await using var database = await server.CreateDatabaseAsync();

        (await StartAsync(database, [])).ShouldBeNull();
        await using var productive = await server.CreateDatabaseAsync();
        (await StartAsync(productive, [("environment", "Production"), ("PAYMENTSYNC_MASTER_KEY", "a master key for tests")])).ShouldBeNull();
    }

    [Fact]
    public async Task A_start_that_is_refused_ends_the_program_with_code_1()
    {
        await using var database = await server.CreateDatabaseAsync();

        (await PaymentSync.Service.RunAsync(Arguments(database, [("Stripe:WebhookSecrets:1", "")], except: null))).ShouldBe(1);
    }

    static async Task<Exception?> StartAsync(PostgresDatabase database, (string, string)[] settings, string? except = null)
    {
        try
        {
            await using var node = PaymentSync.Service.Create(Arguments(database, settings, except));
            await node.StartAsync();
            await node.StopAsync();
            return null;
        }
        catch (Exception problem) when (problem is not OutOfMemoryException)
        {
            return problem;
        }
    }

    static string[] Arguments(PostgresDatabase database, (string, string)[] settings, string? except)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["urls"] = "http://127.0.0.1:0",
            ["environment"] = "Development",
            ["ConnectionStrings:PaymentSync"] = database.ConnectionString,
            ["Stripe:WebhookSecrets:0"] = World.WebhookSecret,
            ["Operator:Keys:0"] = $"admin:{World.AdminKey}",
            ["Worker:Enabled"] = "false",
            ["Jobs:Engine"] = "None",
            ["Logging:LogLevel:Default"] = "None",
        };
        foreach (var (setting, value) in settings)
            all[setting] = value;
        if (except is not null)
            all.Remove(except);
        return [.. all.Select(setting => $"--{setting.Key}={setting.Value}")];
    }
}
