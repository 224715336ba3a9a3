using System.Text;
using Microsoft.EntityFrameworkCore;
using PaymentSync.Confirmation;
using PaymentSync.XeroSyncs;

namespace PaymentSync.Database;

/// <summary>What the API reads and lists. The queue's own statements (claim, intent, completion, confirmation) are SQL beside the code that runs them.</summary>
sealed class PaymentSyncDbContext(DbContextOptions<PaymentSyncDbContext> options) : DbContext(options)
{
    public DbSet<XeroSync> Syncs => Set<XeroSync>();
    public DbSet<SyncAttempt> Attempts => Set<SyncAttempt>();
    public DbSet<Organisation> Organisations => Set<Organisation>();
    public DbSet<BookingSettings> BookingSettings => Set<BookingSettings>();
    public DbSet<PaymentLink> PaymentLinks => Set<PaymentLink>();
    public DbSet<PaymentLinkSettings> PaymentLinkSettings => Set<PaymentLinkSettings>();
    public DbSet<PaymentEvent> Events => Set<PaymentEvent>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<XeroSync>().ToTable("xero_syncs", "public").Property(sync => sync.Currency).HasColumnType("char(3)");
        modelBuilder.Entity<XeroSync>().Property(sync => sync.RequestPayload).HasColumnType("jsonb");
        modelBuilder.Entity<XeroSync>().Property(sync => sync.ResponsePayload).HasColumnType("jsonb");
        modelBuilder.Entity<SyncAttempt>().ToTable("sync_attempts", "paymentsync");
        modelBuilder.Entity<Organisation>().ToTable("organizations", "public");
        modelBuilder.Entity<BookingSettings>().ToTable("organization_settings", "paymentsync").HasKey(settings => settings.OrganizationId);
        modelBuilder.Entity<BookingSettings>().Property(settings => settings.ClearingAccounts).HasColumnType("jsonb");
        modelBuilder.Entity<PaymentLink>().ToTable("payment_links", "public").Ignore(link => link.Status);
        modelBuilder.Entity<PaymentLinkSettings>().ToTable("payment_link_settings", "paymentsync").HasKey(settings => settings.PaymentLinkId);
        modelBuilder.Entity<PaymentEvent>().ToTable("events", "paymentsync");

        foreach (var property in modelBuilder.Model.GetEntityTypes().SelectMany(entity => entity.GetProperties()))
            property.SetColumnName(SnakeCase(property.Name));
    }

    static string SnakeCase(string name)
    {
        var snake = new StringBuilder(name.Length + 8);
        foreach (var letter in name)
        {
            if (char.IsUpper(letter) && snake.Length > 0)
                snake.Append('_');
            snake.Append(char.ToLowerInvariant(letter));
        }
        return snake.ToString();
    }
}
