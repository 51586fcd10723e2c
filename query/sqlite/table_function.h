#ifndef ACTKIN_QUERY_SQLITE_TABLE_FUNCTION_H_
#define ACTKIN_QUERY_SQLITE_TABLE_FUNCTION_H_

#include <sqlite3.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "query/sqlite/attached_catalogs.h"

namespace actkin {

// The rows that one call returned.
class TableRows {
 public:
  virtual ~TableRows() = default;

  // True where there is no row `row`. Rows are asked for one after the other, from 0.
  virtual bool AtEnd(std::size_t row) const = 0;
  // Gives column `column` of row `row` to SQLite. REQUIRES: AtEnd was last asked of this row, and was false.
  virtual void Column(sqlite3_context* context, std::size_t row, int column) const = 0;
};

// What xBestIndex chose: which constraint each value given to xFilter comes from, one character each: 'a' + n is the
// n-th argument (hidden column), anything else is the table's own.
class TablePlan {
 public:
  explicit TablePlan(sqlite3_index_info& info) : info_(info) {}

  // Consumes an equality with each hidden column from `first` on. False when an argument's value is not known in this
  // order of the join, so that SQLite must try another.
  bool ConsumeArguments(int first);
  bool consumed(int constraint) const { return info_.aConstraintUsage[constraint].argvIndex > 0; }
  // omit: SQLite need not check the constraint again.
  void Consume(int constraint, char code, bool omit);
  // Hands the plan over to SQLite. cost: of one call, in SQLite's unit, about one step of a scan.
  void Finish(double cost, sqlite3_int64 rows);

  std::span<const sqlite3_index_info::sqlite3_index_constraint> constraints() const {
    return {info_.aConstraint, static_cast<std::size_t>(info_.nConstraint)};
  }

 private:
  sqlite3_index_info& info_;
  std::string codes_;
};

// True where ORDER BY asks for rows by rank, or by probability from the largest down, as they come.
bool RankedRowsComeInOrder(const sqlite3_index_info& info, int rank_column, int probability_column);

// The arguments of one call, by their number.
class TableArguments {
 public:
  // codes: the plan's; values: as many.
  TableArguments(std::span<const char* const> names, std::string_view codes, std::span<sqlite3_value* const> values);

  bool Has(int argument) const { return Value(argument) != nullptr; }
  // Null where the argument was not given.
  sqlite3_value* Value(int argument) const { return values_[static_cast<std::size_t>(argument)]; }
  const char* Name(int argument) const { return names_[static_cast<std::size_t>(argument)]; }
  // Or `missing` where the argument was not given.
  std::string Text(int argument, std::string_view missing) const;

 private:
  std::span<const char* const> names_;
  std::vector<sqlite3_value*> values_;
};

// A copy of a value given to xFilter, which lives shorter than the rows.
struct FreeValue {
  void operator()(sqlite3_value* value) const { sqlite3_value_free(value); }
};
using KeptValue = std::unique_ptr<sqlite3_value, FreeValue>;

// A table-valued function: an eponymous, read-only virtual table whose hidden columns are its arguments. Methods may
// throw Error; it becomes the statement's error.
class TableFunction {
 public:
  virtual ~TableFunction() = default;

  virtual const char* declaration() const = 0;  // CREATE TABLE ...
  // xBestIndex. False: not possible in this order of the join.
  virtual bool Plan(sqlite3_index_info& info) const = 0;
  virtual std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, std::string_view codes,
                                          std::span<sqlite3_value* const> values) const = 0;
};

// Returns an SQLite status.
int RegisterTableFunction(sqlite3* connection, const char* name, std::unique_ptr<const TableFunction> function,
                          std::shared_ptr<AttachedCatalogs> catalogs);

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_TABLE_FUNCTION_H_
