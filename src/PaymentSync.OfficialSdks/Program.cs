using PaymentSync;
using PaymentSync.OfficialSdks;

return await Verbs.RunAsync(args, OfficialParts.Create());
