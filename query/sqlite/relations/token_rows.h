#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_TOKEN_ROWS_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_TOKEN_ROWS_H_

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "actkin/index.h"
#include "query/sqlite/table_functions/table_function.h"

namespace actkin {

// Tokens by rank, the most probable first: columns rank, token, token_id, probability.
class TokenRows : public TableRows {
 public:
  explicit TokenRows(std::vector<TokenProbability> rows) : rows_(std::move(rows)) {}

  bool Next() override;
  void Column(sqlite3_context* context, int column) const override;
  std::uint64_t Identity() const override { return rows_[end_ - 1].token_id; }

 private:
  std::vector<TokenProbability> rows_;
  std::size_t end_ = 0;  // behind the row that is read
};

// Their columns in a table's specification.
inline constexpr std::array kTokenRowColumns{"rank INTEGER", "token TEXT", "token_id INTEGER", "probability REAL"};

// The plan of a table of such rows, for a call of this cost: they come in order where ORDER BY asks for them so.
void PlanTokenRows(TablePlan& plan, double cost);

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_TOKEN_ROWS_H_
