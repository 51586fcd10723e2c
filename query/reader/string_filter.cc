#include "query/reader/string_filter.h"

#include <nlohmann/json.hpp>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/select_integers.h"

namespace actkin {
namespace {

// The id in the last bytes of `tokens`. SQL has no other way to make a number of bytes than digit by digit.
std::string LastTokenId(int width) {
  std::string sum;
  for (int digit = 1; digit <= 2 * width; ++digit) {
    sum += fmt::format("{}(instr('123456789ABCDEF', substr(hex(substr(tokens, {})), {}, 1)) << {})",
                       digit == 1 ? "" : " + ", -width, digit, 4 * (2 * width - digit));
  }
  return sum;
}

std::vector<std::int64_t> ParseIntegers(const std::string& text, const std::string& name) {
  const nlohmann::json array = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!array.is_array()) FailUsage("{}: {} is no JSON array of string_ids or positions", name, Quote(text));
  std::vector<std::int64_t> integers;
  integers.reserve(array.size());
  for (const nlohmann::json& value : array) {
    if (!value.is_number_integer())
      FailUsage("{}: {} is no string_id or position: expected integers", name, Printable(value.dump()));
    integers.push_back(value.get<std::int64_t>());
  }
  return integers;
}

void RequireCondition(const std::string& condition, const char* example) {
  if (condition.find_first_not_of(" \t\r\n") != std::string::npos) return;
  FailUsage("where: empty: expected a condition of SQL, such as {}", example);
}

}  // namespace

std::vector<std::int64_t> StringsWhere(sqlite3* connection, const std::string& condition, StringId first, StringId last,
                                       int token_width) {
  RequireCondition(condition, "occurrences > 5");
  // A comment at its end must not take the bracket along.
  const std::string sql = fmt::format(
      "SELECT string_id FROM (SELECT string_id, length, text, occurrences, {} AS last_token_id FROM main.string "
      "WHERE string_id BETWEEN {} AND {}) WHERE ({}\n)",
      LastTokenId(token_width), first, last, condition);
  return SelectIntegers(connection, sql, "where");
}

std::vector<std::int64_t> PositionsWhere(sqlite3* connection, const std::string& condition) {
  RequireCondition(condition, "document_id = 3");
  return SelectIntegers(connection, fmt::format("SELECT position FROM actkin_tokens WHERE ({}\n)", condition), "where");
}

std::vector<std::int64_t> NumbersAmong(sqlite3* connection, const std::string& text, const std::string& name,
                                       const std::function<bool()>& proceed) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string::npos && text[begin] == '[') return ParseIntegers(text, name);
  return SelectIntegers(connection, text, name, proceed);
}

}  // namespace actkin
