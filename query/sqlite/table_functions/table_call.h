#ifndef ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_CALL_H_
#define ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_CALL_H_

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "query/sqlite/table_functions/table_plan.h"
#include "query/sqlite/table_functions/table_specification.h"

namespace actkin {

struct SqlBlob {
  std::string bytes;
};
// NULL is std::monostate.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string, SqlBlob>;

// A comparison that the rows may use: `column <comparison> number`, `column IN (numbers)`, or the same of texts. SQLite
// checks it once more.
struct PushedComparison {
  int column = 0;
  Comparison comparison = Comparison::kEqual;
  double number = 0;
  std::vector<double> numbers = {};  // of kIn: those of its list that are numbers
  // Of kEqualText and kGlob the text, of kInTexts those of its list.
  std::vector<std::string> texts = {};

  // REQUIRES: neither kIn nor one of texts.
  bool Holds(double value) const;
};

// The arguments of one call: those that the statement fixes, and for the others the defaults, which the table sets as
// it reads them. A statement may read the column only of an argument that is fixed: what a default would be compared
// with is not known to the table, and rows of other values would be missing, whether or not it comes to the comparison.
class TableCall {
 public:
  // plan: xBestIndex's. Throws Error (usage), saying how to write it, where an argument that must be fixed is not,
  // where its value was not known in this order of the join, where one is NULL, or is no value of its type.
  TableCall(const TableSpecification& specification, std::string_view plan, std::span<sqlite3_value* const> values);

  // No rows, whatever the rest: the prompt is NULL, or something is compared with NULL.
  bool HasNoRows() const { return has_no_rows_; }
  std::span<const PushedComparison> comparisons() const { return comparisons_; }

  // Whether the statement reads the column. REQUIRES: the plan said so (TablePlan::SayWhetherRead).
  bool Reads(int column) const { return std::ranges::find(read_, column) != read_.end(); }

  bool Fixed(int argument) const { return fixed_[static_cast<std::size_t>(argument)]; }
  // Of an argument that is fixed; of another its default, or what `missing` says, which is its default from then on.
  std::string Text(int argument, std::string_view missing);
  std::string Text(int argument) const { return std::get<std::string>(Value(argument)); }
  std::int64_t Integer(int argument) const { return std::get<std::int64_t>(Value(argument)); }
  // Throws Error (usage) when it is out of an int's range.
  int SmallInteger(int argument) const;
  double Real(int argument) const { return std::get<double>(Value(argument)); }
  std::string_view Blob(int argument) const { return std::get<SqlBlob>(Value(argument)).bytes; }
  const SqlValue& Value(int argument) const { return values_[static_cast<std::size_t>(argument)]; }
  void SetDefault(int argument, SqlValue value);
  // An argument `k`: at least 1.
  std::optional<std::uint64_t> Count(int argument) const;

  // All arguments, defaults filled in: equal for calls that give the same rows, and only for those.
  std::string Key() const;

  // Throws Error (usage) where the statement reads the column of an argument that is not fixed. REQUIRES: defaults are
  // set.
  void RequireReadable() const;
  // Gives the column of an argument that is fixed to SQLite.
  void Return(sqlite3_context* context, int argument) const;

 private:
  const char* Name(int argument) const { return specification_.arguments[static_cast<std::size_t>(argument)].name; }
  void RequireKnown(std::span<const int> unknown) const;
  void RequireFixed() const;
  void TakeArgument(int argument, sqlite3_value* value);
  void TakeComparison(const PlannedValue& planned, sqlite3_value* value);
  void TakeList(const PlannedValue& planned, sqlite3_value* list);

  const TableSpecification& specification_;
  std::vector<bool> fixed_;       // by argument
  std::vector<SqlValue> values_;  // by argument
  std::vector<PushedComparison> comparisons_;
  std::vector<int> unreadable_;
  std::vector<int> read_;
  bool has_no_rows_ = false;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_CALL_H_
