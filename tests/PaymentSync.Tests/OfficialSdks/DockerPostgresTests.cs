using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Shouldly;
using Xunit;

namespace PaymentSync.Tests.OfficialSdks;

public sealed class DockerPostgresTests
{
    [Fact]
    public async Task A_socket_without_an_engine_behind_it_is_given_up_within_seconds()
    {
        var path = Path.Combine(Path.GetTempPath(), $"engine-{Guid.NewGuid():N}.sock");
        using var mute = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        mute.Bind(new UnixDomainSocketEndPoint(path));
        mute.Listen();
        try
        {
            var started = Stopwatch.GetTimestamp();
            (await DockerPostgres.AnswersAsync(new Uri($"unix://{path}"))).ShouldBeFalse();
            Stopwatch.GetElapsedTime(started).ShouldBeLessThan(TimeSpan.FromSeconds(60));
        }
        finally
        {
            File.Delete(path);
        }
        (await DockerPostgres.AnswersAsync(new Uri($"unix://{path}"))).ShouldBeFalse();
    }

    [Fact]
    public async Task An_address_where_nobody_listens_has_no_engine()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = taken.LocalEndpoint;
        taken.Stop();
        (await DockerPostgres.AnswersAsync(new Uri($"tcp://{address}"))).ShouldBeFalse();
    }
}
