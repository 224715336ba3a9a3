using Xunit;

namespace PaymentSync.Tests.Testing;

/// <summary>Sample data that lies beside the repository, in <c>../shared/data</c>, and is not part of it. Tests that need it are skipped without it.</summary>
public static class SharedData
{
    /// <summary>The folder; null when it is not there.</summary>
    public static string? Folder { get; } = Find();

    /// <summary>The folder; skips the running test when it is not there.</summary>
    public static string RequireFolder()
    {
        if (Folder is null)
            Assert.Skip("The folder ../shared/data is missing beside the repository: the samples in it were not checked.");
        return Folder;
    }

    private static string? Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "PaymentSync.sln")))
                continue;
            var data = Path.GetFullPath(Path.Combine(folder.FullName, "..", "shared", "data"));
            return Directory.Exists(data) ? data : null;
        }

        return null;
    }
}
