#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_COMPARED_ROWS_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_COMPARED_ROWS_H_

#include <memory>
#include <optional>
#include <string>

#include "query/reader/index_reader.h"
#include "query/sqlite/table_functions/table_call.h"

namespace actkin {

// Columns of a table that say what a row is of.
struct RowColumns {
  int string_id;
  int position;
  int document_id;
  int text;
};

// The rows that a call's comparisons of these columns leave: what they rule out need not be searched. All that they
// hold for are among them; SQLite checks each comparison again.
class ComparedRows {
 public:
  // `call` outlives this object.
  ComparedRows(const TableCall& call, const RowColumns& columns) : call_(call), columns_(columns) {}

  // Equal for the same comparisons.
  std::string Key() const;
  // Of the rows among `among`, or of all where it is null, those that are left; null: all rows.
  std::shared_ptr<const RowSet> Of(IndexReader& reader, const Site& site, std::shared_ptr<const RowSet> among) const;

 private:
  bool IsOurs(int column) const;
  // None: all rows are left.
  std::optional<RowSet> Left(IndexReader& reader, const Site& site, const PushedComparison& comparison) const;

  const TableCall& call_;
  const RowColumns columns_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_COMPARED_ROWS_H_
