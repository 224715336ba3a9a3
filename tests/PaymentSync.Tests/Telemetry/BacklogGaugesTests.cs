using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using PaymentSync.Telemetry;
using PaymentSync.Tests.Testing;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.Telemetry;

public sealed class BacklogGaugesTests(PostgresServer server)
{
    // Nobody listens there: what is exported is of no interest here, only that something is.
    static readonly Dictionary<string, string> Exporting = new(StringComparer.Ordinal) { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1" };

    [Fact]
    public async Task Every_node_that_exports_tells_what_is_not_booked_and_why()
    {
        await using var world = await World.StartAsync(server, settings: Exporting);
        var other = await world.StartNodeAsync(settings: Exporting);
        (await FiguresAsync(world.Service)).ShouldContainKeyAndValue("paymentsync.xero.calls_left", "5000");
        var link = await world.LinkAsync();
        await world.PayAsync(link);
        await world.AdvanceAsync(TimeSpan.FromMinutes(20));
        double.Parse((await FiguresAsync(other))["paymentsync.sync.oldest_due"], CultureInfo.InvariantCulture).ShouldBeInRange(1200, 1300);

        await world.FaultAsync("commit-then-reset", resource: "PUT /Invoices");
        await world.DrainAsync();
        await world.PayAsync(await world.LinkAsync(), "pi_2", minor: 11000);
        await world.AdvanceAsync(TimeSpan.FromMinutes(61));

        foreach (var node in new[] { world.Service, other })
        {
            var figures = await FiguresAsync(node);
            figures.ShouldContainKeyAndValue("paymentsync.sync.uncertain", "1");
            figures.ShouldContainKeyAndValue("paymentsync.sync.uncertain_over_an_hour", "1");
            double.Parse(figures["paymentsync.sync.oldest_uncertain"], CultureInfo.InvariantCulture).ShouldBeInRange(3660, 3760);
            figures.ShouldContainKeyAndValue("paymentsync.sync.unfinished FAILED", "2");
            figures.ShouldContainKeyAndValue("paymentsync.sync.unfinished PENDING", "2");
            figures.ShouldContainKeyAndValue("paymentsync.waiting_for_a_person syncs", "1");
            figures.ShouldContainKeyAndValue("paymentsync.waiting_for_a_person events", "0");
            figures.ShouldNotContainKey("paymentsync.xero.connection.days_left", "A custom connection has no refresh token that could die.");
        }

        await world.DrainAsync();
        var after = await FiguresAsync(other);
        after.ShouldContainKeyAndValue("paymentsync.sync.uncertain", "0");
        after.ShouldContainKeyAndValue("paymentsync.sync.oldest_uncertain", "0");
        after.ShouldContainKeyAndValue("paymentsync.sync.oldest_due", "0");
    }

    /// <summary>By instrument and label value, as a reader sees them who comes to this node.</summary>
    static async Task<Dictionary<string, string>> FiguresAsync(WebApplication node)
    {
        await node.Services.GetRequiredService<BacklogGauges>().ReadAsync(CancellationToken.None);
        var figures = new Dictionary<string, string>(StringComparer.Ordinal);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, listening) =>
        {
            if (instrument.Meter.Name == Metrics.MeterName && instrument.Meter.Scope == node.Services.GetRequiredService<IMeterFactory>())
                listening.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value.ToString(CultureInfo.InvariantCulture), tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value.ToString(CultureInfo.InvariantCulture), tags));
        listener.Start();
        listener.RecordObservableInstruments();
        return figures;

        void Note(Instrument instrument, string value, ReadOnlySpan<KeyValuePair<string, object?>> tags) => figures[string.Join(' ', [instrument.Name, .. tags.ToArray().Select(tag => $"{tag.Value}")])] = value;
    }
}
