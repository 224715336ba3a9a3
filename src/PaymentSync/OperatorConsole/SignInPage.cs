using System.Net;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.HttpResults;

namespace PaymentSync.OperatorConsole;

/// <summary>The forms by which an operator's browser gets a session and gives it back: <c>…/sign-in</c> and <c>…/sign-out</c> beside the pages they are for.</summary>
static class SignInPage
{
    /// <summary>Metadata of pages: where their sign-in form is.</summary>
    public sealed record At(string Path);

    /// <returns>What those pages need to lead there.</returns>
    public static At MapSignIn(this WebApplication app, string pages)
    {
        var forms = app.MapGroup(pages).ExcludeFromDescription();
        forms.MapGet("/sign-in", (HttpContext http, IAntiforgery antiforgery) => SignInForm(http, antiforgery, StatusCodes.Status200OK, said: null));
        forms.MapPost("/sign-in", async Task<IResult> (HttpContext http, IAntiforgery antiforgery, OperatorKeys keys) =>
        {
            if (!await antiforgery.IsRequestValidAsync(http))
                return SignInForm(http, antiforgery, StatusCodes.Status400BadRequest, "This form was open for too long, or came from elsewhere. Try again.");
            var form = await http.Request.ReadFormAsync(http.RequestAborted);
            return await OperatorSession.SignInAsync(http, form["key"].ToString().Trim(), keys)
                ? TypedResults.LocalRedirect(pages)
                : SignInForm(http, antiforgery, StatusCodes.Status401Unauthorized, "This operator key is unknown or revoked.");
        });
        forms.MapGet("/sign-out", (HttpContext http, IAntiforgery antiforgery) =>
            Page(http, antiforgery, StatusCodes.Status200OK, said: null, """<button type="submit">Sign out</button>"""));
        forms.MapPost("/sign-out", async Task<IResult> (HttpContext http, IAntiforgery antiforgery) =>
        {
            if (!await antiforgery.IsRequestValidAsync(http))
                return Page(http, antiforgery, StatusCodes.Status400BadRequest, "This form was open for too long, or came from elsewhere. Try again.", """<button type="submit">Sign out</button>""");
            await http.SignOutAsync(OperatorSession.Name);
            return TypedResults.LocalRedirect($"{pages}/sign-in");
        });
        return new At($"{pages}/sign-in");
    }

    static ContentHttpResult SignInForm(HttpContext http, IAntiforgery antiforgery, int status, string? said) => Page(http, antiforgery, status, said, """
        <label for="key">Operator key</label><input id="key" name="key" type="password" autocomplete="current-password" required autofocus><button type="submit">Sign in</button>
        """);

    static ContentHttpResult Page(HttpContext http, IAntiforgery antiforgery, int status, string? said, string fields)
    {
        var token = antiforgery.GetAndStoreTokens(http);
        http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Content($$"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>PaymentSync</title>
            <style>body{font:16px system-ui,sans-serif;max-width:22rem;margin:15vh auto;padding:0 1rem}label,input,button{display:block;box-sizing:border-box;width:100%;margin:.5rem 0;font:inherit;padding:.4rem}
            label{padding:0}p{color:#a40000}</style></head>
            <body><h1>PaymentSync</h1>{{(said is null ? "" : $"""<p role="alert">{WebUtility.HtmlEncode(said)}</p>""")}}<form method="post">
            <input type="hidden" name="{{token.FormFieldName}}" value="{{token.RequestToken}}">{{fields}}</form></body></html>
            """, "text/html; charset=utf-8", statusCode: status);
    }
}
