using XeroSimulator;

await SimulatorApp.Create(args).RunAsync();
