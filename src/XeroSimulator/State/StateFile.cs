using System.Text.Json;
using XeroSimulator.Idempotency;
using XeroSimulator.Identity;
using XeroSimulator.Invoices;
using XeroSimulator.Organisations;
using XeroSimulator.Payments;

namespace XeroSimulator.State;

/// <summary>Keeps the world in one file: written beside it and renamed over it, so that a kill leaves the old file or the new one.</summary>
/// <remarks>Changes within <see cref="Pause"/> share one write. Windows of limits, the call log and faults are not kept.</remarks>
internal sealed class StateFile(string path, World world) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly SemaphoreSlim _changed = new(0, 1);

    public void Load()
    {
        if (!File.Exists(path))
            return;
        using var stream = File.OpenRead(path);
        var snapshot = JsonSerializer.Deserialize<Snapshot>(stream)
            ?? throw new InvalidDataException($"{path} holds no state; move it away to begin anew.");
        world.Clear();
        world.Clock.SetOffset(snapshot.ClockOffset);
        world.Identity.Restore(snapshot.Identity);
        world.Keys.Restore(snapshot.Keys);
        foreach (var organisation in snapshot.Organisations)
            world.Add(organisation.Restore());
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        Save();
    }

    public override void Dispose()
    {
        _changed.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        world.WhenChanged = Wake;
        try
        {
            while (true)
            {
                await _changed.WaitAsync(stoppingToken);
                await Task.Delay(Pause, stoppingToken);
                Save();
            }
        }
        catch (OperationCanceledException)
        {
            world.WhenChanged = null;
        }
    }

    private void Wake()
    {
        // Two callers may both see zero; the loser's Release is refused because one wake is pending, which is all it wanted.
        try
        {
            if (_changed.CurrentCount == 0)
                _changed.Release();
        }
        catch (SemaphoreFullException)
        {
            return;
        }
    }

    private void Save()
    {
        var snapshot = new Snapshot(
            world.Clock.Offset,
            world.Identity.Snapshot(),
            world.Keys.Snapshot(),
            [.. world.Organisations.Select(OrganisationSnapshot.Of)]);
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        var beside = full + ".new";
        using (var stream = File.Create(beside))
        {
            JsonSerializer.Serialize(stream, snapshot);
            stream.Flush(flushToDisk: true);
        }

        File.Move(beside, full, overwrite: true);
    }

    private sealed record Snapshot(
        TimeSpan ClockOffset, IdentitySnapshot Identity, IReadOnlyList<StoredAnswer> Keys, IReadOnlyList<OrganisationSnapshot> Organisations);
}
