#include "query/sqlite/table_functions/table_call.h"

#include <cmath>
#include <limits>

#include "query/sqlite/table_functions/sql_value.h"
#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// Beyond it a double no longer tells whole numbers apart.
constexpr std::int64_t kLargestExact = std::int64_t{1} << 53;

// How to write what SQLite hands over.
constexpr const char* kWhere =
    "(IN, for several; in each branch of an OR; in a LEFT JOIN, in its ON; swap a RIGHT JOIN)";

SqlValue ReadValue(ArgumentType type, sqlite3_value* value, std::string_view name) {
  switch (type) {
    case ArgumentType::kText:
      return TextValue(value, name);
    case ArgumentType::kInteger:
      return IntegerValue(value, name);
    case ArgumentType::kReal:
      return RealValue(value, name);
    case ArgumentType::kBlob:
      return SqlBlob{BlobValue(value, name)};
    case ArgumentType::kPrompt:
      if (sqlite3_value_type(value) == SQLITE_BLOB) return SqlBlob{BlobValue(value, name)};
      return TextValue(value, name);
    case ArgumentType::kAny:
      break;
  }
  if (sqlite3_value_type(value) == SQLITE_TEXT) return TextValue(value, name);
  return IntegerValue(value, name);
}

// A value as SQL writes it.
std::string Literal(const SqlValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    std::string literal = "'";
    for (const char c : *text) literal += c == '\'' ? "''" : std::string(1, c);
    return literal + "'";
  }
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *integer);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  return "";
}

}  // namespace

bool PushedComparison::Holds(double value) const {
  switch (comparison) {
    case Comparison::kEqual:
      return value == number;
    case Comparison::kLess:
      return value < number;
    case Comparison::kLessOrEqual:
      return value <= number;
    case Comparison::kGreater:
      return value > number;
    case Comparison::kGreaterOrEqual:
      return value >= number;
    case Comparison::kIn:
    case Comparison::kEqualText:
    case Comparison::kGlob:
    case Comparison::kInTexts:
      break;
  }
  return true;
}

TableCall::TableCall(const TableSpecification& specification, std::string_view plan,
                     std::span<sqlite3_value* const> values)
    : specification_(specification), fixed_(specification.arguments.size()), values_(specification.arguments.size()) {
  const PlannedCall planned = ReadPlan(plan);
  for (std::size_t i = 0; i < planned.values.size(); ++i) {
    const int argument = planned.values[i].column - specification_.first_argument();
    if (argument >= 0) {
      TakeArgument(argument, values[i]);
    } else {
      TakeComparison(planned.values[i], values[i]);
    }
  }
  unreadable_ = planned.unreadable;
  read_ = planned.read;
  if (has_no_rows_) return;
  RequireKnown(planned.unknown);
  RequireFixed();
}

void TableCall::TakeArgument(int argument, sqlite3_value* value) {
  const auto at = static_cast<std::size_t>(argument);
  fixed_[at] = true;
  const TableArgument& taken = specification_.arguments[at];
  const bool is_null = sqlite3_value_type(value) == SQLITE_NULL;
  if (is_null && taken.null_has_no_rows) {
    has_no_rows_ = true;
  } else if (!is_null || !taken.null_is_a_value) {
    values_[at] = ReadValue(specification_.arguments[at].type, value, Name(argument));
  }
}

void TableCall::TakeComparison(const PlannedValue& planned, sqlite3_value* value) {
  if (planned.comparison == Comparison::kIn || planned.comparison == Comparison::kInTexts) {
    return TakeList(planned, value);
  }
  if (IsOfTexts(planned.comparison)) {
    // What is no text is compared by SQLite's rules, by SQLite.
    if (sqlite3_value_type(value) == SQLITE_TEXT) {
      comparisons_.push_back({planned.column, planned.comparison});
      comparisons_.back().texts = {TextValue(value, "text")};
    } else if (sqlite3_value_type(value) == SQLITE_NULL) {
      has_no_rows_ = true;
    }
    return;
  }
  const int type = sqlite3_value_type(value) == SQLITE_BLOB ? SQLITE_BLOB : sqlite3_value_numeric_type(value);
  if (type == SQLITE_NULL) {
    // `IS NULL` looks the same here: no column that is compared is ever NULL.
    has_no_rows_ = true;
  } else if (type == SQLITE_FLOAT) {
    comparisons_.push_back({planned.column, planned.comparison, sqlite3_value_double(value)});
  } else if (type == SQLITE_INTEGER && std::abs(sqlite3_value_int64(value) / 2) < kLargestExact / 2) {
    comparisons_.push_back({planned.column, planned.comparison, static_cast<double>(sqlite3_value_int64(value))});
  }
}

