using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace PaymentSync.Telemetry;

static class TelemetrySetup
{
    public static void AddTelemetry(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<Metrics>();
        // Exported only where somebody listens: the standard variable names the collector.
        if (string.IsNullOrEmpty(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
            return;
        builder.Services.AddSingleton<BacklogGauges>();
        builder.Services.AddHostedService(services => services.GetRequiredService<BacklogGauges>());
        builder.Services.AddHostedService<OtlpExport>();
    }

    /// <summary>Metrics and traces by OTLP. ASP.NET Core, HttpClient and Npgsql bring meters and sources of their own.</summary>
    /// <remarks>OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER = none leaves one of them out, for a receiver that takes only the other.</remarks>
    sealed class OtlpExport(IConfiguration configuration) : IHostedService
    {
        MeterProvider? _meters;
        TracerProvider? _traces;

        public Task StartAsync(CancellationToken cancellationToken)
        {
            var resource = ResourceBuilder.CreateDefault().AddService("paymentsync");
            if (configuration["OTEL_METRICS_EXPORTER"] != "none")
                _meters = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource)
                    .AddMeter(Metrics.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Net.Http", "Npgsql", "System.Runtime").AddOtlpExporter().Build();
            if (configuration["OTEL_TRACES_EXPORTER"] != "none")
                _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource("Microsoft.AspNetCore", "System.Net.Http", "Npgsql").AddOtlpExporter().Build();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            _meters?.Dispose();
            _traces?.Dispose();
            return Task.CompletedTask;
        }
    }
}
