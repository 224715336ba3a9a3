using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using PaymentSync.OperatorConsole;

namespace PaymentSync.Jobs;

static class JobsSetup
{
    public static void AddJobs(this WebApplicationBuilder builder, Parts parts)
    {
        builder.Services.AddOptions<WorkerOptions>().BindConfiguration("Worker").ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<WorkerOptions>, WorkerOptionsRules>();
        builder.Services.AddSingleton<Wakes>();
        builder.Services.AddSingleton<DrainLeases>();
        builder.Services.AddSingleton<Drain>();
        builder.Services.AddSingleton<Sweep>();
        builder.Services.AddSingleton<RecurringJobs>();
        builder.Services.AddSingleton(provider => new RecurringJob("sweep", "Wakes organisations that have due rows.", TimeSpan.FromMinutes(1),
            cancellationToken => WakeDueAsync(provider.GetRequiredService<Sweep>(), provider.GetRequiredService<Wakes>(), cancellationToken)));
        builder.Services.AddHostedService<Worker>();
        Parts.Choose(parts.JobEngines, "Jobs:Engine", builder.Configuration["Jobs:Engine"] ?? parts.DefaultEngine)(builder, builder.Configuration.GetValue("Worker:Enabled", defaultValue: true));
    }

    public static void MapJobs(this WebApplication app)
    {
        var jobs = app.MapGroup("/api/jobs").WithTags("Jobs");
        jobs.MapGet("/", ListAsync).RequireAuthorization(Roles.Viewer);
        jobs.MapPost("/{name}/run", RunAsync).RequireAuthorization(Roles.Operator);
    }

    static async Task<Ok<ItemList<ScheduledJob>>> ListAsync(IJobEngine engine, CancellationToken cancellationToken) =>
        TypedResults.Ok(new ItemList<ScheduledJob>(await engine.ListAsync(cancellationToken)));

    static async Task<Results<Ok<JobRun>, ProblemHttpResult>> RunAsync(string name, RecurringJobs jobs, AuditLog audit, HttpContext http, CancellationToken cancellationToken)
    {
        if (jobs.Find(name) is not { } job)
            return Problems.NotFound("job.unknown", $"There is no job \"{name}\". Known: {string.Join(", ", jobs.All.Select(known => known.Name))}.");
        await audit.WriteAsync(http.User, "job.run", name, reason: null, cancellationToken);
        return TypedResults.Ok(new JobRun(name, await job.Run(cancellationToken)));
    }

    static async Task<string> WakeDueAsync(Sweep sweep, Wakes wakes, CancellationToken cancellationToken)
    {
        var due = await sweep.RunAsync(cancellationToken);
        foreach (var organisation in due)
            wakes.Wake(organisation);
        return $"{due.Count} organisations have due rows.";
    }

    sealed record JobRun(string Name, string Result);
}

sealed record ItemList<T>(IReadOnlyList<T> Items);
