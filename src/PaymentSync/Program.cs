using PaymentSync;
using PaymentSync.Database;

return args is ["migrate", .. var rest] ? await MigrateVerb.RunAsync(rest) : await Service.RunAsync(args);
