#include "query/sqlite/relations/corpus_tokens_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "query/sqlite/table_functions/sql_value.h"
#include "query/sqlite/table_functions/table_function.h"

namespace actkin {
namespace {

// Of all rows, of a range of them, of a document, of one.
constexpr double kCostOfAll = 1e7;
constexpr sqlite3_int64 kTypicalRows = 1'000'000;
constexpr sqlite3_int64 kTypicalRowsOfRange = 1'000;
constexpr double kCostOfRow = 10;

enum Column { kPosition, kDocumentId, kTokenId, kText, kNextTokenId };
constexpr std::array kColumns{"position INTEGER", "document_id INTEGER", "token_id INTEGER", "text TEXT",
                              "next_token_id INTEGER"};
enum Argument { kCatalog };
constexpr std::array<TableArgument, 1> kArguments{{{"catalog", ArgumentType::kText, "'main'"}}};
constexpr TableSpecification kSpecification{"actkin_tokens", kColumns, kArguments, 0, "actkin_tokens"};

// Of the whole numbers of a range, those of which a comparison may hold.
// Its begin is never behind its end.
RowRange Narrowed(RowRange range, const PushedComparison& comparison) {
  // Both ends are far below what a double no longer holds.
  const double least = static_cast<double>(range.begin);
  const double most = static_cast<double>(range.end);
  const auto whole = [&](double number) { return static_cast<std::uint64_t>(std::clamp(number, least, most)); };
  const double number = comparison.number;
  switch (comparison.comparison) {
    case Comparison::kEqual:
      return {whole(std::ceil(number)), whole(std::floor(number) + 1)};
    case Comparison::kLess:
      return {range.begin, whole(std::ceil(number))};
    case Comparison::kLessOrEqual:
      return {range.begin, whole(std::floor(number) + 1)};
    case Comparison::kGreater:
      return {whole(std::floor(number) + 1), range.end};
    case Comparison::kGreaterOrEqual:
      return {whole(std::ceil(number)), range.end};
    default:
      break;  // IN comes as a call for each of its values, with kEqual
  }
  return range;
}

RowRange Narrowed(RowRange range, const TableCall& call, int column) {
  for (const PushedComparison& comparison : call.comparisons()) {
    if (comparison.column == column) range = Narrowed(range, comparison);
  }
  return range;
}

class CorpusTokenRows : public TableRows {
 public:
  CorpusTokenRows(CatalogSnapshot snapshot, std::shared_ptr<const CorpusTokensFile> corpus, RowRange positions)
      : snapshot_(std::move(snapshot)), corpus_(std::move(corpus)), next_(positions.begin), end_(positions.end) {}

  bool Next() override {
    if (next_ >= end_) return false;
    position_ = next_++;
    // Positions come one after the other, and documents may be empty.
    if (!document_ || position_ >= corpus_->Positions(*document_).end) document_ = corpus_->DocumentOf(position_);
    return true;
  }

  void Column(sqlite3_context* context, int column) const override {
    switch (column) {
      case kPosition:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(position_));
      case kDocumentId:
        return sqlite3_result_int64(context, static_cast<sqlite3_int64>(*document_));
      case kTokenId:
        return sqlite3_result_int64(context, corpus_->Token(position_));
      case kText:
        return ReturnText(context, snapshot_.reader().vocabulary().Text(corpus_->Token(position_)));
      default:
        if (position_ + 1 == corpus_->Positions(*document_).end) return sqlite3_result_null(context);
        return sqlite3_result_int64(context, corpus_->Token(position_ + 1));
    }
  }

  std::uint64_t Identity() const override { return position_; }

 private:
  CatalogSnapshot snapshot_;
  std::shared_ptr<const CorpusTokensFile> corpus_;
  std::uint64_t next_;
  std::uint64_t end_;
  // The row.
  std::uint64_t position_ = 0;
  std::optional<std::uint64_t> document_;
};

class CorpusTokensTable : public TableFunction {
 public:
  const TableSpecification& specification() const override { return kSpecification; }

  void Plan(TablePlan& plan) const override {
    plan.TakeComparisons(kPosition);
    plan.TakeComparisons(kDocumentId);
    if (ComesInOrder(plan)) plan.ComesInOrder();
    if (plan.Takes(kPosition, Comparison::kEqual)) return plan.Finish(kCostOfRow, 1);
    const bool between = TakesLower(plan, kPosition) && TakesUpper(plan, kPosition);
    if (between || plan.Takes(kDocumentId, Comparison::kEqual)) {
      return plan.Finish(kCostOfRow * kTypicalRowsOfRange, kTypicalRowsOfRange);
    }
    plan.Finish(kCostOfAll, kTypicalRows);
  }

  std::unique_ptr<TableRows> Call(AttachedCatalogs& catalogs, TableCall& call) const override {
    CatalogSnapshot snapshot = catalogs.Open(call.Text(kCatalog, "main"));
    std::shared_ptr<const CorpusTokensFile> corpus = snapshot.reader().CorpusTokens();
    RowRange positions = Narrowed({0, corpus->token_count()}, call, kPosition);
    const RowRange documents = Narrowed({0, corpus->document_count()}, call, kDocumentId);
    if (documents.begin == documents.end) {
      positions.end = positions.begin;
    } else {
      positions.begin = std::max(positions.begin, corpus->Positions(documents.begin).begin);
      positions.end = std::min(positions.end, corpus->Positions(documents.end - 1).end);
    }
    return std::make_unique<CorpusTokenRows>(std::move(snapshot), std::move(corpus), positions);
  }

 private:
  static bool TakesLower(const TablePlan& plan, int column) {
    return plan.Takes(column, Comparison::kGreater) || plan.Takes(column, Comparison::kGreaterOrEqual);
  }
  static bool TakesUpper(const TablePlan& plan, int column) {
    return plan.Takes(column, Comparison::kLess) || plan.Takes(column, Comparison::kLessOrEqual);
  }

  // By position, which no two rows share; or by document, then by position.
  static bool ComesInOrder(const TablePlan& plan) {
    for (int i = 0; i < plan.order_terms(); ++i) {
      if (plan.order_descending(i)) return false;
      if (plan.order_column(i) == kPosition) return true;
      if (plan.order_column(i) != kDocumentId) return false;
    }
    return plan.order_terms() > 0;
  }
};

}  // namespace

std::unique_ptr<const TableFunction> MakeCorpusTokensTable() { return std::make_unique<CorpusTokensTable>(); }

}  // namespace actkin
