using Microsoft.Extensions.Options;
using PaymentSync.OfficialSdks;
using PaymentSync.Tests.Xero;
using PaymentSync.Xero;

namespace PaymentSync.Tests.OfficialSdks;

public sealed class XeroSdkAccountingTests : XeroAccountingContract
{
    private protected override IXeroAccounting Create(XeroOptions options) => new XeroSdkAccounting(Options.Create(options));
}
