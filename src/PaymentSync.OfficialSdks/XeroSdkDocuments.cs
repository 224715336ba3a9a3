using System.Globalization;
using System.Text;
using Newtonsoft.Json;
using Xero.NetStandard.OAuth2.Model.Accounting;

namespace PaymentSync.OfficialSdks;

/// <summary>The SDK's invoices, written as they are.</summary>
/// <remarks>
/// The SDK looks for ISO times in the text of every model of its own namespace and writes them as /Date(…)/, inside references, descriptions and names
/// too. A type from elsewhere is left alone, and brings its own writer: dates are days, and fields that were not set are left out.
/// </remarks>
[JsonConverter(typeof(AsItIs))]
sealed class SentInvoices(Invoices documents) : Invoices, ISent
{
    public object Documents => documents;

    /// <exception cref="JsonException">The SDK's models have no place for something in it.</exception>
    public static SentInvoices Read(byte[] body) => new(AsItIs.Read<Invoices>(body));
}

/// <inheritdoc cref="SentInvoices"/>
[JsonConverter(typeof(AsItIs))]
sealed class SentPayments(Payments documents) : Payments, ISent
{
    public object Documents => documents;

    /// <inheritdoc cref="SentInvoices.Read"/>
    public static SentPayments Read(byte[] body) => new(AsItIs.Read<Payments>(body));
}

interface ISent
{
    object Documents { get; }
}

/// <summary>Reads and writes the SDK's models without losing or changing anything: decimals, days, text that looks like a time.</summary>
sealed class AsItIs : JsonConverter<ISent>
{
    // Kept, with what it learns about the models; the SDK learns that anew at every call.
    static readonly JsonSerializer Models = JsonSerializer.Create(new JsonSerializerSettings
    {
        Culture = CultureInfo.InvariantCulture,
        DateParseHandling = DateParseHandling.None,
        FloatParseHandling = FloatParseHandling.Decimal,
        DateFormatString = "yyyy-MM-dd",
        // What the models cannot carry must not be dropped on the way.
        MissingMemberHandling = MissingMemberHandling.Error,
        ConstructorHandling = ConstructorHandling.AllowNonPublicDefaultConstructor,
    });

    public override bool CanRead => false;

    public static T Read<T>(byte[] body)
    {
        using var json = new JsonTextReader(new StringReader(Encoding.UTF8.GetString(body)));
        return Models.Deserialize<T>(json) ?? throw new JsonSerializationException("There is no document.");
    }

    public override void WriteJson(JsonWriter writer, ISent? value, JsonSerializer serializer) => Models.Serialize(writer, value!.Documents);

    public override ISent ReadJson(JsonReader reader, Type objectType, ISent? existingValue, bool hasExistingValue, JsonSerializer serializer) => throw new NotSupportedException();
}
