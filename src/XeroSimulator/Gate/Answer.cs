using System.Text;

namespace XeroSimulator.Gate;

/// <summary>An answer as bytes: what is stored under an idempotency key, replayed, cut short or dropped.</summary>
internal sealed record Answer(int Status, string ContentType, byte[] Body)
{
    private const string Json = "application/json; charset=utf-8";

    public static Answer NotFound { get; } = Text(404, "The resource you're looking for cannot be found");

    public static Answer Unavailable { get; } = Text(503, "The Xero API is temporarily unavailable");

    public static Answer BadGateway { get; } = new(502, "text/html",
        "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"u8.ToArray());

    public static Answer ServerError { get; } = OfJson(500, "{\"ErrorNumber\":500,\"Type\":\"InternalServerError\",\"Message\":\"An error occurred in Xero.\"}");

    public static Answer Text(int status, string text) => new(status, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(text));

    public static Answer OfJson(int status, string json) => new(status, Json, Encoding.UTF8.GetBytes(json));

    public static Answer OfJson(int status, byte[] json) => new(status, Json, json);

    /// <summary>The body of 401 and 403 (and of idempotency refusals): a problem document with Xero's capitals.</summary>
    public static Answer Problem(int status, string title, string detail) => OfJson(status, XeroJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNull("Type");
        json.WriteString("Title", title);
        json.WriteNumber(nameof(Status), status);
        json.WriteString("Detail", detail);
        json.WriteString("Instance", Guid.NewGuid());
        json.WriteStartObject("Extensions");
        json.WriteEndObject();
        json.WriteEndObject();
    }));

    /// <summary>A 400 about the request as a whole; the elements of a batch have their own.</summary>
    public static Answer BadRequest(int errorNumber, string type, string message) => OfJson(400, XeroJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("ErrorNumber", errorNumber);
        json.WriteString("Type", type);
        json.WriteString("Message", message);
        json.WriteEndObject();
    }));
}