void TableCall::TakeList(const PlannedValue& planned, sqlite3_value* list) {
  PushedComparison comparison{planned.column, planned.comparison};
  sqlite3_value* value = nullptr;
  int status = sqlite3_vtab_in_first(list, &value);
  bool only_texts = true;
  for (; status == SQLITE_OK && value != nullptr; status = sqlite3_vtab_in_next(list, &value)) {
    if (planned.comparison == Comparison::kInTexts) {
      const int type = sqlite3_value_type(value);
      if (type == SQLITE_TEXT) comparison.texts.push_back(TextValue(value, "text"));
      only_texts = only_texts && (type == SQLITE_TEXT || type == SQLITE_NULL);
      continue;
    }
    if (sqlite3_value_type(value) == SQLITE_BLOB) continue;
    const int type = sqlite3_value_numeric_type(value);
    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) comparison.numbers.push_back(sqlite3_value_double(value));
  }
  if ((status == SQLITE_OK || status == SQLITE_DONE) && only_texts) comparisons_.push_back(std::move(comparison));
}

void TableCall::RequireKnown(std::span<const int> unknown) const {
  if (unknown.empty()) return;
  FailUsage("{0}: its value is not known where this join calls {1}: name {1} after the tables that it comes from {2}",
            Name(unknown.front()), specification_.name, kWhere);
}

void TableCall::RequireFixed() const {
  for (int argument = 0; argument < specification_.required; ++argument) {
    if (Fixed(argument)) continue;
    FailUsage("no {0}: write {1}, or {0} = {2} where its value is known {3}", Name(argument), specification_.usage,
              specification_.arguments[static_cast<std::size_t>(argument)].example, kWhere);
  }
}

std::string TableCall::Text(int argument, std::string_view missing) {
  if (!Fixed(argument)) SetDefault(argument, std::string(missing));
  return Text(argument);
}

int TableCall::SmallInteger(int argument) const {
  const std::int64_t number = Integer(argument);
  if (number < std::numeric_limits<int>::min() || number > std::numeric_limits<int>::max()) {
    FailUsage("{}: {} is out of range", Name(argument), number);
  }
  return static_cast<int>(number);
}

void TableCall::SetDefault(int argument, SqlValue value) {
  if (!Fixed(argument)) values_[static_cast<std::size_t>(argument)] = std::move(value);
}

std::optional<std::uint64_t> TableCall::Count(int argument) const {
  if (!Fixed(argument)) return std::nullopt;
  const std::int64_t count = Integer(argument);
  if (count < 1) FailUsage("{} {}: ask for at least 1", Name(argument), count);
  return static_cast<std::uint64_t>(count);
}

std::string TableCall::Key() const {
  std::string key;
  const auto add = [&key](const auto& number) { key.append(reinterpret_cast<const char*>(&number), sizeof(number)); };
  const auto add_bytes = [&](const std::string& bytes) {
    add(bytes.size());
    key += bytes;
  };
  for (const SqlValue& value : values_) {
    key += static_cast<char>(value.index());
    if (const auto* integer = std::get_if<std::int64_t>(&value)) add(*integer);
    if (const auto* real = std::get_if<double>(&value)) add(*real + 0.0);  // one zero
    if (const auto* text = std::get_if<std::string>(&value)) add_bytes(*text);
    if (const auto* blob = std::get_if<SqlBlob>(&value)) add_bytes(blob->bytes);
  }
  return key;
}

void TableCall::RequireReadable() const {
  if (unreadable_.empty()) return;
  const int argument = unreadable_.front();
  const TableArgument& read = specification_.arguments[static_cast<std::size_t>(argument)];
  const std::string literal = Literal(Value(argument));
  const bool is_null = literal.empty() && read.null_is_a_value;
  // A word of SQL's, which must be written so.
  const std::string name = read.name == std::string_view("distinct") ? "\"distinct\"" : read.name;
  FailUsage("{0} is read, but not fixed in this call of {1}, which has {2}: write {0} {3} {4}", name,
            specification_.name, literal.empty() && !is_null ? "none" : "its default",
            is_null ? "IS NULL" : fmt::format("= {}", literal.empty() ? read.example : literal), kWhere);
}

void TableCall::Return(sqlite3_context* context, int argument) const {
  const SqlValue& value = Value(argument);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return sqlite3_result_int64(context, *integer);
  if (const auto* real = std::get_if<double>(&value)) return sqlite3_result_double(context, *real);
  if (const auto* text = std::get_if<std::string>(&value)) return ReturnText(context, *text);
  if (const auto* blob = std::get_if<SqlBlob>(&value)) {
    return sqlite3_result_blob64(context, blob->bytes.data(), blob->bytes.size(), SQLITE_TRANSIENT);
  }
  sqlite3_result_null(context);
}

}  // namespace actkin
