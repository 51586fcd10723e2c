#include "query/sqlite/relations/token_rows.h"

#include "query/sqlite/table_functions/sql_value.h"

namespace actkin {
namespace {

constexpr sqlite3_int64 kTypicalVocabulary = 64;

enum Column { kRank, kToken, kTokenId, kProbability };

bool ComeInOrder(const TablePlan& plan) {
  if (plan.order_terms() == 0) return false;
  if (plan.order_column(0) == kRank) return !plan.order_descending(0);
  return plan.order_column(0) == kProbability && plan.order_descending(0) && plan.order_terms() == 1;
}

}  // namespace

bool TokenRows::Next() {
  if (end_ == rows_.size()) return false;
  ++end_;
  return true;
}

void TokenRows::Column(sqlite3_context* context, int column) const {
  const TokenProbability& row = rows_[end_ - 1];
  switch (column) {
    case kRank:
      return sqlite3_result_int64(context, static_cast<sqlite3_int64>(end_));
    case kToken:
      return ReturnText(context, row.token);
    case kTokenId:
      return sqlite3_result_int64(context, row.token_id);
    default:
      return sqlite3_result_double(context, row.probability);
  }
}

void PlanTokenRows(TablePlan& plan, double cost) {
  if (ComeInOrder(plan)) plan.ComesInOrder();
  plan.Finish(cost, kTypicalVocabulary);
}

}  // namespace actkin
