using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using PaymentSync.Database;

namespace PaymentSync.OperatorConsole;

/// <summary>Errors as RFC 9457 problem details, each with a stable code and a sentence that says what to do.</summary>
static class Problems
{
    public static ProblemHttpResult BadRequest(string code, string detail) => Of(StatusCodes.Status400BadRequest, code, detail);
    public static ProblemHttpResult Unauthorised(string code, string detail) => Of(StatusCodes.Status401Unauthorized, code, detail);
    public static ProblemHttpResult Forbidden(string code, string detail) => Of(StatusCodes.Status403Forbidden, code, detail);
    public static ProblemHttpResult NotFound(string code, string detail) => Of(StatusCodes.Status404NotFound, code, detail);
    public static ProblemHttpResult Conflict(string code, string detail) => Of(StatusCodes.Status409Conflict, code, detail);
    public static ProblemHttpResult TooLarge(string code, string detail) => Of(StatusCodes.Status413PayloadTooLarge, code, detail);
    public static ProblemHttpResult Unavailable(string code, string detail) => Of(StatusCodes.Status503ServiceUnavailable, code, detail);

    static ProblemHttpResult Of(int status, string code, string detail) =>
        TypedResults.Problem(detail, statusCode: status, type: $"urn:paymentsync:{code}", extensions: new Dictionary<string, object?>(StringComparer.Ordinal) { ["code"] = code });

    /// <summary>What nobody expected: bad input is 400, a database that is away is 503 so that callers try again, the rest is a defect.</summary>
    public static void UseProblems(this WebApplication app)
    {
        app.UseExceptionHandler(handler => handler.Run(async context =>
        {
            var problem = context.Features.Get<IExceptionHandlerFeature>()?.Error;
            ProblemHttpResult result = problem switch
            {
                BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => TooLarge("request.too_large", "The request is too large."),
                BadHttpRequestException bad => BadRequest("request.invalid", bad.InnerException is System.Text.Json.JsonException json ? $"The JSON cannot be read: {json.Message}" : bad.Message),
                PostgresException { SqlState: PostgresErrorCodes.CharacterNotInRepertoire or PostgresErrorCodes.UntranslatableCharacter } =>
                    BadRequest("request.invalid", "Texts cannot contain the character NUL."),
                not null when DatabaseSetup.IsUnavailable(problem) => Unavailable("database.unavailable", "The database cannot be used now. Nothing was lost; try again."),
                _ => Of(StatusCodes.Status500InternalServerError, "internal", "This is a defect in PaymentSync; its log says more."),
            };
            await result.ExecuteAsync(context);
        }));
        app.UseStatusCodePages(async pages =>
        {
            var status = pages.HttpContext.Response.StatusCode;
            await Of(status, $"http.{status}", status == StatusCodes.Status404NotFound ? $"There is nothing at {pages.HttpContext.Request.Path}." : "The request was not accepted.")
                .ExecuteAsync(pages.HttpContext);
        });
    }
}
