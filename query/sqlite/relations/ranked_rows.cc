#include "query/sqlite/relations/ranked_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "query/sqlite/table_functions/sql_value.h"

namespace actkin {
namespace {

// So many rows are searched for at once where a comparison with rank asks for them.
constexpr std::uint64_t kMostExpected = 4096;

}  // namespace

RankedRows::RankedRows(AttachedCatalogs& catalogs, CatalogSnapshot snapshot, const TableCall& call,
                       const SearchRequest& request, const Site& site, std::shared_ptr<Ranking> ranking)
    : catalogs_(catalogs),
      snapshot_(std::move(snapshot)),
      comparisons_(call.comparisons()),
      metric_(request.metric),
      order_(request.order),
      over_positions_(site.over_positions()),
      first_id_(snapshot_.reader().FirstId(site)),
      ranking_(std::move(ranking)) {
  for (const PushedComparison& comparison : comparisons_) {
    // Ranks that are counted are not places.
    if (comparison.column != kRank || ranking_->counts_ranks()) continue;
    const double number = comparison.number;
    switch (comparison.comparison) {
      case Comparison::kEqual:
        SkipTo(number);
        [[fallthrough]];
      case Comparison::kLess:
      case Comparison::kLessOrEqual:
        expected_ = std::min(expected_ == 0 ? kMostExpected : expected_,
                             static_cast<std::uint64_t>(std::clamp(number, 1.0, static_cast<double>(kMostExpected))));
        break;
      case Comparison::kGreater:
      case Comparison::kGreaterOrEqual:
        SkipTo(number);
        break;
      default:
        break;
    }
  }
}

bool RankedRows::Next() {
  for (;; ++next_) {
    const std::optional<std::uint64_t> rows = ranking_->row_count();
    if (rows && next_ >= *rows) return false;
    place_ = next_;
    match_.reset();
    text_.reset();
    // Whether there is a row is known without a search, unless a band leaves rows out.
    if (!rows && !Find()) return false;
    const Verdict verdict = Judge();
    if (verdict == Verdict::kNoMore) return false;
    if (verdict == Verdict::kReturn) break;
  }
  ++next_;
  return true;
}

void RankedRows::Column(sqlite3_context* context, int column) const {
  switch (column) {
    case kRank:
      return sqlite3_result_int64(context, static_cast<sqlite3_int64>(rank()));
    case kStringId:
      if (over_positions_) return sqlite3_result_null(context);
      return sqlite3_result_int64(context, static_cast<sqlite3_int64>(id()));
    case kPosition:
      if (!over_positions_) return sqlite3_result_null(context);
      return sqlite3_result_int64(context, static_cast<sqlite3_int64>(id()));
    case kDocumentId:
      if (!over_positions_) return sqlite3_result_null(context);
      return sqlite3_result_int64(context,
                                  static_cast<sqlite3_int64>(snapshot_.reader().CorpusTokens()->DocumentOf(id())));
    case kText:
      if (!text_) text_ = FindText();
      return ReturnText(context, *text_);
    case kDistance:
      return sqlite3_result_double(context, distance());
    default:
      if (const std::optional<double> similarity = SimilarityOf(metric_, match().distance)) {
        return sqlite3_result_double(context, *similarity + 0.0);
      }
      return sqlite3_result_null(context);
  }
}

void RankedRows::SkipTo(double rank) {
  if (rank > 1 && rank < 0x1p53) next_ = std::max(next_, static_cast<std::uint64_t>(std::ceil(rank)) - 1);
}

std::string RankedRows::FindText() const {
  IndexReader& reader = snapshot_.reader();
  return over_positions_ ? reader.vocabulary().Text(reader.CorpusTokens()->Token(id()))
                         : reader.catalog().String(id()).text;
}

// Rows come by rank, so a row beyond the upper end of a comparison is the last one.
RankedRows::Verdict RankedRows::Judge() const {
  for (const PushedComparison& comparison : comparisons_) {
    // Others have chosen the rows.
    if (comparison.column != kRank && comparison.column != kDistance) continue;
    const double value = comparison.column == kRank ? static_cast<double>(rank()) : distance();
    if (comparison.Holds(value)) continue;
    const bool ascends = comparison.column == kRank || order_ == Order::kNearest;
    const bool may_hold_later = ascends ? value <= comparison.number : value >= comparison.number;
    const bool upper = comparison.comparison == Comparison::kLess || comparison.comparison == Comparison::kLessOrEqual;
    const bool lower =
        comparison.comparison == Comparison::kGreater || comparison.comparison == Comparison::kGreaterOrEqual;
    if (!may_hold_later || (ascends ? upper : lower)) return Verdict::kNoMore;
    return Verdict::kSkip;
  }
  return Verdict::kReturn;
}

Band BandOf(const TableCall& call, Metric metric, Order order) {
  double end =
      order == Order::kNearest ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
  for (const PushedComparison& comparison : call.comparisons()) {
    if (comparison.column != kDistance) continue;
    const bool above =
        comparison.comparison == Comparison::kGreater || comparison.comparison == Comparison::kGreaterOrEqual;
    const bool below = comparison.comparison == Comparison::kLess || comparison.comparison == Comparison::kLessOrEqual;
    if (order == Order::kNearest && !above) end = std::min(end, comparison.number);
    if (order == Order::kFarthest && !below) end = std::max(end, comparison.number);
  }
  Band band;
  if (metric == Metric::kL2) {
    (order == Order::kNearest ? band.high : band.low) = end;
  } else if (metric == Metric::kDot) {
    (order == Order::kNearest ? band.low : band.high) = -end;
  } else {
    // distance is 1 - similarity rounded: at most half a unit in the last place of a number below 2.
    const double slack = 0x1p-51 * (1 + std::abs(end));
    if (order == Order::kNearest) {
      band.low = 1 - end - slack;
    } else {
      band.high = 1 - end + slack;
    }
  }
  return band;
}

}  // namespace actkin
