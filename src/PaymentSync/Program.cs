using PaymentSync;

return await Verbs.RunAsync(args);
