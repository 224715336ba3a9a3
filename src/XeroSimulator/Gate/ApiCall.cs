using System.Text.Json;
using XeroSimulator.Organisations;

namespace XeroSimulator.Gate;

/// <summary>One authenticated, admitted call on one organisation.</summary>
internal sealed record ApiCall
{
    public required Organisation Organisation { get; init; }

    public required string ProviderName { get; init; }

    public required Query Query { get; init; }

    /// <summary>The last segment of <c>/Invoices/{id}</c>; null for a list.</summary>
    public string? Id { get; init; }

    public required byte[] Body { get; init; }

    /// <summary>When the call is done, which a fault may put off.</summary>
    public DateTimeOffset Now { get; init; }

    /// <summary>When what this call creates shows up in lists: now, unless the late-lists fault says otherwise.</summary>
    public DateTimeOffset ListedFrom { get; init; }

    public DateTimeOffset? ModifiedSince { get; init; }

    public DateOnly Today => DateOnly.FromDateTime(Now.UtcDateTime);

    public JsonElement Json()
    {
        try
        {
            using var document = JsonDocument.Parse(Body);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw BadRequestException.Body("JSON for post data was invalid, please check the formatting and try again.");
        }
    }
}
