#ifndef ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_SQL_VALUE_H_
#define ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_SQL_VALUE_H_

#include <sqlite3.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace actkin {

// Values of SQL as numbers and texts. `name` is the argument's, for messages. Each throws Error (usage) saying what was
// expected and what was found; NULL is never accepted. The value is the calling thread's.
std::string TextValue(sqlite3_value* value, std::string_view name);
// An integer, or a real or text that is one.
std::int64_t IntegerValue(sqlite3_value* value, std::string_view name);
int SmallIntegerValue(sqlite3_value* value, std::string_view name);
double RealValue(sqlite3_value* value, std::string_view name);
std::string BlobValue(sqlite3_value* value, std::string_view name);
// A BLOB of little-endian float32 numbers, all finite, at least one.
std::vector<float> VectorValue(sqlite3_value* value, std::string_view name);
std::vector<float> ReadVector(std::string_view bytes, std::string_view name);

void ReturnText(sqlite3_context* context, std::string_view text);
void ReturnVector(sqlite3_context* context, std::span<const float> vector);

// What a caught exception says, on one line.
std::string ErrorLine(const std::exception& error);

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_SQL_VALUE_H_
