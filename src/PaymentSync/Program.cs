using PaymentSync;
using PaymentSync.Database;

return args switch
{
    ["migrate", .. var rest] => await MigrateVerb.RunAsync(rest),
    ["restore-legacy", .. var rest] => await RestoreLegacyVerb.RunAsync(rest),
    _ => await Service.RunAsync(args),
};
