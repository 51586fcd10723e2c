#include "query/sqlite/table_functions/sql_value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <exception>
#include <limits>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

static_assert(std::endian::native == std::endian::little, "vectors in SQL are little-endian");

std::string_view TextOf(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

std::string Found(sqlite3_value* value) {
  constexpr std::size_t kShown = 60;
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL:
      return "NULL";
    case SQLITE_BLOB:
      return fmt::format("a BLOB of {} bytes", sqlite3_value_bytes(value));
    case SQLITE_TEXT: {
      const std::string_view text = TextOf(value);
      return text.size() > kShown ? fmt::format("a text of {} bytes", text.size()) : Quote(text);
    }
    default:
      return std::string(TextOf(value));
  }
}

}  // namespace

std::string TextValue(sqlite3_value* value, std::string_view name) {
  if (sqlite3_value_type(value) != SQLITE_TEXT) FailUsage("{}: expected a text, found {}", name, Found(value));
  return std::string(TextOf(value));
}

std::int64_t IntegerValue(sqlite3_value* value, std::string_view name) {
  switch (sqlite3_value_type(value) == SQLITE_BLOB ? SQLITE_BLOB : sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
      return sqlite3_value_int64(value);
    case SQLITE_FLOAT: {
      const double number = sqlite3_value_double(value);
      if (std::abs(number) < 9e15 && number == std::trunc(number)) return static_cast<std::int64_t>(number);
      break;
    }
    default:
      break;
  }
  FailUsage("{}: expected a whole number, found {}", name, Found(value));
}

int SmallIntegerValue(sqlite3_value* value, std::string_view name) {
  const std::int64_t number = IntegerValue(value, name);
  if (number < std::numeric_limits<int>::min() || number > std::numeric_limits<int>::max()) {
    FailUsage("{}: {} is out of range", name, number);
  }
  return static_cast<int>(number);
}

double RealValue(sqlite3_value* value, std::string_view name) {
  const int type = sqlite3_value_type(value) == SQLITE_BLOB ? SQLITE_BLOB : sqlite3_value_numeric_type(value);
  if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) FailUsage("{}: expected a number, found {}", name, Found(value));
  return sqlite3_value_double(value);
}

std::string BlobValue(sqlite3_value* value, std::string_view name) {
  if (sqlite3_value_type(value) != SQLITE_BLOB) {
    FailUsage("{}: expected a BLOB of little-endian float32, found {}", name, Found(value));
  }
  const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(sqlite3_value_bytes(value)));
}

std::vector<float> VectorValue(sqlite3_value* value, std::string_view name) {
  return ReadVector(BlobValue(value, name), name);
}

std::vector<float> ReadVector(std::string_view bytes, std::string_view name) {
  if (bytes.empty() || bytes.size() % sizeof(float) != 0) {
    FailUsage("{}: expected a BLOB of little-endian float32, found a BLOB of {} bytes: 4 bytes a number", name,
              bytes.size());
  }
  std::vector<float> vector(bytes.size() / sizeof(float));
  std::memcpy(vector.data(), bytes.data(), bytes.size());
  const auto odd = std::ranges::find_if_not(vector, [](float number) { return std::isfinite(number); });
  if (odd != vector.end()) FailUsage("{}: number {} is {}: expected finite numbers", name, odd - vector.begin(), *odd);
  return vector;
}

void ReturnText(sqlite3_context* context, std::string_view text) {
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void ReturnVector(sqlite3_context* context, std::span<const float> vector) {
  sqlite3_result_blob64(context, vector.data(), vector.size_bytes(), SQLITE_TRANSIENT);
}

std::string ErrorLine(const std::exception& error) {
  std::string line = error.what();
  std::ranges::replace_if(
      line, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return line;
}

}  // namespace actkin
