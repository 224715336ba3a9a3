using System.Runtime.CompilerServices;
using PaymentSync.OfficialSdks;
using PaymentSync.Tests.Testing;

namespace PaymentSync.Tests.OfficialSdks;

static class OfficialBuild
{
    [ModuleInitializer]
    internal static void Register() => World.PartsOfThisBuild = OfficialParts.Create;
}
