namespace XeroSimulator.Gate;

/// <summary>The request cannot be read at all, so that no element of it can be blamed: the whole call is a 400.</summary>
internal sealed class BadRequestException(int errorNumber, string type, string message) : Exception(message)
{
    public Answer Answer { get; } = Answer.BadRequest(errorNumber, type, message);

    public static BadRequestException Body(string message) => new(14, "PostDataInvalidException", message);

    public static BadRequestException Query(string message) => new(16, "QueryParseException", message);
}
