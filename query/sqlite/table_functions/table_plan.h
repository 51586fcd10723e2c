#ifndef ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_PLAN_H_
#define ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_PLAN_H_

#include <sqlite3.h>

#include <string>
#include <string_view>
#include <vector>

#include "query/sqlite/table_functions/table_specification.h"

namespace actkin {

// Comparisons of a column that a table may use to stop early or to skip rows.
enum class Comparison : char {
  kEqual = '=',
  kLess = '<',
  kLessOrEqual = '{',
  kGreater = '>',
  kGreaterOrEqual = '}',
  kIn = 'i',
  kEqualText = 't',
  kGlob = 'g',
  kInTexts = 'T'
};
inline bool IsOfTexts(Comparison comparison) {
  return comparison == Comparison::kEqualText || comparison == Comparison::kGlob || comparison == Comparison::kInTexts;
}

// What xBestIndex chose, and what xFilter reads of it.
struct PlannedValue {
  int column = 0;  // of the table, hidden ones included
  Comparison comparison = Comparison::kEqual;
};
struct PlannedCall {
  std::vector<PlannedValue> values;  // in the order in which SQLite gives them
  std::vector<int> unknown;          // arguments that are fixed, by values that are not known where the call is made
  std::vector<int> unreadable;       // arguments whose columns the statement reads, but that are not fixed
  std::vector<int> read;             // columns that are read, of those that SayWhetherRead named
};
// idx_str: what TablePlan::Finish wrote.
PlannedCall ReadPlan(std::string_view idx_str);

// One xBestIndex. Every argument that `=`, IS or IN fixes is taken. A plan that cannot be answered is there all the
// same, so that SQLite never says "no query solution"; it costs so much that any other is preferred, and the call says
// what is wrong with it.
class TablePlan {
 public:
  TablePlan(const TableSpecification& specification, sqlite3_index_info& info);

  // Takes comparisons of a numeric column with known values; SQLite checks them all the same. whole_lists: IN comes as
  // one comparison, kIn, with all values of its list; otherwise as a call for each, with kEqual. nullable: the column
  // may be NULL, so that `IS` is left to SQLite.
  void TakeComparisons(int column, bool whole_lists = false, bool nullable = false);
  // The same of a column of texts, compared byte by byte: =, IN as a whole, and GLOB.
  void TakeTexts(int column);
  // Whether the statement reads the column, be it in a condition or an order.
  bool Reads(int column) const { return (info_.colUsed >> column & 1) != 0; }
  // The call will be told whether the statement reads the column (TableCall::Reads).
  void SayWhetherRead(int column) {
    if (Reads(column)) read_.push_back(column);
  }

  // True where such a comparison was taken.
  bool Takes(int column, Comparison comparison) const;

  bool Fixed(int argument) const { return fixed_[static_cast<std::size_t>(argument)]; }
  // The text that an argument has in every call of the statement, `missing` where it is not fixed; empty where the text
  // is not known yet.
  std::string KnownText(int argument, std::string_view missing) const;

  int order_terms() const { return info_.nOrderBy; }
  int order_column(int term) const { return info_.aOrderBy[term].iColumn; }
  bool order_descending(int term) const { return info_.aOrderBy[term].desc != 0; }
  // Rows come as ORDER BY asks.
  void ComesInOrder() { info_.orderByConsumed = info_.nOrderBy > 0 ? 1 : 0; }

  // Hands the plan over to SQLite. cost: of one call, in SQLite's unit, about one step of a scan.
  void Finish(double cost, sqlite3_int64 rows);

 private:
  void TakeArguments();
  void Take(int constraint, Comparison comparison, bool omit);
  bool IsBinary(int constraint) const;
  // Arguments that are fixed by values that are not known here.
  std::vector<int> Unknown() const;
  // Arguments whose columns the statement reads somewhere, but that nothing fixes here.
  std::vector<int> Unreadable() const;
  // Whether such a call can be answered: yes; perhaps, where it is a branch of an OR and the rest fixes what is
  // missing; or not.
  enum class Answer { kYes, kBranch, kUnreadable, kNothingFixed, kUnknown };
  Answer Answerable() const;

  const TableSpecification& specification_;
  sqlite3_index_info& info_;
  std::vector<bool> fixed_;    // by argument
  std::vector<bool> unknown_;  // by argument: some value for it is not known here
  int taken_ = 0;
  std::string values_;  // two characters a value
  std::vector<int> read_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_PLAN_H_
