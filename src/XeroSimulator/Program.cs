using XeroSimulator;

if (args is ["health"])
    return await HealthVerb.RunAsync();
await SimulatorApp.Create(args).RunAsync();
return 0;
