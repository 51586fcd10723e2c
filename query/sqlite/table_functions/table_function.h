#ifndef ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_FUNCTION_H_
#define ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_FUNCTION_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>

#include "query/sqlite/connection/attached_catalogs.h"
#include "query/sqlite/table_functions/table_call.h"
#include "query/sqlite/table_functions/table_plan.h"
#include "query/sqlite/table_functions/table_specification.h"

namespace actkin {

// The rows of one call, one after the other.
class TableRows {
 public:
  virtual ~TableRows() = default;

  // Goes on to the next row, at first to the first; false where there is none.
  virtual bool Next() = 0;
  // Gives a column of the row to SQLite; arguments are not asked for here.
  virtual void Column(sqlite3_context* context, int column) const = 0;
  // Tells the row from the call's others.
  virtual std::uint64_t Identity() const = 0;
};

// A table-valued function: an eponymous, read-only virtual table whose hidden columns are its arguments. What it says
// holds however the statement is written: a call has all rows of its arguments, and all else is a filter of SQLite's.
// Methods may throw Error, which becomes the statement's error, and Interrupted.
class TableFunction {
 public:
  virtual ~TableFunction() = default;

  virtual const TableSpecification& specification() const = 0;
  // Takes comparisons that Call uses, says whether rows come in order, and finishes the plan.
  virtual void Plan(TablePlan& plan) const = 0;
  // Sets the defaults of all arguments that are not fixed. `call` lives as long as the rows.
  virtual std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, TableCall& call) const = 0;
};

// Returns an SQLite status.
int RegisterTableFunction(sqlite3* connection, std::unique_ptr<const TableFunction> function,
                          std::shared_ptr<AttachedCatalogs> catalogs);

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_FUNCTION_H_
