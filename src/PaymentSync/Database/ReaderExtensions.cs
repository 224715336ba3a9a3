using System.Data.Common;

namespace PaymentSync.Database;

static class ReaderExtensions
{
    public static T? Nullable<T>(this DbDataReader reader, int column) where T : class => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);

    public static T? NullableValue<T>(this DbDataReader reader, int column) where T : struct => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
}
