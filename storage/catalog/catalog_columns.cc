#include "storage/catalog/catalog_columns.h"

#include <limits>

#include "schema/error.h"

namespace actkin {

FileRow ReadFileRow(const SqliteStatement& statement, int column) {
  return {statement.Text(column), ReadCount(statement, column + 1), statement.Text(column + 2)};
}

std::uint64_t ReadCount(const SqliteStatement& statement, int column) {
  const std::int64_t value = statement.Integer(column);
  if (value < 0) FailDamaged("the catalog is damaged: a count is {}", value);
  return static_cast<std::uint64_t>(value);
}

int ReadSmallNumber(const SqliteStatement& statement, int column) {
  const std::int64_t value = statement.Integer(column);
  if (value < 0 || value > std::numeric_limits<int>::max()) {
    FailDamaged("the catalog is damaged: a number is {}", value);
  }
  return static_cast<int>(value);
}

}  // namespace actkin
