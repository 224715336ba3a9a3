using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Http.HttpResults;

namespace PaymentSync.Xero;

/// <summary>The small page that a person sees on coming back from Xero: what happened, and what to do next. Needs no script and loads nothing.</summary>
static class OAuthPage
{
    public static ContentHttpResult Show(HttpContext http, int status, string title, string happened, string next)
    {
        // The address carries the code and the state: it is neither kept nor passed on.
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers["Referrer-Policy"] = "no-referrer";
        http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        return TypedResults.Content($$"""
            <!doctype html>
            <html lang="en">
            <head>
              <meta charset="utf-8">
              <meta name="viewport" content="width=device-width, initial-scale=1">
              <title>{{Safe(title)}}</title>
              <style>
                body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; color: #1c2733; background: #fff; }
                h1 { font-size: 1.4rem; }
                @media (prefers-color-scheme: dark) { body { color: #e6e9ec; background: #15191d; } a { color: #8ab8ff; } }
              </style>
            </head>
            <body>
              <main>
                <h1>{{Safe(title)}}</h1>
                <p>{{Safe(happened)}}</p>
                <p>{{Safe(next)}}</p>
                <p><a href="/">PaymentSync</a></p>
              </main>
            </body>
            </html>
            """, "text/html; charset=utf-8", statusCode: status);
    }

    static string Safe(string text) => HtmlEncoder.Default.Encode(text);
}
