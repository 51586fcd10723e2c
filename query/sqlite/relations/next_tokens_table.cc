#include "query/sqlite/relations/next_tokens_table.h"

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "query/sqlite/relations/prompt_argument.h"
#include "query/sqlite/table_functions/sql_value.h"
#include "query/sqlite/table_functions/table_function.h"

namespace actkin {
namespace {

// A few binary searches.
constexpr double kCost = 100;
constexpr sqlite3_int64 kTypicalRows = 10;

enum Column { kToken, kTokenId, kCount, kProbability };
constexpr std::array kColumns{"token TEXT", "token_id INTEGER", "count INTEGER", "probability REAL"};
enum Argument { kPrefix, kCatalog };
constexpr std::array<TableArgument, 2> kArguments{{
    {"prefix", ArgumentType::kPrompt, "'my most gr'", true},
    {"catalog", ArgumentType::kText, "'main'"},
}};
constexpr TableSpecification kSpecification{"actkin_next_tokens", kColumns, kArguments, 1,
                                            "actkin_next_tokens('a prefix') with a prefix of yours"};

class NextTokenRows : public TableRows {
 public:
  explicit NextTokenRows(std::vector<NextToken> rows) : rows_(std::move(rows)) {
    for (const NextToken& row : rows_) total_ += row.count;
  }

  bool Next() override {
    if (end_ == rows_.size()) return false;
    ++end_;
    return true;
  }

  void Column(sqlite3_context* context, int column) const override {
    const NextToken& row = rows_[end_ - 1];
    switch (column) {
      case kToken:
        return ReturnText(context, row.token);
      case kTokenId:
        return sqlite3_result_int64(context, row.token_id);
      case kCount:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(row.count));
      default:
        return sqlite3_result_double(context, static_cast<double>(row.count) / static_cast<double>(total_));
    }
  }

  std::uint64_t Identity() const override { return rows_[end_ - 1].token_id; }

 private:
  std::vector<NextToken> rows_;
  std::uint64_t total_ = 0;
  std::size_t end_ = 0;  // behind the row that is read
};

class NextTokensTable : public TableFunction {
 public:
  const TableSpecification& specification() const override { return kSpecification; }

  void Plan(TablePlan& plan) const override {
    if (ComesInOrder(plan)) plan.ComesInOrder();
    plan.Finish(kCost, kTypicalRows);
  }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, TableCall& call) const override {
    const CatalogSnapshot snapshot = catalogs.Open(call.Text(kCatalog, "main"));
    IndexReader& reader = snapshot.reader();
    return std::make_unique<NextTokenRows>(reader.NextTokensOfPrefix(ReadPrefix(call, kPrefix, reader)));
  }

 private:
  // By count or probability, which are in one order, then by token_id.
  static bool ComesInOrder(const TablePlan& plan) {
    if (plan.order_terms() == 0 || plan.order_terms() > 2 || !plan.order_descending(0)) return false;
    if (plan.order_column(0) != kCount && plan.order_column(0) != kProbability) return false;
    return plan.order_terms() == 1 || (plan.order_column(1) == kTokenId && !plan.order_descending(1));
  }
};

}  // namespace

std::unique_ptr<const TableFunction> MakeNextTokensTable() { return std::make_unique<NextTokensTable>(); }

}  // namespace actkin
