using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace PaymentSync.Database;

/// <summary>A place in a list ordered by time and id, newest first. Opaque to callers.</summary>
static class Keyset
{
    public static string Write(DateTime at, Guid id) => Base64Url.EncodeToString(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{at.Ticks}.{id:N}")));

    /// <returns>False when it is not a cursor of ours; null is the start of the list.</returns>
    public static bool TryRead(string? cursor, out (DateTime At, Guid Id)? after)
    {
        after = null;
        if (cursor is null)
            return true;
        if (cursor.Length > 100 || !Base64Url.IsValid(cursor))
            return false;
        if (Encoding.ASCII.GetString(Base64Url.DecodeFromChars(cursor)).Split('.') is not [var ticks, var id]
            || !long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var time) || time < 0 || time > DateTime.MaxValue.Ticks || !Guid.TryParseExact(id, "N", out var guid))
        {
            return false;
        }
        after = (new DateTime(time, DateTimeKind.Utc), guid);
        return true;
    }
}
